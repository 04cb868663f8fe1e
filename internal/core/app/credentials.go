package app

// Credentials open a remote repository. The zero value opens a public one.
type Credentials struct {
	Username, Password string
	BearerToken        string
	SSHPrivateKey      []byte
	SSHPassphrase      string
	KnownHosts         []byte
	CABundle           []byte
	ClientCert         []byte
	ClientKey          []byte
	SkipTLSVerify      bool // as users may ask for in a repository Secret
	PlainHTTP          bool // a registry is spoken to without TLS
	PassCredentials    bool // to hosts other than the repository's, too
}

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
}

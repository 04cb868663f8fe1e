package gitstore

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// session is a private directory with everything secret that one run of git
// needs, in files that only we can read: never an argument, never a variable.
type session struct {
	dir string
}

// newSession writes a's credentials and git's configuration below parent.
func newSession(parent string, a address, opts Options) (*session, error) {
	dir, err := os.MkdirTemp(parent, "fetch-")
	if err != nil {
		return nil, err
	}
	s := &session{dir: dir}
	config, err := s.config(a, opts)
	if err == nil {
		_, err = s.write("config", []byte(config))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() { _ = os.RemoveAll(s.dir) }

func (s *session) path(name string) string { return filepath.Join(s.dir, name) }

func (s *session) write(name string, data []byte) (string, error) {
	p := s.path(name)
	return p, os.WriteFile(p, data, 0o600)
}

// baseConfig is the same for every run. Objects are checked on their way in,
// except for faults that old tools left in many histories and that harm nobody.
const baseConfig = `[core]
	hooksPath = /dev/null
	bigFileThreshold = 16m
	fsmonitor = false
[protocol]
	version = 2
[transfer]
	fsckObjects = true
	unpackLimit = 1
[fetch]
	unpackLimit = 1
	writeCommitGraph = false
	recurseSubmodules = false
[fetch "fsck"]
	zeroPaddedFilemode = ignore
	missingSpaceBeforeDate = ignore
	missingSpaceBeforeEmail = ignore
	missingNameBeforeEmail = ignore
	missingEmail = ignore
	badEmail = ignore
	badName = ignore
	badDate = ignore
	badDateOverflow = ignore
	badTimezone = ignore
	multipleAuthors = ignore
	badTagName = ignore
	missingTaggerEntry = ignore
	badFilemode = ignore
	nulInCommit = ignore
	gitmodulesUrl = ignore
	gitmodulesPath = ignore
	gitmodulesName = ignore
	gitmodulesParse = ignore
	gitmodulesUpdate = ignore
	gitmodulesSymlink = ignore
	gitmodulesLarge = ignore
	gitmodulesBlob = ignore
	gitmodulesMissing = ignore
[gc]
	auto = 0
[maintenance]
	auto = false
[http]
	followRedirects = false
`

func (s *session) config(a address, opts Options) (string, error) {
	var b strings.Builder
	b.WriteString(baseConfig)
	switch a.scheme {
	case "https", "http":
		if err := s.web(&b, a.auth); err != nil {
			return "", err
		}
	case "ssh":
		command, err := s.sshCommand(a.auth, opts)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "[core]\n\tsshCommand = %s\n[ssh]\n\tvariant = ssh\n", quoteConfig(command))
	case "file":
		b.WriteString("[safe]\n\tdirectory = *\n")
	}
	return b.String(), nil
}

func (s *session) web(b *strings.Builder, auth Auth) error {
	set := func(key, value string) { fmt.Fprintf(b, "\t%s = %s\n", key, quoteConfig(value)) }
	if header := auth.header(); header != "" {
		set("extraHeader", "Authorization: "+header)
	}
	if auth.TLS == TLSSkipVerify {
		set("sslVerify", "false")
	}
	if auth.Proxy != "" {
		if printable(auth.Proxy) != auth.Proxy {
			return errors.New("the proxy's address has control characters")
		}
		set("proxy", auth.Proxy)
	}
	for _, f := range []struct {
		key, name, what string
		data            []byte
	}{
		{"sslCAInfo", "ca.pem", "certificate authority", auth.CABundle},
		{"sslCert", "cert.pem", "client certificate", auth.ClientCert},
		{"sslKey", "key.pem", "client key", auth.ClientKey},
	} {
		if len(f.data) == 0 {
			continue
		}
		if block, _ := pem.Decode(f.data); block == nil {
			return fmt.Errorf("the %s is not in PEM form", f.what)
		}
		p, err := s.write(f.name, f.data)
		if err != nil {
			return err
		}
		set(f.key, p)
	}
	return nil
}

// header returns the value of the Authorization header, or "".
func (a Auth) header() string {
	switch {
	case a.BearerToken != "":
		return "Bearer " + a.BearerToken
	case a.Username != "" || a.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.Username+":"+a.Password))
	}
	return ""
}

func (s *session) sshCommand(auth Auth, opts Options) (string, error) {
	key, err := plainKey(auth)
	if err != nil {
		return "", err
	}
	keyPath, err := s.write("identity", key)
	if err != nil {
		return "", err
	}
	hosts, err := s.write("known_hosts", append([]byte(strings.ReplaceAll(string(auth.KnownHosts), "\r", "")), '\n'))
	if err != nil {
		return "", err
	}
	return strings.Join([]string{
		quoteShell(opts.SSH), "-F", "/dev/null", "-i", quoteShell(keyPath),
		"-o", "StrictHostKeyChecking=yes", "-o", quoteShell(`UserKnownHostsFile="` + hosts + `"`), "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey",
		"-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes", "-o", "UpdateHostKeys=no", "-o", "ControlMaster=no", "-o", "ControlPath=none",
		"-o", "ConnectTimeout=15", "-o", "IgnoreUnknown=RequiredRSASize", "-o", "RequiredRSASize=2048",
	}, " "), nil
}

// plainKey returns the private key without its passphrase, which ssh could only
// ask a terminal for.
func plainKey(auth Auth) ([]byte, error) {
	pemData := append([]byte(strings.TrimSpace(strings.ReplaceAll(string(auth.SSHPrivateKey), "\r", ""))), '\n')
	_, err := ssh.ParseRawPrivateKey(pemData)
	if err == nil {
		return pemData, nil
	}
	var locked *ssh.PassphraseMissingError
	if !errors.As(err, &locked) {
		return nil, errors.New("the SSH private key cannot be read: it must be in PEM form, as ssh-keygen writes it")
	}
	if auth.SSHPassphrase == "" {
		return nil, errors.New("the SSH private key is encrypted, and the credentials have no passphrase")
	}
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(pemData, []byte(auth.SSHPassphrase))
	if err != nil {
		return nil, errors.New("the passphrase does not open the SSH private key")
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, errors.New("the SSH private key is of a kind that cannot be used")
	}
	return pem.EncodeToMemory(block), nil
}

func quoteConfig(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func quoteShell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

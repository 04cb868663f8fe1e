package gitremote

import (
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// File is a file that a run of git needs. All of it is to be treated as secret.
type File struct {
	Name string // within the directory of the run
	Data []byte
}

// ConfigName is the name of the file that holds git's configuration.
const ConfigName = "config"

// SSH is what an address of that scheme needs besides its credentials.
type SSH struct {
	Program string // absolute path
	Key     []byte // the private key without passphrase, PEM
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

// Files returns what a run of git in a directory of its own needs to fetch from a:
// its configuration, and what that refers to. The directory is named by its
// absolute path and must be private.
func (a Address) Files(dir string, ssh SSH) ([]File, error) {
	s := session{dir: dir}
	s.text.WriteString(baseConfig)
	var err error
	switch a.Scheme {
	case "https", "http":
		err = s.web(a.Auth)
	case "ssh":
		fmt.Fprintf(&s.text, "[core]\n\tsshCommand = %s\n[ssh]\n\tvariant = ssh\n", quoteConfig(s.sshCommand(a.Auth, ssh)))
	case "file":
		s.text.WriteString("[safe]\n\tdirectory = *\n")
	}
	if err != nil {
		return nil, err
	}
	return append(s.files, File{ConfigName, []byte(s.text.String())}), nil
}

// session is the files of one run as they come together.
type session struct {
	dir   string
	text  strings.Builder // of the configuration
	files []File
}

// add notes a file and returns its path.
func (s *session) add(name string, data []byte) string {
	s.files = append(s.files, File{name, data})
	return filepath.Join(s.dir, name)
}

func (s *session) web(auth Auth) error {
	set := func(key, value string) { fmt.Fprintf(&s.text, "\t%s = %s\n", key, quoteConfig(value)) }
	if header := auth.Header(); header != "" {
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
		set(f.key, s.add(f.name, f.data))
	}
	return nil
}

func (s *session) sshCommand(auth Auth, ssh SSH) string {
	key := s.add("identity", ssh.Key)
	hosts, check := "/dev/null", "no"
	if auth.HostKeys != HostKeysAny {
		hosts, check = s.add("known_hosts", append([]byte(strings.ReplaceAll(string(auth.KnownHosts), "\r", "")), '\n')), "yes"
	}
	return strings.Join([]string{
		quoteShell(ssh.Program), "-F", "/dev/null", "-i", quoteShell(key),
		"-o", "StrictHostKeyChecking=" + check, "-o", quoteShell(`UserKnownHostsFile="` + hosts + `"`), "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey",
		"-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes", "-o", "UpdateHostKeys=no", "-o", "ControlMaster=no", "-o", "ControlPath=none",
		"-o", "ConnectTimeout=15", "-o", "IgnoreUnknown=RequiredRSASize", "-o", "RequiredRSASize=2048",
	}, " ")
}

func quoteConfig(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func quoteShell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

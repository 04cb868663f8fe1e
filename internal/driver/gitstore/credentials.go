package gitstore

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
)

// session is a private directory with everything secret that one run of git
// needs, in files that only we can read: never an argument, never a variable.
type session struct {
	dir string
}

// newSession writes what git needs to fetch from a below parent.
func newSession(parent string, a gitremote.Address, opts Options) (*session, error) {
	dir, err := os.MkdirTemp(parent, "fetch-")
	if err != nil {
		return nil, err
	}
	s := &session{dir: dir}
	if err := s.fill(a, opts); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) fill(a gitremote.Address, opts Options) error {
	shell := gitremote.SSH{Program: opts.SSH}
	if a.Scheme == "ssh" {
		var err error
		if shell.Key, err = plainKey(a.Auth); err != nil {
			return err
		}
	}
	files, err := a.Files(s.dir, shell)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(s.path(f.Name), f.Data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) close() { _ = os.RemoveAll(s.dir) }

func (s *session) path(name string) string { return filepath.Join(s.dir, name) }

// plainKey returns the private key without its passphrase, which ssh could only
// ask a terminal for.
func plainKey(auth gitremote.Auth) ([]byte, error) {
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

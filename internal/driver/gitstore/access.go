package gitstore

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
)

// A repository's file "access" lists the credentials that opened it, so that
// after a restart during an outage of the server its users can still read what
// they had. A line is derived from the credentials so slowly that they cannot be
// guessed back from it.

const (
	accessFile   = "access"
	accessRounds = 200_000
	maxAccess    = 32 // lines; the oldest go
)

// loadSecret returns the store's own random key, made on first use.
func loadSecret(name string) ([]byte, error) {
	secret, err := os.ReadFile(name)
	if err == nil && len(secret) == 32 {
		return secret, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	secret = make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	return secret, os.WriteFile(name, secret, 0o600)
}

// trace returns the line that stands for the credentials.
func (m *member) trace() (string, error) {
	if m.traced == "" {
		id := m.remote.Identity(m.repo.store.secret)
		key, err := pbkdf2.Key(sha256.New, id, m.repo.store.secret, accessRounds, 32)
		if err != nil {
			return "", err
		}
		m.traced = hex.EncodeToString(key)
	}
	return m.traced, nil
}

// remember notes the outcome of a fetch: success and refusal are kept on disk;
// when the server cannot be reached, what is kept decides. The caller has the
// turn.
func (m *member) remember(outcome error, extra []string) {
	_, before := m.last()
	var failure *gitremote.FetchError
	switch {
	case outcome == nil && !before:
		m.rewriteAccess(func(lines []string, own string) []string {
			lines = append(lines, own)
			return lines[max(0, len(lines)-maxAccess):]
		})
	case !errors.As(outcome, &failure):
	case failure.Kind == gitremote.FailedAuth || failure.Kind == gitremote.FailedNotFound:
		m.rewriteAccess(func(lines []string, _ string) []string { return lines })
	case before:
	case failure.Kind == gitremote.FailedNetwork || failure.Kind == gitremote.FailedServer || failure.Kind == gitremote.FailedTimeout || failure.Kind == gitremote.FailedTLS || failure.Kind == gitremote.FailedDisk:
		m.recall(extra)
	}
}

// recall restores the references of before a restart, if these credentials had
// opened the repository then.
func (m *member) recall(extra []string) {
	own, err := m.trace()
	if err != nil {
		return
	}
	text, _ := os.ReadFile(filepath.Join(m.repo.dir, accessFile))
	if !slices.Contains(strings.Fields(string(text)), own) {
		return
	}
	refs, err := m.read(extra)
	if err != nil {
		m.repo.store.opts.Logger.Warn("git store not restored", "url", m.repo.url, "err", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refs = refs
}

// rewriteAccess changes the list; change gets the other lines and our own.
func (m *member) rewriteAccess(change func(lines []string, own string) []string) {
	own, err := m.trace()
	if err != nil {
		return
	}
	name := filepath.Join(m.repo.dir, accessFile)
	text, _ := os.ReadFile(name)
	old := strings.Fields(string(text))
	others := slices.DeleteFunc(slices.Clone(old), func(line string) bool { return line == own })
	lines := change(others, own)
	if slices.Equal(lines, old) {
		return
	}
	err = os.WriteFile(name+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		m.repo.store.opts.Logger.Warn("git store access not kept", "url", m.repo.url, "err", err)
	}
}

// Package statedir owns the folder in which one sandbox keeps everything that
// survives a restart. A path goes in; a locked directory with remembered ports
// and tokens comes out. It never talks to a cluster and never deletes a file
// that it did not create itself.
package statedir

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Ports are the loopback TCP ports a sandbox listened on last. Zero means that
// the listener never ran.
type Ports struct {
	API    int `json:"api,omitempty"`
	Git    int `json:"git,omitempty"`
	GitTLS int `json:"gitTLS,omitempty"`
}

// Dir is an open, exclusively locked sandbox folder. Its methods are safe for
// concurrent use.
type Dir struct {
	root string
	lock *os.File

	mu    sync.Mutex
	state state
}

type state struct {
	Ports  Ports             `json:"ports"`
	Tokens map[string]string `json:"tokens,omitempty"` // bearer tokens by user name
}

// Open creates path with mode 0700 where it is missing, locks it against a
// second sandbox and reads what the last run remembered. The lock is held until
// Close or the end of the process.
func Open(path string) (*Dir, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %q: %w", path, err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %q: %w", path, err)
	}
	lock, err := os.OpenFile(filepath.Join(root, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory %q: %w", path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("data directory %q: in use by another sandbox; stop it or choose another --data", path)
	}
	d := &Dir{root: root, lock: lock}
	if err := d.load(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) load() error {
	d.state.Tokens = map[string]string{}
	raw, err := os.ReadFile(d.Path("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remembered state: %w", err)
	}
	if err := json.Unmarshal(raw, &d.state); err != nil {
		return fmt.Errorf("remembered state: %s: %w; delete the file to choose ports and tokens anew", d.Path("state.json"), err)
	}
	if d.state.Tokens == nil {
		d.state.Tokens = map[string]string{}
	}
	return nil
}

// Path joins elem below the folder. It does not create anything.
func (d *Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{d.root}, elem...)...)
}

// Ports returns the ports of the last run.
func (d *Dir) Ports() Ports {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.Ports
}

// RememberPorts stores p for the next run.
func (d *Dir) RememberPorts(p Ports) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.Ports = p
	return d.save()
}

// Token returns the bearer token of user and makes one the first time it is
// asked for. The same user has the same token in every later run.
func (d *Dir) Token(user string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.state.Tokens[user]; t != "" {
		return t, nil
	}
	raw := make([]byte, 24)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("token of user %q: %w", user, err)
	}
	d.state.Tokens[user] = hex.EncodeToString(raw)
	return d.state.Tokens[user], d.save()
}

func (d *Dir) save() error {
	raw, err := json.MarshalIndent(d.state, "", "  ")
	if err != nil {
		return fmt.Errorf("remembered state: %w", err)
	}
	return WriteFile(d.Path("state.json"), raw)
}

// Close gives up the lock.
func (d *Dir) Close() error { return d.lock.Close() }

// WriteFile replaces the file at path by data with mode 0600, atomically: a
// reader sees the old or the new content and never a part of it. Missing parent
// folders are created with mode 0700.
func WriteFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // created with mode 0600
	if err != nil {
		return err
	}
	_, werr := tmp.Write(data)
	if err := errors.Join(werr, tmp.Sync(), tmp.Close()); err != nil {
		_ = os.Remove(tmp.Name())
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		_ = os.Remove(tmp.Name())
		return err
	}
	return nil
}

//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lock is held by the one demo that runs on a state directory. The kernel lets
// go of it when that process ends, however it ends, so no lock is ever stale.
type lock struct{ file *os.File }

// heldError says who holds a lock.
type heldError struct{ pid int }

func (e *heldError) Error() string {
	return fmt.Sprintf("already running as process %d: end it with Ctrl-C in its terminal, or with \"make down\"", e.pid)
}

// acquire takes the lock, or fails with *heldError.
func acquire(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &heldError{pid: owner(path)}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := file.Truncate(0); err != nil {
		file.Close()
		return nil, err
	}
	_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return &lock{file}, err
}

// wait blocks until nobody holds the lock any more.
func wait(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
}

// owner reads who holds a lock; 0 when it cannot be told.
func owner(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func (l *lock) release() { l.file.Close() }

//go:build !unix

package gitstore

// lockFile does nothing where there are no advisory locks.
func lockFile(string) (unlock func(), err error) { return func() {}, nil }

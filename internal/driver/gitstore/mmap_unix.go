//go:build unix

package gitstore

import (
	"os"
	"syscall"
)

// mapFile maps a file for reading; release must be called once nothing refers to
// the bytes any more. The file may be deleted meanwhile.
func mapFile(name string) (data []byte, release func([]byte), err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return nil, func([]byte) {}, err
	}
	data, err = syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, &os.PathError{Op: "mmap", Path: name, Err: err}
	}
	return data, func(b []byte) { _ = syscall.Munmap(b) }, nil
}

//go:build !unix

package gitstore

import "os"

// mapFile reads a file into memory, where mapping is not to be had.
func mapFile(name string) (data []byte, release func([]byte), err error) {
	data, err = os.ReadFile(name)
	return data, func([]byte) {}, err
}

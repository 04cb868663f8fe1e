package gitstore

import (
	"os"
	"path/filepath"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
)

// Loose objects are files of their own. The stores here have none; the clones
// people work in do.

func loosePath(dir string, id gitobject.ID) string {
	name := id.String()
	return filepath.Join(dir, name[:2], name[2:])
}

// looseMatching calls yield for every loose object whose id starts like this.
func looseMatching(dir string, start gitobject.Abbreviation, yield func(gitobject.ID)) {
	entries, err := os.ReadDir(filepath.Join(dir, string(start[:2])))
	if err != nil {
		return
	}
	for _, entry := range entries {
		if id, err := gitobject.ParseID(string(start[:2]) + entry.Name()); err == nil && start.Matches(id) {
			yield(id)
		}
	}
}

package gitstore

import (
	"path/filepath"
	"runtime"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/packfile"
)

// openPack maps a pack and its index. The mappings live as long as the pack is
// reachable, even when the files are gone.
func openPack(indexName string) (*packfile.Pack, error) {
	name := strings.TrimSuffix(indexName, ".idx") + ".pack"
	index, releaseIndex, err := mapFile(indexName)
	if err != nil {
		return nil, err
	}
	data, release, err := mapFile(name)
	if err != nil {
		releaseIndex(index)
		return nil, err
	}
	p, err := packfile.New(filepath.Base(name), index, data)
	if err != nil {
		releaseIndex(index)
		release(data)
		return nil, err
	}
	runtime.AddCleanup(p, releaseIndex, index)
	runtime.AddCleanup(p, release, data)
	return p, nil
}

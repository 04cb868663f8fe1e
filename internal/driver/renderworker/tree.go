package renderworker

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"sync"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// answer replies to one question of a worker from the tree of its job.
func answer(tree source.Tree, q question, name string) ([]byte, error) {
	switch q {
	case askFile:
		return tree.ReadFile(name)
	case askDir:
		entries, err := tree.ReadDir(name)
		if err != nil {
			return nil, err
		}
		wire := make([]wireEntry, len(entries))
		for i, e := range entries {
			wire[i] = wireEntry{e.Name(), e.Type()}
		}
		return json.Marshal(wire)
	case askStat:
		info, err := tree.Stat(name)
		if err != nil {
			return nil, err
		}
		return strconv.AppendUint(nil, uint64(info.Mode()), 10), nil
	case askSize:
		info, err := tree.Stat(name)
		if err != nil {
			return nil, err
		}
		return strconv.AppendInt(nil, info.Size(), 10), nil
	case askID:
		id, err := tree.ID(name)
		return []byte(id), err
	case askResolve:
		real, err := tree.Resolve(name)
		return []byte(real), err
	}
	return nil, fmt.Errorf("question %q is unknown", byte(q))
}

type wireEntry struct {
	Name string      `json:"n"`
	Type fs.FileMode `json:"t"`
}

// remoteTree is the tree as a worker sees it: every question goes to the pool.
// Short answers are kept for the length of one job, because tools ask the same
// again and again.
type remoteTree struct {
	revision source.Revision
	ask      func(q question, name string) ([]byte, error)

	mu    sync.Mutex
	known map[askedName]reply
}

type askedName struct {
	q    question
	name string
}

type reply struct {
	data []byte
	err  error
}

// keepLimit is the size in bytes up to which an answer counts as short.
const keepLimit = 4 << 10

func (t *remoteTree) get(q question, name string) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := askedName{q, name}
	if r, has := t.known[key]; has {
		return r.data, r.err
	}
	data, err := t.ask(q, name)
	if len(data) <= keepLimit {
		t.known[key] = reply{data, err}
	}
	return data, err
}

func (t *remoteTree) Revision() source.Revision { return t.revision }

func (t *remoteTree) ReadFile(name string) ([]byte, error) {
	data, err := t.get(askFile, name)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), data...), nil
}

func (t *remoteTree) ReadDir(name string) ([]fs.DirEntry, error) {
	data, err := t.get(askDir, name)
	if err != nil {
		return nil, err
	}
	var wire []wireEntry
	if err := json.Unmarshal(data, &wire); err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, len(wire))
	for i, e := range wire {
		entries[i] = t.info(path.Join(name, e.Name), e.Type)
	}
	return entries, nil
}

func (t *remoteTree) Stat(name string) (fs.FileInfo, error) {
	data, err := t.get(askStat, name)
	if err != nil {
		return nil, err
	}
	mode, err := strconv.ParseUint(string(data), 10, 32)
	if err != nil {
		return nil, err
	}
	return t.info(name, fs.FileMode(mode)), nil
}

// info describes an entry; its size is asked for when it is looked at.
func (t *remoteTree) info(name string, mode fs.FileMode) *source.Info {
	var size func() int64
	if mode.IsRegular() {
		size = func() int64 {
			data, err := t.get(askSize, name)
			if err != nil {
				return 0
			}
			n, _ := strconv.ParseInt(string(data), 10, 64)
			return n
		}
	}
	return source.NewInfo(path.Base(name), mode, size)
}

func (t *remoteTree) ID(name string) (string, error) {
	data, err := t.get(askID, name)
	return string(data), err
}

func (t *remoteTree) Resolve(name string) (string, error) {
	data, err := t.get(askResolve, name)
	return string(data), err
}

func (t *remoteTree) Open(name string) (fs.File, error) {
	info, err := t.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		entries, err := t.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return source.NewDir(info, entries), nil
	}
	data, err := t.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return source.NewFile(info, data), nil
}

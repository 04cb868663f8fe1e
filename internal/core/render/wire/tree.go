package wire

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"sync"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Answer replies to one Question of a worker from the tree of its job.
func Answer(from source.Tree, q Question, name string) ([]byte, error) {
	switch q {
	case AskFile:
		return from.ReadFile(name)
	case AskDir:
		entries, err := from.ReadDir(name)
		if err != nil {
			return nil, err
		}
		wire := make([]wireEntry, len(entries))
		for i, e := range entries {
			wire[i] = wireEntry{e.Name(), e.Type()}
		}
		return json.Marshal(wire)
	case AskStat:
		info, err := from.Stat(name)
		if err != nil {
			return nil, err
		}
		return strconv.AppendUint(nil, uint64(info.Mode()), 10), nil
	case AskSize:
		info, err := from.Stat(name)
		if err != nil {
			return nil, err
		}
		return strconv.AppendInt(nil, info.Size(), 10), nil
	case AskID:
		id, err := from.ID(name)
		return []byte(id), err
	case AskResolve:
		real, err := from.Resolve(name)
		return []byte(real), err
	}
	return nil, fmt.Errorf("Question %q is unknown", byte(q))
}

type wireEntry struct {
	Name string      `json:"n"`
	Type fs.FileMode `json:"t"`
}

// tree is a source.Tree of which every read is a Question. Short answers are kept,
// because tools ask the same again and again.
type tree struct {
	revision source.Revision
	ask      func(q Question, name string) ([]byte, error)

	mu    sync.Mutex
	known map[askedName]reply
}

// NewTree returns the tree of one job as its worker sees it. ask puts a Question to
// the other side; it is not called twice at the same time.
func NewTree(revision source.Revision, ask func(q Question, name string) ([]byte, error)) source.Tree {
	return &tree{revision: revision, ask: ask, known: map[askedName]reply{}}
}

type askedName struct {
	q    Question
	name string
}

type reply struct {
	data []byte
	err  error
}

// keepLimit is the size in bytes up to which an answer counts as short.
const keepLimit = 4 << 10

func (t *tree) get(q Question, name string) ([]byte, error) {
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

func (t *tree) Revision() source.Revision { return t.revision }

func (t *tree) ReadFile(name string) ([]byte, error) {
	data, err := t.get(AskFile, name)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), data...), nil
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	data, err := t.get(AskDir, name)
	if err != nil {
		return nil, err
	}
	var wire []wireEntry
	if err := json.Unmarshal(data, &wire); err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, len(wire))
	for i, e := range wire {
		at := path.Join(name, e.Name)
		entries[i] = entry{listed{t.info(at, e.Type), t, at}}
	}
	return entries, nil
}

func (t *tree) Stat(name string) (fs.FileInfo, error) {
	data, err := t.get(AskStat, name)
	if err != nil {
		return nil, err
	}
	mode, err := strconv.ParseUint(string(data), 10, 32)
	if err != nil {
		return nil, err
	}
	return t.info(name, fs.FileMode(mode)), nil
}

// listed is an entry of a directory. Its permissions are asked for when they are
// looked at; a link is described as one.
type listed struct {
	*source.Info
	tree *tree
	path string
}

// Mode returns what Stat says of a file or directory.
func (l listed) Mode() fs.FileMode {
	if l.IsDir() || l.Type().IsRegular() {
		if info, err := l.tree.Stat(l.path); err == nil {
			return info.Mode()
		}
	}
	return l.Info.Mode()
}

// entry makes a listed one an fs.DirEntry.
type entry struct{ listed }

func (e entry) Info() (fs.FileInfo, error) { return e.listed, nil }

// info describes an entry; its size is asked for when it is looked at.
func (t *tree) info(name string, mode fs.FileMode) *source.Info {
	var size func() int64
	if mode.IsRegular() {
		size = func() int64 {
			data, err := t.get(AskSize, name)
			if err != nil {
				return 0
			}
			n, _ := strconv.ParseInt(string(data), 10, 64)
			return n
		}
	}
	return source.NewInfo(path.Base(name), mode, size)
}

func (t *tree) ID(name string) (string, error) {
	data, err := t.get(AskID, name)
	return string(data), err
}

func (t *tree) Resolve(name string) (string, error) {
	data, err := t.get(AskResolve, name)
	return string(data), err
}

func (t *tree) Open(name string) (fs.File, error) {
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

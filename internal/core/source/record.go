package source

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// A Recorder is a Tree that notes every answer its reader was given, so that it
// can later be told, without reading again, whether another revision would
// answer the same. It is safe for concurrent use.
type Recorder struct {
	tree  Tree
	scope string // link-free directory, or "" for none
	atID  string // id of scope

	mu       sync.Mutex
	answers  map[question]string
	outside  bool // something outside scope, or a link, was read
	unstable bool // an answer that says nothing about the tree, such as an I/O error
}

type question struct {
	path string
	ask  Ask
}

// Record returns a Tree that reads from t and notes what is read. scope is the
// directory in which most reads are expected, such as an application's own; if
// all of them fall inside, one comparison will do. It may be "" for none.
func Record(t Tree, scope string) *Recorder {
	r := &Recorder{tree: t, answers: map[question]string{}}
	if scope == "" {
		return r
	}
	if real, err := t.Resolve(scope); err != nil || real != scope {
		return r
	}
	if id, err := t.ID(scope); err == nil {
		r.scope, r.atID = scope, classID+id
	}
	return r
}

// Footprint returns what has been read so far. Equal reads of equal trees give
// equal footprints, in whatever order they were made.
func (r *Recorder) Footprint() Footprint {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unstable {
		return Footprint{}
	}
	reads := make([]Read, 0, len(r.answers))
	for q, answer := range r.answers {
		reads = append(reads, Read{Path: q.path, Ask: q.ask, Answer: answer})
	}
	slices.SortFunc(reads, compareReads)
	scope, id := r.scope, r.atID
	if r.outside {
		scope, id = "", ""
	}
	return encodeFootprint(scope, id, reads)
}

func compareReads(a, b Read) int {
	if c := strings.Compare(a.Path, b.Path); c != 0 {
		return c
	}
	return int(a.Ask) - int(b.Ask)
}

// note asks the tree's answer to a question and keeps it, once.
func (r *Recorder) note(ask Ask, name string) {
	if !fs.ValidPath(name) {
		return // refused by every tree alike
	}
	q := question{name, ask}
	r.mu.Lock()
	_, known := r.answers[q]
	r.mu.Unlock()
	if known {
		return
	}
	answer, ok := ask.answer(r.tree, name)
	inside := r.inside(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[q] = answer
	r.unstable = r.unstable || !ok
	r.outside = r.outside || !inside
}

// inside reports whether nothing but the content of scope decides what name is.
func (r *Recorder) inside(name string) bool {
	if r.scope == "" || !within(r.scope, name) {
		return false
	}
	for at := name; ; at = path.Dir(at) {
		real, err := r.tree.Resolve(at)
		switch {
		case err == nil:
			return real == at
		case !errors.Is(err, fs.ErrNotExist) || at == r.scope:
			return false
		}
		// Absent: what is there of the way to it must be free of links.
	}
}

func within(dir, name string) bool {
	return dir == "." || name == dir || strings.HasPrefix(name, dir+"/")
}

// Open opens a file or a directory and notes its content.
func (r *Recorder) Open(name string) (fs.File, error) {
	info, err := r.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		r.note(AskContent, name)
		return r.tree.Open(name)
	}
	entries, err := r.ReadDir(name)
	if err != nil {
		return nil, err
	}
	return NewDir(info, entries), nil
}

// ReadFile reads a file and notes its content's id.
func (r *Recorder) ReadFile(name string) ([]byte, error) {
	r.note(AskContent, name)
	return r.tree.ReadFile(name)
}

// ReadDir lists a directory and notes the names and types in it.
func (r *Recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	r.note(AskListing, name)
	entries, err := r.tree.ReadDir(name)
	if err != nil {
		return nil, err
	}
	out := make([]fs.DirEntry, len(entries))
	for i, entry := range entries {
		out[i] = &recordedEntry{entry, r, path.Join(name, entry.Name())}
	}
	return out, nil
}

// Stat describes what is at name and notes its type; the content only if the
// caller asks for the size.
func (r *Recorder) Stat(name string) (fs.FileInfo, error) {
	r.note(AskKind, name)
	info, err := r.tree.Stat(name)
	if err != nil {
		return nil, err
	}
	return &recordedInfo{info, r, name}, nil
}

// ID returns the id at name and notes it.
func (r *Recorder) ID(name string) (string, error) {
	r.note(AskID, name)
	return r.tree.ID(name)
}

// Resolve returns name without links and notes the result.
func (r *Recorder) Resolve(name string) (string, error) {
	r.note(AskResolve, name)
	return r.tree.Resolve(name)
}

// Revision returns the revision of the tree. It is not noted: whoever puts it
// into a result must not reuse that result for another revision.
func (r *Recorder) Revision() Revision { return r.tree.Revision() }

// recordedInfo notes the content when its size is looked at.
type recordedInfo struct {
	fs.FileInfo
	r    *Recorder
	name string
}

func (i *recordedInfo) Size() int64 {
	if i.Mode().IsRegular() {
		i.r.note(AskContent, i.name)
	}
	return i.FileInfo.Size()
}

// recordedEntry notes the entry itself when more than name and type are asked.
type recordedEntry struct {
	fs.DirEntry
	r    *Recorder
	name string
}

func (e *recordedEntry) Info() (fs.FileInfo, error) {
	info, err := e.DirEntry.Info()
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return info, nil // the listing has said it all
	}
	e.r.note(AskKind, e.name)
	return &recordedInfo{info, e.r, e.name}, nil
}

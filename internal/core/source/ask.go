package source

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"strconv"
)

// Ask says which question about a path a Read answers.
type Ask byte

// The questions. Their order is that of a path's reads in a Footprint.
const (
	AskKind    Ask = iota + 1 // what is there: a file, a directory, nothing
	AskContent                // the bytes of a file
	AskID                     // the id of a file, or of a directory with all below it
	AskListing                // the names and types in a directory
	AskResolve                // where links lead
)

// String returns the question in words that fit "the … of path changed".
func (a Ask) String() string {
	switch a {
	case AskKind:
		return "kind"
	case AskContent:
		return "content"
	case AskID:
		return "id"
	case AskListing:
		return "listing"
	case AskResolve:
		return "link target"
	}
	return "unknown question"
}

// A Read is one answer that a Tree gave.
type Read struct {
	Path   string
	Ask    Ask
	Answer string // opaque; equal answers are equal strings
}

// Absent reports whether the answer was that there is nothing at the path.
func (r Read) Absent() bool { return r.Answer == answerAbsent }

// Answers start with a letter for their class.
const (
	answerAbsent = "-"
	answerLoop   = "o" // links that lead nowhere
	answerIsDir  = "d" // a directory read as a file
	answerNotDir = "f" // a file read as a directory
	classID      = "i" // object id
	classMode    = "m" // mode
	classNames   = "n" // digest of the names and types in a directory
	classPath    = "p" // path
	classEscape  = "e" // link target that leaves the tree
	classModule  = "s" // submodule commit
)

// answer asks t the question about name. ok is false if the answer says nothing
// about the tree's content and another attempt may give another.
func (a Ask) answer(t Tree, name string) (answer string, ok bool) {
	switch a {
	case AskKind:
		info, err := t.Stat(name)
		if err != nil {
			return refusal(err)
		}
		return classMode + strconv.FormatUint(uint64(info.Mode()), 36), true
	case AskListing:
		return listing(t, name)
	case AskResolve:
		real, err := t.Resolve(name)
		if err != nil {
			return refusal(err)
		}
		return classPath + real, true
	}
	if a == AskContent {
		if info, err := t.Stat(name); err == nil && info.IsDir() {
			return answerIsDir, true
		}
	}
	return identity(t, name)
}

func identity(t Tree, name string) (string, bool) {
	id, err := t.ID(name)
	if err != nil {
		return refusal(err)
	}
	return classID + id, true
}

// listing answers with the digest of what a reader of the listing sees.
func listing(t Tree, name string) (string, bool) {
	entries, err := t.ReadDir(name)
	if err != nil {
		return refusal(err)
	}
	return classNames + digestEntries(entries), true
}

func digestEntries(entries []fs.DirEntry) string {
	h := sha256.New()
	var line []byte
	for _, entry := range entries {
		line = binary.BigEndian.AppendUint32(line[:0], uint32(entry.Type()))
		line = append(append(line, entry.Name()...), 0)
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// refusal turns an error into an answer.
func refusal(err error) (string, bool) {
	if escape := (*EscapeError)(nil); errors.As(err, &escape) {
		return classEscape + escape.Target, true
	}
	if module := (*SubmoduleError)(nil); errors.As(err, &module) {
		return classModule + module.Path + "@" + module.Commit, true
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return answerAbsent, true
	case errors.Is(err, ErrLinkLoop):
		return answerLoop, true
	case errors.Is(err, ErrNotDirectory):
		return answerNotDir, true
	}
	return "", false
}

package gitobject

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Entry is one line of a tree object.
type Entry struct {
	Mode fs.FileMode // one of source's Mode constants
	Name string
	ID   ID
}

var errTree = errors.New("tree is damaged")

// nextEntry cuts the first entry off a raw tree. The name still refers to raw.
func nextEntry(raw []byte) (mode, name []byte, id, rest []byte, err error) {
	space := bytes.IndexByte(raw[:min(len(raw), 8)], ' ')
	if space < 1 {
		return nil, nil, nil, nil, errTree
	}
	mode, raw = raw[:space], raw[space+1:]
	end := bytes.IndexByte(raw, 0)
	if end < 0 || len(raw) < end+1+len(ID{}) {
		return nil, nil, nil, nil, errTree
	}
	return mode, raw[:end], raw[end+1 : end+21], raw[end+21:], nil
}

func parseMode(mode []byte) (fs.FileMode, error) {
	switch string(mode) {
	case "40000", "040000":
		return source.ModeDirectory, nil
	case "100644", "100664", "100600":
		return source.ModeFile, nil
	case "100755", "100775", "100700":
		return source.ModeExecutable, nil
	case "120000":
		return source.ModeLink, nil
	case "160000":
		return source.ModeSubmodule, nil
	}
	return 0, fmt.Errorf("tree has an entry of unknown mode %q", mode)
}

// checkEntryName refuses what can only be meant to harm.
func checkEntryName(name []byte) error {
	switch {
	case len(name) == 0, bytes.IndexByte(name, '/') >= 0, string(name) == ".", string(name) == "..", strings.EqualFold(string(name), ".git"):
		return fmt.Errorf("tree has an entry with the forbidden name %q", name)
	}
	return nil
}

// ParseTree returns all entries of a raw tree, checked, in the order of the tree.
func ParseTree(raw []byte, limit int) ([]Entry, error) {
	var entries []Entry
	for len(raw) > 0 {
		mode, name, id, rest, err := nextEntry(raw)
		if err != nil {
			return nil, err
		}
		if len(entries) >= limit {
			return nil, fmt.Errorf("tree has more than %d entries", limit)
		}
		if err := checkEntryName(name); err != nil {
			return nil, err
		}
		m, err := parseMode(mode)
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{m, string(name), ID(id)})
		raw = rest
	}
	return entries, nil
}

// FindEntry looks one name up in a raw tree, without building the others.
func FindEntry(raw []byte, wanted string) (Entry, bool, error) {
	if checkEntryName([]byte(wanted)) != nil {
		return Entry{}, false, nil
	}
	for len(raw) > 0 {
		mode, name, id, rest, err := nextEntry(raw)
		if err != nil {
			return Entry{}, false, err
		}
		if string(name) == wanted {
			m, err := parseMode(mode)
			return Entry{m, wanted, ID(id)}, err == nil, err
		}
		raw = rest
	}
	return Entry{}, false, nil
}

// Index finds entries of one raw tree by name: where each begins, in the order of
// names. Git's own order takes directories for names with a slash behind, so that
// no name alone says where it stands.
type Index []int32

// NewIndex reads a raw tree once. It fails on one that is damaged.
func NewIndex(raw []byte) (Index, error) {
	var ix Index
	for rest := raw; len(rest) > 0; {
		at := len(raw) - len(rest)
		_, _, _, after, err := nextEntry(rest)
		if err != nil {
			return nil, err
		}
		ix, rest = append(ix, int32(at)), after
	}
	slices.SortStableFunc(ix, func(a, b int32) int { return bytes.Compare(nameAt(raw, a), nameAt(raw, b)) })
	return ix, nil
}

func nameAt(raw []byte, at int32) []byte {
	_, name, _, _, _ := nextEntry(raw[at:])
	return name
}

// Find looks one name up in the raw tree that the index was made of.
func (ix Index) Find(raw []byte, wanted string) (Entry, bool, error) {
	if checkEntryName([]byte(wanted)) != nil {
		return Entry{}, false, nil
	}
	i, ok := slices.BinarySearchFunc(ix, wanted, func(at int32, name string) int { return strings.Compare(string(nameAt(raw, at)), name) })
	if !ok {
		return Entry{}, false, nil
	}
	mode, _, id, _, err := nextEntry(raw[ix[i]:])
	if err != nil {
		return Entry{}, false, err
	}
	m, err := parseMode(mode)
	return Entry{m, wanted, ID(id)}, err == nil, err
}

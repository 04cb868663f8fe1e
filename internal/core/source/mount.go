package source

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// mountMark begins the name of a directory that another tree is mounted on.
const mountMark = "$"

// MountPoint is the directory that the tree of an alias is mounted on.
func MountPoint(alias string) string { return mountMark + alias }

// Mounted returns tree with each of others at the directory "$" and its name in
// the root, where they can be read but are not listed. They hide what tree has
// there. Links lead nowhere but within their own tree.
func Mounted(tree Tree, others map[string]Tree) Tree {
	if len(others) == 0 {
		return tree
	}
	return &mounted{Tree: tree, others: others}
}

type mounted struct {
	Tree // what is at names without a mount

	others map[string]Tree
}

// at returns the tree that has a name, the name there, and what stands before it here.
func (m *mounted) at(name string) (tree Tree, inner, prefix string) {
	top, rest, below := strings.Cut(name, "/")
	alias, marked := strings.CutPrefix(top, mountMark)
	other, known := m.others[alias]
	switch {
	case !marked || !known:
		return m.Tree, name, ""
	case !below:
		return other, ".", top
	}
	return other, rest, top
}

func (m *mounted) Open(name string) (fs.File, error) {
	tree, inner, _ := m.at(name)
	return tree.Open(inner)
}

func (m *mounted) ReadFile(name string) ([]byte, error) {
	tree, inner, _ := m.at(name)
	return tree.ReadFile(inner)
}

func (m *mounted) ReadDir(name string) ([]fs.DirEntry, error) {
	tree, inner, _ := m.at(name)
	return tree.ReadDir(inner)
}

func (m *mounted) Stat(name string) (fs.FileInfo, error) {
	tree, inner, _ := m.at(name)
	return tree.Stat(inner)
}

// ID of the root covers the mounted trees.
func (m *mounted) ID(name string) (string, error) {
	tree, inner, _ := m.at(name)
	id, err := tree.ID(inner)
	if name != "." || err != nil {
		return id, err
	}
	h := sha256.New()
	h.Write([]byte(id))
	for _, alias := range slices.Sorted(maps.Keys(m.others)) {
		id, err := m.others[alias].ID(".")
		if err != nil {
			return "", err
		}
		h.Write([]byte("\n" + alias + " " + id))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (m *mounted) Resolve(name string) (string, error) {
	tree, inner, prefix := m.at(name)
	real, err := tree.Resolve(inner)
	switch {
	case err != nil || prefix == "":
		return real, err
	case real == ".":
		return prefix, nil
	}
	return prefix + "/" + real, nil
}

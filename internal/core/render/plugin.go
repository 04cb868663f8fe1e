package render

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	globs "github.com/gobwas/glob"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// PluginOptions say which plugin renders, and what it is told.
type PluginOptions struct {
	Name string     `json:"name,omitempty"` // empty: the first that claims the directory
	Env  []Variable `json:"env,omitempty"`  // environment of its commands, besides what they always have
	// Asked tells renders of equal files apart: a plugin may read what is in no tree,
	// and is asked again when a user wants that.
	Asked int64 `json:"asked,omitempty"`
}

// Variable is one of an environment.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// PluginRule says which directories a plugin claims that were not given to it by name.
// Without patterns it claims none.
type PluginRule struct {
	Name string // of the plugin
	File string // glob of a file, relative to the directory
	Glob string // the same, in which "**" stands for any number of directories
}

// PluginError reports a request for a plugin that does not come to one.
type PluginError struct {
	Path string
	Name string // empty: none claims the directory
}

func (e *PluginError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("path %q: no plugin claims this directory; name one, or add what it discovers applications by", e.Path)
	}
	return fmt.Sprintf("path %q: there is no plugin %q; plumbd reads them from the directory of -plugins", e.Path, e.Name)
}

// Detect returns the request with its tool, and the plugin, if it names none: plugins
// claim directories before the tools do.
func (r Request) Detect(tree source.Tree) (Request, error) {
	if r.Tool != "" && (r.Tool != Plugin || r.Plugin != nil && r.Plugin.Name != "") {
		return r, nil
	}
	dir, err := CleanPath(r.Path)
	if err != nil {
		return r, err
	}
	for _, rule := range r.Rules {
		claims, err := rule.claims(tree, dir)
		if err != nil {
			return r, err
		}
		if claims {
			opts := PluginOptions{}
			if r.Plugin != nil {
				opts = *r.Plugin
			}
			opts.Name = rule.Name
			r.Tool, r.Plugin = Plugin, &opts
			return r, nil
		}
	}
	if r.Tool == Plugin {
		if _, err := Detect(tree, dir); err != nil {
			return r, err
		}
		return r, &PluginError{Path: dir}
	}
	if r.Tool, err = Detect(tree, dir); slices.Contains(r.Off, r.Tool) {
		r.Tool = Directory
	}
	return r, err
}

// claimLimit is how many files and directories are looked at for a plugin to be found.
const claimLimit = DefaultFilesLimit

// claims reports whether a file in dir is one that the plugin is for.
func (p PluginRule) claims(tree source.Tree, dir string) (bool, error) {
	for _, pattern := range []string{p.File, strings.ReplaceAll(p.Glob, "**/", "{,**/}")} {
		pattern = path.Clean(pattern)
		if pattern == "." {
			continue
		}
		match, err := globs.Compile(pattern, '/')
		if err != nil {
			return false, fmt.Errorf("plugin %q: %q is no pattern: %w", p.Name, pattern, err)
		}
		left := claimLimit
		found, err := anyFile(tree, dir, "", strings.Contains(pattern, "/"), match, &left)
		if err != nil {
			return false, explainPath(tree, dir, err)
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}

// anyFile reports whether a file below dir matches; rel is where dir lies for the pattern.
func anyFile(tree source.Tree, dir, rel string, deep bool, match globs.Glob, left *int) (bool, error) {
	entries, err := tree.ReadDir(dir)
	if err != nil {
		return false, err
	}
	if *left -= len(entries); *left < 0 {
		return false, fmt.Errorf("path %q: has too many files to look for what a plugin claims; name the tool", dir)
	}
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		if !e.IsDir() && e.Type() != source.ModeSubmodule {
			if match.Match(name) {
				return true, nil
			}
			continue
		}
		if !deep || e.Type()&fs.ModeIrregular != 0 {
			continue
		}
		if found, err := anyFile(tree, path.Join(dir, e.Name()), name, deep, match, left); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

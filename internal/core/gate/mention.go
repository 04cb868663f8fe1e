package gate

import (
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"slices"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Limits of what is read to find out what a source mentions.
const (
	mentionBytes = 8 << 20
	mentionFiles = 10_000
)

// Mentions are the objects that the text of a source names, for when it cannot be
// rendered: what one commit moved into it may be among them. The zero value
// mentions nothing.
type Mentions struct {
	spaces map[string]bool      // namespaces; empty: any
	names  map[string][]passage // by the name of an object
}

// passage is one YAML document or JSON file.
type passage struct {
	file  string
	kinds []string
}

var (
	manifestFiles = []string{".yaml", ".yml", ".json", ".tpl"}
	documentMark  = regexp.MustCompile(`(?m)^---`)
	mentioned     = regexp.MustCompile(`(?:^|[\s{,"'])(kind|name|namespace)["']?\s*:\s*["']?([A-Za-z0-9][-A-Za-z0-9.:]*)`)
)

// MentionsOf reads the manifests below dir as mere text; namespace is where the
// application deploys to, empty when the objects say so themselves. Files that
// cannot be read are left out, and what lies beyond 10,000 files or 8 MiB. Names
// that a template or an overlay puts together are not recognised.
func MentionsOf(tree source.Tree, dir, namespace string) Mentions {
	m := Mentions{spaces: map[string]bool{}, names: map[string][]passage{}}
	if namespace != "" {
		m.spaces[namespace] = true
	}
	size, files := 0, 0
	_ = fs.WalkDir(tree, path.Clean(dir), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains(manifestFiles, path.Ext(name)) {
			return nil //nolint:nilerr // what cannot be read mentions nothing
		}
		data, err := tree.ReadFile(name)
		if err != nil {
			return nil //nolint:nilerr // the same
		}
		if size, files = size+len(data), files+1; size > mentionBytes || files > mentionFiles {
			return fs.SkipAll
		}
		m.read(name, data)
		return nil
	})
	return m
}

func (m Mentions) read(file string, data []byte) {
	for start := 0; start < len(data); {
		end := len(data)
		if mark := documentMark.FindIndex(data[start+1:]); mark != nil {
			end = start + 1 + mark[0]
		}
		p, names := passage{file: file}, map[string]bool{}
		for _, found := range mentioned.FindAllSubmatch(bytes.ToValidUTF8(data[start:end], nil), -1) {
			switch value := string(found[2]); string(found[1]) {
			case "kind":
				p.kinds = append(p.kinds, value)
			case "name":
				names[value] = true
			case "namespace":
				m.spaces[value] = true
			}
		}
		for name := range names {
			m.names[name] = append(m.names[name], p)
		}
		start = end
	}
}

// Of returns the file that mentions an object, and false when none does.
func (m Mentions) Of(key object.Key) (file string, ok bool) {
	if key.Namespace != "" && len(m.spaces) > 0 && !m.spaces[key.Namespace] {
		return "", false
	}
	for _, p := range m.names[key.Name] {
		if slices.Contains(p.kinds, key.Kind) {
			return p.file, true
		}
	}
	return "", false
}

// Mention is an application that cannot be rendered and seems to declare a
// leftover of another one.
type Mention struct {
	Of   object.Key
	By   app.ID
	File string
}

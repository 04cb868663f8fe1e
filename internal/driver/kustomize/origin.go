package kustomize

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/render"
)

// sightings are the objects in the files that a build read, in the order of
// reading. The library knows where an object comes from only if it may write
// that into the object, which other parts of a kustomization could see.
type sightings struct {
	byKind map[string][]sighting
}

type sighting struct {
	name string // of the object, as it is written
	file string
}

var (
	docKind = regexp.MustCompile(`(?m)(?:^|[{,]\s*)["']?kind["']?:[ \t]*["']?([A-Za-z0-9]+)`)
	docMeta = regexp.MustCompile(`(?m)(?:^|[{,]\s*)["']?metadata["']?:`)
	docName = regexp.MustCompile(`(?m)(?:^[ \t]+|[{,]\s*)["']?name["']?:[ \t]*["']?([^\s"',}#]+)`)
)

// note remembers the objects of a file; what does not look like one is passed over.
func (s *sightings) note(file string, data []byte) {
	if slices.Contains(render.KustomizationFiles, path.Base(file)) {
		return
	}
	if s.byKind == nil {
		s.byKind = map[string][]sighting{}
	}
	for _, doc := range bytes.Split(data, []byte("\n---")) {
		kind, meta := docKind.FindSubmatch(doc), docMeta.FindIndex(doc)
		if kind == nil || meta == nil {
			continue
		}
		if name := docName.FindSubmatch(doc[meta[1]:]); name != nil {
			s.byKind[string(kind[1])] = append(s.byKind[string(kind[1])], sighting{string(name[1]), file})
		}
	}
}

// declaring returns the file that declares a built object, "" when none does, as
// for generated ones. Prefixes and suffixes may have been added to the name, so
// the longest name within it counts, and of equals the one that was read first:
// resources are read before the patches that repeat their names.
func (s *sightings) declaring(kind, name string) string {
	var best sighting
	for _, seen := range s.byKind[kind] {
		if len(seen.name) > len(best.name) && strings.Contains(name, seen.name) {
			best = seen
		}
	}
	return best.file
}

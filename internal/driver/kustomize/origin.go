package kustomize

import (
	"bytes"
	"path"
	"regexp"
	"slices"

	"github.com/plumbline-dev/plumbline/internal/core/render"
)

// sightings are the files that a build read, in that order. The library knows
// where an object comes from only if it may write that into the object, which
// other parts of a kustomization could see.
type sightings []sighting

type sighting struct {
	name string
	data []byte
}

// searchLimit bounds the search for origins of one build, in bytes looked at:
// beyond it objects are said to come from the kustomization as a whole.
const searchLimit = 64 << 20

// within returns s, or nothing when looking for that many objects costs too much.
func (s sightings) within(objects int) sightings {
	total := 0
	for _, file := range s {
		total += len(file.data)
	}
	if total*objects > searchLimit {
		return nil
	}
	return s
}

// declaring returns the file that declares an object: the first that was read
// in which one document says the kind and the name that the object had before
// anything renamed it. Resources are read before the patches that repeat both.
// It returns "" when there is none, as for generated objects.
func (s sightings) declaring(kind, name string) string {
	named := regexp.MustCompile(`(?m)^[ \t]*["']?name["']?:[ \t]*["']?` + regexp.QuoteMeta(name) + `["']?[ \t]*(#.*)?\r?$|[{,][ \t]*["']?name["']?:[ \t]*["']?` + regexp.QuoteMeta(name) + `["']?[ \t]*[,}]`)
	kinds := regexp.MustCompile(`(?m)["']?kind["']?:[ \t]*["']?` + regexp.QuoteMeta(kind) + `["']?[ \t]*([,}#\r]|$)`)
	for _, file := range s {
		if slices.Contains(render.KustomizationFiles, path.Base(file.name)) {
			continue
		}
		for _, doc := range bytes.Split(file.data, []byte("\n---")) {
			if kinds.Match(doc) && named.Match(doc) {
				return file.name
			}
		}
	}
	return ""
}

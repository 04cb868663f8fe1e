package gitref

import (
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// A mirror keeps the branches and tags of its remote under their own names, and the
// rest below a directory that only we know.
const (
	heads    = "refs/heads/"
	tags     = "refs/tags/"
	ours     = "refs/plumb/"
	ourHead  = ours + "HEAD"   // the remote's HEAD
	ourOther = ours + "other/" // the remote's references beside branches and tags
	ourKeep  = ours + "keep/"  // commits fetched by id
)

// HeadPolicy says what a fetch expects of the remote's HEAD.
type HeadPolicy string

// The values of HeadPolicy.
const (
	HeadRequired HeadPolicy = "Required" // the fetch fails without
	HeadOptional HeadPolicy = "Optional" // it may point nowhere
)

// Mirror returns the refspecs that fetch the branches and tags of a remote, its
// HEAD, and those of extra, full names, that exist.
func Mirror(head HeadPolicy, extra []string) []string {
	// Patterns, even of one name, may match nothing; a plain name must exist.
	specs := []string{"+" + heads + "*:" + heads + "*", "+" + tags + "*:" + tags + "*"}
	if head == HeadRequired {
		specs = append(specs, "+HEAD:"+ourHead)
	} else {
		specs = append(specs, pattern("HEAD", ourHead))
	}
	for _, name := range slices.Sorted(slices.Values(extra)) {
		if !strings.HasPrefix(name, heads) && !strings.HasPrefix(name, tags) {
			specs = append(specs, pattern(name, ourOther+strings.TrimPrefix(name, "refs/")))
		}
	}
	return specs
}

// pattern returns a refspec that matches one name, or none.
func pattern(from, to string) string {
	return "+" + from[:len(from)-1] + "*:" + to[:len(to)-1] + "*"
}

// Keep returns the refspec that fetches one commit by its id, and keeps it.
func Keep(id gitobject.ID) string { return "+" + id.String() + ":" + ourKeep + id.String() }

// Offered returns what a mirror says that its remote offers: HEAD, branches, tags
// and, of the rest, those of extra. Others may have asked for more, and a pattern
// may have matched more.
func Offered(mirrored map[string]gitobject.ID, extra []string) source.Refs {
	refs := make(source.Refs, len(mirrored))
	for name, id := range mirrored {
		switch {
		case name == ourHead:
			name = "HEAD"
		case strings.HasPrefix(name, ourOther):
			name = "refs/" + strings.TrimPrefix(name, ourOther)
		case strings.HasPrefix(name, ours):
			continue
		}
		known := name == "HEAD" || strings.HasPrefix(name, heads) || strings.HasPrefix(name, tags)
		if known || slices.Contains(extra, name) {
			refs[name] = source.RefTarget{ID: id.String()}
		}
	}
	return refs
}

// IsBranch reports whether a full name is that of a branch, which never stands for
// a tag.
func IsBranch(name string) bool { return strings.HasPrefix(name, heads) }

// Tag returns the full name of a tag.
func Tag(short string) string { return tags + short }

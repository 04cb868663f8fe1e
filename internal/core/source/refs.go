package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Refs are the references a remote offers, by full name: "HEAD",
// "refs/heads/main", "refs/tags/v1.2.3", "refs/pull/7/head".
type Refs map[string]RefTarget

// RefTarget is what a reference stands for.
type RefTarget struct {
	ID   string // commit id in lower-case hex, annotated tags are peeled; version of a chart; digest of an artifact
	Name string // of an artifact: the tag; else empty
	Why  string // why it stands for nothing; only without ID
}

const (
	headsPrefix = "refs/heads/"
	tagsPrefix  = "refs/tags/"
)

// Branches returns the short names of all branches, sorted.
func (r Refs) Branches() []string { return r.short(headsPrefix) }

// Tags returns the short names of all tags, sorted.
func (r Refs) Tags() []string { return r.short(tagsPrefix) }

func (r Refs) short(prefix string) []string {
	var names []string
	for name := range r {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			names = append(names, short)
		}
	}
	slices.Sort(names)
	return names
}

// A Ref asks for a revision. Either Any is used, or one of the explicit fields;
// an explicit one wins over Any, and among them the first of Commit, Name, Tag,
// SemVer, Branch. The zero Ref asks for the remote's HEAD.
type Ref struct {
	Commit string // commit id; Branch then only names the revision
	Name   string // full reference name, e.g. "refs/pull/7/head"
	Tag    string // short name of a tag
	SemVer string // version range; the highest tag inside it is taken
	Branch string // short name of a branch

	// Any is free text, read as the first of: nothing or "HEAD", the remote's
	// HEAD; a full commit id; a full reference name; a version range that a tag
	// satisfies; a branch; a tag; an abbreviated commit id of 7 or more digits.
	Any string

	// Chart names a chart in a repository of charts: Any is a version of it, or a
	// range of versions. The revision is the version.
	Chart string

	// PassCredentials shows the credentials of a repository of charts to the other
	// hosts that its index names, too.
	PassCredentials bool

	// Artifact says that the repository is one of OCI artifacts: Any is a digest, a
	// tag, or a version range that tags satisfy. The revision is the digest.
	Artifact bool

	// TagPrefix limits SemVer, and a version range in Any, to the tags that
	// start with it; the version is what follows the prefix.
	TagPrefix string
}

// Needs returns the full names of references that must be fetched beside HEAD,
// branches and tags before Resolve can answer; usually none.
func (r Ref) Needs() []string {
	if r.Packaged() {
		return []string{r.packaged()}
	}
	name := r.Name
	if r.explicit() == "" {
		name = r.Any
	} else if r.Commit != "" {
		return nil
	}
	if !strings.HasPrefix(name, "refs/") || strings.HasPrefix(name, headsPrefix) || strings.HasPrefix(name, tagsPrefix) {
		return nil
	}
	return []string{name}
}

// Packaged reports whether r asks for a chart or an artifact, rather than for a
// revision of Git.
func (r Ref) Packaged() bool { return r.Chart != "" || r.Artifact }

// packaged is the full name under which the driver of a repository of packages says
// what r stands for; see Package.
func (r Ref) packaged() string { return "packages/" + r.Chart + "/" + r.Any }

// Package reads the full name of a reference to a package: a chart, or with an empty
// name the artifact itself, and the version that is asked for.
func Package(full string) (chart, version string, ok bool) {
	rest, ok := strings.CutPrefix(full, "packages/")
	if !ok {
		return "", "", false
	}
	chart, version, ok = strings.Cut(rest, "/")
	return chart, version, ok
}

func (r Ref) resolvePackage(refs Refs) (Revision, error) {
	target, known := refs[r.packaged()]
	switch {
	case !known:
		return Revision{}, r.unresolved(refs)
	case target.ID == "":
		return Revision{}, fmt.Errorf("%s: %s", r, target.Why)
	}
	return Revision{Name: target.Name, ID: target.ID}, nil
}

// String returns what was asked for, e.g. `branch "main"`.
func (r Ref) String() string {
	switch {
	case r.Chart != "":
		return fmt.Sprintf("chart %q in version %q", r.Chart, r.Any)
	case r.Artifact:
		return fmt.Sprintf("artifact %q", r.Any)
	}
	switch r.explicit() {
	case "commit":
		return fmt.Sprintf("commit %q", r.Commit)
	case "name":
		return fmt.Sprintf("reference %q", r.Name)
	case "tag":
		return fmt.Sprintf("tag %q", r.Tag)
	case "semver":
		return r.describeRange(r.SemVer)
	case "branch":
		return fmt.Sprintf("branch %q", r.Branch)
	}
	if r.Any == "" || r.Any == "HEAD" {
		return "HEAD"
	}
	return fmt.Sprintf("revision %q", r.Any)
}

func (r Ref) describeRange(text string) string {
	if r.TagPrefix == "" {
		return fmt.Sprintf("version range %q", text)
	}
	return fmt.Sprintf("version range %q of tags %q", text, r.TagPrefix+"*")
}

func (r Ref) explicit() string {
	switch {
	case r.Commit != "":
		return "commit"
	case r.Name != "":
		return "name"
	case r.Tag != "":
		return "tag"
	case r.SemVer != "":
		return "semver"
	case r.Branch != "":
		return "branch"
	}
	return ""
}

// Resolve returns the revision that r stands for among refs.
//
// The revision's Name is the branch or tag ("main", "v1.2.3"), the full name
// when a full name was asked for, "HEAD" for the remote's HEAD, and empty for a
// bare commit. A full commit id resolves to itself, known or not: whether the
// remote has it shows when it is fetched.
//
// It fails with *UnresolvedError when nothing fits and with *RangeError when
// SemVer is not a version range. An abbreviated commit id cannot be completed
// from refs alone: it comes back as UnresolvedError.Abbreviated, for the store.
func (r Ref) Resolve(refs Refs) (Revision, error) {
	if r.Packaged() {
		return r.resolvePackage(refs)
	}
	switch r.explicit() {
	case "commit":
		return r.resolveCommit(refs)
	case "name":
		return r.exact(refs, r.Name, r.Name)
	case "tag":
		return r.exact(refs, tagsPrefix+r.Tag, r.Tag)
	case "semver":
		return r.resolveSemVer(refs)
	case "branch":
		return r.exact(refs, headsPrefix+r.Branch, r.Branch)
	}
	return r.resolveAny(refs)
}

func (r Ref) exact(refs Refs, full, name string) (Revision, error) {
	if target, ok := refs[full]; ok {
		return Revision{Name: name, ID: target.ID}, nil
	}
	return Revision{}, r.unresolved(refs)
}

func (r Ref) resolveCommit(refs Refs) (Revision, error) {
	id := strings.ToLower(r.Commit)
	if isFullID(id) {
		return Revision{Name: r.Branch, ID: id}, nil
	}
	err := r.unresolved(refs)
	if isAbbreviation(id) {
		err.Abbreviated = id
	}
	return Revision{}, err
}

func (r Ref) resolveSemVer(refs Refs) (Revision, error) {
	within, err := semver.NewConstraint(r.SemVer)
	if err != nil {
		return Revision{}, &RangeError{Range: r.SemVer}
	}
	if rev, ok := r.highest(refs, within); ok {
		return rev, nil
	}
	return Revision{}, r.unresolved(refs)
}

func (r Ref) resolveAny(refs Refs) (Revision, error) {
	switch name := r.Any; {
	case name == "" || name == "HEAD":
		return r.exact(refs, "HEAD", "HEAD")
	case isFullID(strings.ToLower(name)):
		return Revision{ID: strings.ToLower(name)}, nil
	case strings.HasPrefix(name, "refs/"):
		return r.exact(refs, name, name)
	}
	within, notRange := semver.NewConstraint(r.Any)
	_, notVersion := semver.NewVersion(r.Any)
	if notRange == nil && notVersion != nil {
		if rev, ok := r.highest(refs, within); ok {
			return rev, nil
		}
	}
	for _, prefix := range []string{headsPrefix, tagsPrefix} {
		if target, ok := refs[prefix+r.Any]; ok {
			return Revision{Name: r.Any, ID: target.ID}, nil
		}
	}
	if notRange == nil && notVersion == nil { // "1.2" is a range too when no tag is called that
		if rev, ok := r.highest(refs, within); ok {
			return rev, nil
		}
	}
	err := r.unresolved(refs)
	if id := strings.ToLower(r.Any); isAbbreviation(id) {
		err.Abbreviated = id
	}
	return Revision{}, err
}

// highest returns the highest version among the tags; of tags with equal
// versions the last by name, so that the answer never depends on map order.
func (r Ref) highest(refs Refs, within *semver.Constraints) (Revision, bool) {
	var best *semver.Version
	var rev Revision
	for _, tag := range refs.Tags() {
		text, ok := strings.CutPrefix(tag, r.TagPrefix)
		if !ok {
			continue
		}
		version, err := semver.NewVersion(text)
		if err != nil || !within.Check(version) {
			continue
		}
		if best == nil || version.Compare(best) >= 0 {
			best, rev = version, Revision{Name: tag, ID: refs[tagsPrefix+tag].ID}
		}
	}
	return rev, best != nil
}

func isFullID(s string) bool { return (len(s) == 40 || len(s) == 64) && isHex(s) }

func isAbbreviation(s string) bool { return len(s) >= 7 && len(s) < 40 && isHex(s) }

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

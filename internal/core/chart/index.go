// Package chart decides what a repository of packages offers and what is in a package.
//
// In go the index of a repository, the tags of a registry or the bytes of an archive;
// out come versions, addresses and files. The package fetches nothing. What it reads
// comes from strangers: everything is bounded, and refused rather than guessed.
package chart

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

// Version is one version of a chart that an index lists.
type Version struct {
	Version string   `json:"version"`
	URLs    []string `json:"urls"`
	Digest  string   `json:"digest"` // SHA-256 of the archive in hex; empty: not given
}

// MaxIndex bounds an index in bytes.
const MaxIndex = 128 << 20

// maxWhole is up to which size an index is read as a whole, when its entries cannot
// be told apart by their lines.
const maxWhole = 16 << 20

// Versions returns the versions of one chart out of an index.yaml, of which there may
// be tens of thousands: only the lines of that chart are parsed where the index is
// written as Helm writes it. None: the index does not list the chart.
func Versions(index []byte, name string) ([]Version, error) {
	if start := bytes.TrimSpace(index); len(start) == 0 || start[0] == '<' {
		return nil, errors.New("what the repository sends is no index, but " + looks(start))
	}
	if block, found := entry(index, name); found {
		var list []Version
		if err := yaml.Unmarshal(block, &list); err == nil {
			return list, nil
		}
	} else if block == nil && canonical(index) {
		return nil, nil
	}
	if len(index) > maxWhole {
		return nil, fmt.Errorf("index of %d bytes is not written as Helm does, and too large to be read otherwise", len(index))
	}
	var whole struct {
		Entries map[string][]Version `json:"entries"`
	}
	if err := yaml.Unmarshal(index, &whole); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if whole.Entries == nil {
		return nil, errors.New("what the repository sends is no index: it has no entries")
	}
	return whole.Entries[name], nil
}

func looks(start []byte) string {
	if len(start) == 0 {
		return "empty"
	}
	return "a web page"
}

// canonical reports whether the entries of an index can be told apart by their lines.
func canonical(index []byte) bool {
	at := entries(index)
	return at >= 0 && entryIndent(index[at:]) > 0
}

// entries returns where the lines below "entries:" begin; -1: nowhere.
func entries(index []byte) int {
	const key = "entries:\n"
	switch i := bytes.Index(index, []byte("\n"+key)); {
	case bytes.HasPrefix(index, []byte(key)):
		return len(key)
	case i >= 0:
		return i + 1 + len(key)
	}
	return -1
}

// entryIndent returns by how much the names of charts are indented; 0: they are not.
func entryIndent(lines []byte) int {
	line, _, _ := bytes.Cut(lines, []byte("\n"))
	text := bytes.TrimLeft(line, " ")
	if len(text) == 0 || text[0] == '-' || text[0] == '#' || !bytes.HasSuffix(bytes.TrimRight(text, " \r"), []byte(":")) {
		return 0
	}
	return len(line) - len(text)
}

// entry returns the list of versions of a chart as it stands in the index.
func entry(index []byte, name string) (block []byte, found bool) {
	at := entries(index)
	if at < 0 {
		return nil, false
	}
	rest := index[at:]
	indent := entryIndent(rest)
	if indent == 0 {
		return nil, false
	}
	begin := -1
	for pos := 0; pos < len(rest); {
		end := bytes.IndexByte(rest[pos:], '\n')
		if end < 0 {
			end = len(rest) - pos
		}
		line := rest[pos : pos+end]
		text := bytes.TrimLeft(line, " ")
		depth := len(line) - len(text)
		heads := len(text) > 0 && depth <= indent && text[0] != '-' && text[0] != '#'
		switch {
		case heads && begin >= 0:
			return rest[begin:pos], true
		case heads && depth < indent:
			return nil, false // the entries are over
		case heads && unquoted(text) == name:
			begin = pos + end
			if begin < len(rest) {
				begin++
			}
		}
		pos += end + 1
	}
	if begin >= 0 {
		return rest[begin:], true
	}
	return nil, false
}

// unquoted is the key that a line ends with.
func unquoted(line []byte) string {
	return strings.Trim(strings.TrimSuffix(strings.TrimRight(string(line), " \r"), ":"), `"'`)
}

// Resolve returns the version that text asks for: that very version, or the highest
// within a range. Pre-releases count only where the range names one. Versions that are
// none in the sense of SemVer can only be asked for by their text.
func Resolve(versions []Version, text string) (Version, error) {
	for _, v := range versions {
		if v.Version == text {
			return v, nil
		}
	}
	within, err := semver.NewConstraint(cmp.Or(text, "*"))
	if err != nil {
		return Version{}, fmt.Errorf("%q is neither a version that is there nor a range of versions; there are %s", text, some(versions))
	}
	var best *semver.Version
	var found Version
	for _, v := range versions {
		parsed, err := semver.NewVersion(v.Version)
		if err != nil || !within.Check(parsed) {
			continue
		}
		if best == nil || parsed.GreaterThan(best) {
			best, found = parsed, v
		}
	}
	if best == nil {
		return Version{}, fmt.Errorf("no version is within %q; there are %s", text, some(versions))
	}
	return found, nil
}

// some names the highest of the versions that there are.
func some(versions []Version) string {
	const shown = 5
	if len(versions) == 0 {
		return "none"
	}
	sorted := slices.Clone(versions)
	slices.SortStableFunc(sorted, func(a, b Version) int {
		x, errX := semver.NewVersion(a.Version)
		y, errY := semver.NewVersion(b.Version)
		if errX != nil || errY != nil {
			return cmp.Compare(b.Version, a.Version)
		}
		return y.Compare(x)
	})
	var names []string
	for _, v := range sorted[:min(shown, len(sorted))] {
		names = append(names, v.Version)
	}
	text := strings.Join(names, ", ")
	if n := len(sorted) - shown; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// Tags returns the tags of a registry as versions: a registry knows no "+", for which
// "_" stands.
func Tags(tags []string) []Version {
	list := make([]Version, len(tags))
	for i, tag := range tags {
		list[i].Version = strings.ReplaceAll(tag, "_", "+")
	}
	return list
}

// Tag is the tag of a version.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// Address returns where the archive of a version is: its first URL, which may be
// relative to the repository.
func Address(repository string, v Version) (string, error) {
	if len(v.URLs) == 0 {
		return "", fmt.Errorf("version %s has no URL in the index", v.Version)
	}
	base, err := url.Parse(strings.TrimRight(repository, "/") + "/")
	if err != nil {
		return "", fmt.Errorf("repository: %w", err)
	}
	ref, err := url.Parse(v.URLs[0])
	if err != nil {
		return "", fmt.Errorf("version %s: its URL in the index is none", v.Version)
	}
	out := base.ResolveReference(ref)
	switch {
	case out.User != nil:
		return "", fmt.Errorf("version %s: its URL has a user name or a password in it", v.Version)
	case out.Scheme == "http" && base.Scheme == "https" && v.Digest == "":
		return "", fmt.Errorf("version %s: its archive comes without encryption, and the index has no digest that would tell whether it is the right one", v.Version)
	case out.Scheme == "http" || out.Scheme == "https":
	case out.Scheme == "oci":
		return "", fmt.Errorf("version %s lies in an OCI registry (%s): use that as repoURL", v.Version, out.Redacted())
	default:
		return "", fmt.Errorf("version %s: its URL is of the scheme %q, and only http and https are fetched", v.Version, out.Scheme)
	}
	return out.String(), nil
}

// SameServer reports whether two URLs are of one server: scheme, host and port.
func SameServer(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
}

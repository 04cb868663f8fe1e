// Package diff says what applying a desired object would change.
//
// In go a desired object, the live one and the structural types of the
// destination; out comes a Change: the fields whose stored value would differ
// after a server-side apply, or that only ownership would move, or nothing. The
// rules are those of the API server's field management, evaluated here. The
// package never talks to a server, never changes an object it was given and
// never returns a value of a Secret. Beside apimachinery it uses the types of
// k8s.io/api, to write values the way the server stores them.
package diff

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Kind is what a change does to the cluster.
type Kind string

// The kinds of changes.
const (
	Create Kind = "Create" // the object does not exist
	Update Kind = "Update" // values would change
	Adopt  Kind = "Adopt"  // only the ownership of fields would change; the object is in sync
	Prune  Kind = "Prune"  // the object is no longer declared
	None   Kind = "None"   // applying would write nothing
)

// Op is what happens to one field.
type Op string

// The things that happen to a field.
const (
	Added     Op = "Added"
	Changed   Op = "Changed"
	Removed   Op = "Removed"   // no longer declared, and nobody else claims it
	Reordered Op = "Reordered" // same items of a keyed list or set in another order
)

// Field is one place where the object would differ.
type Field struct {
	// Path is written like spec.template.spec.containers[name=app].image,
	// metadata.labels["example.com/tier"] or metadata.finalizers[=example.com/x].
	Path string `json:"path"`
	Op   Op     `json:"op"`

	// Old and New are the live value and the one after the apply, nil where there
	// is none. Values of Secrets are masked: within one Change equal values have
	// equal masks and nothing else can be learned from them. For Reordered they
	// are the keys of the items. New of a field that a server may fill in again
	// with a default unknown here is nil.
	Old any `json:"old,omitempty"`
	New any `json:"new,omitempty"`

	// Owner is the field manager that holds the live value, empty when it is ours,
	// nobody's or unknown.
	Owner string `json:"owner,omitempty"`
}

// Change is one object that differs, or the finding that it does not.
type Change struct {
	Key    object.Key `json:"key"`
	Kind   Kind       `json:"kind"`
	Fields []Field    `json:"fields,omitempty"` // sorted by path; empty unless Kind is Update
	Reason string     `json:"reason,omitempty"` // why, for users; empty for None
}

// OutOfSync reports whether the stored values differ from the desired ones.
func (c Change) OutOfSync() bool { return c.Kind == Create || c.Kind == Update || c.Kind == Prune }

// shownFields is how many fields the one-line form of a Change lists.
const shownFields = 3

// String returns one line such as
// "~ apps/Deployment shop/api  spec.replicas: 2 -> 3".
func (c Change) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", c.Kind.mark(), c.Key)
	details := make([]string, 0, shownFields+1)
	for i, f := range c.Fields {
		if i == shownFields {
			details = append(details, fmt.Sprintf("and %d more", len(c.Fields)-i))
			break
		}
		details = append(details, f.String())
	}
	if len(details) == 0 && c.Reason != "" {
		details = append(details, c.Reason)
	}
	if len(details) > 0 {
		b.WriteString("  ")
		b.WriteString(strings.Join(details, ", "))
	}
	return b.String()
}

func (k Kind) mark() string {
	switch k {
	case Create:
		return "+"
	case Update:
		return "~"
	case Adopt:
		return "@"
	case Prune:
		return "-"
	case None:
		return "="
	}
	return "?"
}

// String returns "path: old -> new" with long values cut.
func (f Field) String() string {
	switch f.Op {
	case Added:
		return f.Path + ": + " + brief(f.New)
	case Removed:
		return f.Path + ": removed"
	case Reordered:
		return f.Path + ": reordered " + brief(f.Old) + " -> " + brief(f.New)
	case Changed:
	}
	return f.Path + ": " + brief(f.Old) + " -> " + brief(f.New)
}

// briefLength is how many bytes of a value the one-line form shows.
const briefLength = 60

func brief(v any) string {
	raw, err := json.Marshal(v)
	text := string(raw)
	if err != nil {
		text = fmt.Sprint(v)
	}
	if s, ok := v.(string); ok && plain(s) {
		text = s
	}
	if len(text) <= briefLength {
		return text
	}
	return strings.ToValidUTF8(text[:briefLength], "") + "..."
}

// plain reports whether s reads well without quotes.
func plain(s string) bool {
	for _, r := range s {
		if r <= ' ' || r == ',' || r == '"' || r == 0x7f {
			return false
		}
	}
	return s != ""
}

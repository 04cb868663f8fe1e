package gitref

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
)

// Packed is a reference as the file packed-refs has it.
type Packed struct {
	ID     gitobject.ID
	Target gitobject.ID // what it stands for, tags peeled; only if Peeled
	Peeled bool         // Target is known
}

// ParsePacked reads the file packed-refs.
func ParsePacked(r io.Reader) (map[string]Packed, error) {
	lines := bufio.NewScanner(r)
	packed := map[string]Packed{}
	fullyPeeled := false
	last := ""
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
			fullyPeeled = strings.Contains(line, " fully-peeled")
		case strings.HasPrefix(line, "^"):
			if id, err := gitobject.ParseID(line[1:]); err == nil && last != "" {
				packed[last] = Packed{packed[last].ID, id, true}
			}
		default:
			hex, name, ok := strings.Cut(line, " ")
			id, err := gitobject.ParseID(hex)
			if !ok || err != nil {
				return nil, &gitobject.CorruptError{File: "packed-refs", Err: fmt.Errorf("line %q", line)}
			}
			packed[name] = Packed{id, id, fullyPeeled}
			last = name
		}
	}
	return packed, lines.Err()
}

// ParseLoose reads the file of a single reference. ok is false if it holds no id:
// it is symbolic, or half written.
func ParseLoose(text []byte) (id gitobject.ID, ok bool) {
	id, err := gitobject.ParseID(strings.TrimSpace(string(text)))
	return id, err == nil
}

// Head returns the id that the file HEAD stands for among references by their full
// names: that of a branch, or its own if it is detached.
func Head(text []byte, refs map[string]gitobject.ID) (id gitobject.ID, ok bool) {
	if branch, symbolic := strings.CutPrefix(strings.TrimSpace(string(text)), "ref: "); symbolic {
		id, ok = refs[strings.TrimSpace(branch)]
		return id, ok
	}
	return ParseLoose(text)
}

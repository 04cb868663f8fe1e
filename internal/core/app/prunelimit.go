package app

import (
	"fmt"
	"strconv"
	"strings"
)

// Annotations of the engine's own, on the user's object of either dialect.
const (
	// ConfirmAnnotation holds the id of the commit whose held prunes a person
	// lets go.
	ConfirmAnnotation = "plumbline.dev/confirm-prune"
	// PruneLimitAnnotation holds a PruneLimit, of an application or of a project.
	PruneLimitAnnotation = "plumbline.dev/prune-limit"
)

// PruneLimit is how much of an application one revision may delete before a
// person is asked. The zero value is no limit that anybody set.
type PruneLimit struct {
	Percent int // of the objects that the application owns; 100: no limit
	Least   int // fewer objects than that are never held
	Invalid string
}

// DefaultPruneLimit applies where nothing else is said.
var DefaultPruneLimit = PruneLimit{Percent: 50, Least: 10}

// ParsePruneLimit reads "30%", or "30%,5" with the least number of objects; the
// default's number stands otherwise.
func ParsePruneLimit(text string) (PruneLimit, error) {
	share, least, more := strings.Cut(text, ",")
	number, isShare := strings.CutSuffix(strings.TrimSpace(share), "%")
	out := PruneLimit{Least: DefaultPruneLimit.Least}
	var err error
	if out.Percent, err = strconv.Atoi(strings.TrimSpace(number)); err != nil || !isShare || out.Percent < 0 || out.Percent > 100 {
		return PruneLimit{}, fmt.Errorf("prune limit %q: want a share from 0%% to 100%%, and after a comma the least number of objects, such as 30%%,5", text)
	}
	if !more {
		return out, nil
	}
	if out.Least, err = strconv.Atoi(strings.TrimSpace(least)); err != nil || out.Least < 1 {
		return PruneLimit{}, fmt.Errorf("prune limit %q: %q is no number of objects from 1", text, strings.TrimSpace(least))
	}
	return out, nil
}

// AnnotatedPruneLimit reads PruneLimitAnnotation. A text that is no limit is not
// passed over: it says so, and nothing is pruned until it is one.
func AnnotatedPruneLimit(annotations map[string]string) PruneLimit {
	text, ok := annotations[PruneLimitAnnotation]
	if !ok {
		return PruneLimit{}
	}
	limit, err := ParsePruneLimit(text)
	if err != nil {
		return PruneLimit{Invalid: fmt.Sprintf("annotation %s: %v", PruneLimitAnnotation, err)}
	}
	return limit
}

// Or returns the limit, or the other one where nobody set it.
func (l PruneLimit) Or(other PruneLimit) PruneLimit {
	if l == (PruneLimit{}) {
		return other
	}
	return l
}

// Allows reports whether n of the owned objects may go without a question.
func (l PruneLimit) Allows(n, owned int) bool {
	return l.Percent >= 100 || n < l.Least || 100*n <= l.Percent*owned
}

// String returns "30%,5".
func (l PruneLimit) String() string { return fmt.Sprintf("%d%%,%d", l.Percent, l.Least) }

// Set implements flag.Value.
func (l *PruneLimit) Set(text string) error {
	parsed, err := ParsePruneLimit(text)
	if err == nil {
		*l = parsed
	}
	return err
}

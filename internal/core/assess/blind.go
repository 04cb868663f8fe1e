package assess

import (
	"fmt"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Blind names each kind that cannot be looked at once, with one of its
// objects, so that many objects of one do not hide the others. unknown has what kept
// each object from being looked at.
func Blind(unknown map[object.Key]error) []string {
	first := map[schema.GroupKind]object.Key{}
	count := map[schema.GroupKind]int{}
	for key := range unknown {
		gk := key.GroupKind()
		if known, ok := first[gk]; !ok || key.Compare(known) < 0 {
			first[gk] = key
		}
		count[gk]++
	}
	var texts []string
	for gk, key := range first {
		text := key.String()
		if more := count[gk] - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		texts = append(texts, fmt.Sprintf("%s: %v", text, unknown[key]))
	}
	return texts
}

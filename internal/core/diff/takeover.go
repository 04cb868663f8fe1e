package diff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// taken reports whether manager takes over the claim. Claims on subresources are
// never taken over, nor is the entry that is ours already.
func taken(c claim, manager string, takeover []string) bool {
	if c.subresource != "" || c.is(manager) {
		return false
	}
	return meant(c.manager, takeover)
}

// meant reports whether a manager is one of the patterns: exact names, or
// prefixes that end in "*".
func meant(manager string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(manager, prefix)
		}
		return manager == pattern
	})
}

// Updaters lists the managers that wrote an object by updates, its subresources
// aside, and match one of the patterns.
func Updaters(entries []metav1.ManagedFieldsEntry, patterns []string) []string {
	var found []string
	for _, e := range entries {
		if e.Operation == metav1.ManagedFieldsOperationUpdate && e.Subresource == "" && meant(e.Manager, patterns) {
			found = append(found, e.Manager)
		}
	}
	return found
}

// UpdatesBy returns texts of which an object, as the API server writes it in
// JSON, contains one if Updaters finds anything. It may contain one without that.
func UpdatesBy(patterns []string) []string {
	texts := make([]string, len(patterns))
	for i, pattern := range patterns {
		texts[i] = `"manager":"` + pattern + `","operation":"Update"`
		if prefix, wild := strings.CutSuffix(pattern, "*"); wild {
			texts[i] = `"manager":"` + prefix
		}
	}
	return texts
}

// TakenOver returns the metadata.managedFields of live as they have to be
// written before manager applies, so that what the managers of takeover own is
// its own: their entries and manager's become one, in apiVersion. Write it as a
// JSON patch that tests the resource version. It is false when there is nothing
// to take over.
//
// Fields recorded under another version than apiVersion are taken by name, as
// other tools do; the server drops those that do not exist.
func TakenOver(live *unstructured.Unstructured, manager, apiVersion string, takeover []string) ([]any, bool, error) {
	all, err := claims(live)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", object.KeyOf(live), err)
	}
	raw, _, _ := unstructured.NestedFieldNoCopy(live.Object, "metadata", "managedFields")
	entries, _ := raw.([]any)
	var out []any
	sum, found := &fieldpath.Set{}, false
	for i, c := range all {
		taken := taken(c, manager, takeover)
		if !taken && !c.is(manager) {
			out = append(out, entries[i])
			continue
		}
		set, err := c.set()
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", object.KeyOf(live), err)
		}
		sum, found = sum.Union(set), found || taken
	}
	if !found {
		return nil, false, nil
	}
	fields, err := encode(sum)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", object.KeyOf(live), err)
	}
	ours := map[string]any{
		"manager": manager, "operation": operationApply, "apiVersion": apiVersion,
		"fieldsType": "FieldsV1", "fieldsV1": fields,
	}
	return append([]any{ours}, out...), true, nil
}

func encode(set *fieldpath.Set) (map[string]any, error) {
	raw, err := set.ToJSON()
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	return fields, json.Unmarshal(raw, &fields)
}

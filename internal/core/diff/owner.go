package diff

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// claim is one entry of metadata.managedFields.
type claim struct {
	manager, operation, apiVersion, subresource string
	fields                                      map[string]any
}

const (
	operationApply  = "Apply"
	operationUpdate = "Update"
)

func (c claim) is(manager string) bool {
	return c.manager == manager && c.operation == operationApply && c.subresource == ""
}

// claims reads metadata.managedFields without converting the whole object.
func claims(live *unstructured.Unstructured) ([]claim, error) {
	metadata, _ := live.Object["metadata"].(map[string]any)
	raw, present := metadata["managedFields"]
	if !present || raw == nil {
		return nil, nil
	}
	list, ok := raw.([]any)
	if !ok {
		return nil, fmt.Errorf("metadata.managedFields: not a list but %T", raw)
	}
	out := make([]claim, 0, len(list))
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("metadata.managedFields[%d]: not an object but %T", i, item)
		}
		var c claim
		c.manager, _ = m["manager"].(string)
		c.operation, _ = m["operation"].(string)
		c.apiVersion, _ = m["apiVersion"].(string)
		c.subresource, _ = m["subresource"].(string)
		c.fields, _ = m["fieldsV1"].(map[string]any)
		if c.operation != operationApply && c.operation != operationUpdate {
			return nil, fmt.Errorf("metadata.managedFields[%d]: operation %q", i, c.operation)
		}
		out = append(out, c)
	}
	return out, nil
}

// maxDepth bounds how deep objects and field sets may nest.
const maxDepth = 256

var errTooDeep = errors.New("nested too deeply")

// set decodes the fields of the claim. Elements of an unknown type are skipped,
// as the server does.
func (c claim) set() (*fieldpath.Set, error) {
	set, err := fieldSet(c.fields, 0)
	if err != nil {
		return nil, fmt.Errorf("fields of manager %q: %w", c.manager, err)
	}
	return set, nil
}

func fieldSet(fields map[string]any, depth int) (*fieldpath.Set, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	set := &fieldpath.Set{}
	for name, child := range fields {
		if name == "." {
			continue
		}
		pe, err := fieldpath.DeserializePathElement(name)
		if errors.Is(err, fieldpath.ErrUnknownPathElementType) {
			continue
		}
		if err != nil {
			return nil, err
		}
		below, ok := child.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%q: not an object but %T", name, child)
		}
		if _, self := below["."]; self || len(below) == 0 {
			set.Members.Insert(pe)
		}
		sub, err := fieldSet(below, depth+1)
		if err != nil {
			return nil, err
		}
		if !sub.Empty() {
			*set.Children.Descend(pe) = *sub
		}
	}
	return set, nil
}

// ownership is the managedFields of a live object seen from our manager.
type ownership struct {
	own    *fieldpath.Set // what our Apply entry holds
	last   *fieldpath.Set // own and the fields of the managers we take over
	taken  []string       // managers whose entries we take over, sorted
	others []claim        // everybody else
}

// ownershipOf sorts the claims on live. A claim of ours, or one to take over,
// that was made under another API version cannot be compared: the fields of two
// versions do not correspond.
func ownershipOf(in Input, apiVersion string) (ownership, error) {
	all, err := claims(in.Live)
	if err != nil {
		return ownership{}, err
	}
	o := ownership{own: &fieldpath.Set{}, last: &fieldpath.Set{}}
	for _, c := range all {
		ours, taken := c.is(in.Manager), taken(c, in.Manager, in.Takeover)
		if !ours && !taken {
			o.others = append(o.others, c)
			continue
		}
		if c.apiVersion != apiVersion {
			return ownership{}, fmt.Errorf("manager %q owns fields under %s", c.manager, c.apiVersion)
		}
		set, err := c.set()
		if err != nil {
			return ownership{}, err
		}
		o.last = o.last.Union(set)
		if ours {
			o.own = set
		}
		if taken {
			o.taken = append(o.taken, c.manager)
		}
	}
	slices.Sort(o.taken)
	o.taken = slices.Compact(o.taken)
	return o, nil
}

// heldBy returns the fields that the managers hold. A claim that cannot be read
// holds nothing.
func (o ownership) heldBy(managers []string) *fieldpath.Set {
	sum := &fieldpath.Set{}
	for _, other := range o.others {
		if !slices.Contains(managers, other.manager) {
			continue
		}
		if set, err := other.set(); err == nil {
			sum = sum.Union(set)
		}
	}
	return sum
}

// taken reports whether manager takes over the claim. Claims on subresources are
// never taken over, nor is the entry that is ours already.
func taken(c claim, manager string, takeover []string) bool {
	if c.subresource != "" || c.is(manager) {
		return false
	}
	return slices.ContainsFunc(takeover, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(c.manager, prefix)
		}
		return c.manager == pattern
	})
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

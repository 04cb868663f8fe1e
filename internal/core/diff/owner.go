package diff

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
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

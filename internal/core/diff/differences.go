package diff

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// differences lists the fields in which the stored object would differ, once
// merged has been written the way the server writes it.
func (c *comparison) differences(merged *typed.TypedValue) ([]Field, error) {
	next, ok := merged.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, c.undecided(errors.New("the merged object is not an object"))
	}
	if isSecret(c.key) {
		next = foldStringData(next)
	}
	live, next, err := c.compared(c.liveObject, next)
	if err != nil {
		return nil, err
	}
	live = tidy(live)
	w := walker{schema: merged.Schema(), native: native(c.key.Group)}
	if len(w.differences(merged.TypeRef(), live, tidy(next))) == 0 {
		return nil, nil
	}
	written, err := roundTrip(c.in.Desired.GroupVersionKind(), next)
	switch {
	case err != nil:
		return nil, c.unreadable(c.desiredObject, err)
	case written != nil && lossy(next, written):
		return nil, c.undecided(errors.New("the server knows fields of this kind that are not known here"))
	case written != nil:
		next = written
	}
	next = tidy(next)
	if isSecret(c.key) {
		m := newMask()
		live, next = m.secret(live), m.secret(next)
	}
	w.found = nil
	found, err := c.expectDefaults(&w, w.differences(merged.TypeRef(), live, next))
	if err != nil {
		return nil, err
	}
	return c.attribute(found), nil
}

// compared drops what is ignored from both sides.
func (c *comparison) compared(live, next map[string]any) (l, n map[string]any, err error) {
	if l, err = c.ignored.drop(live); err == nil {
		n, err = c.ignored.drop(next)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: ignored %w", c.key, err)
	}
	return l, n, nil
}

// tidy leaves out the metadata that every kind drops when it is empty.
func tidy(obj map[string]any) map[string]any {
	metadata, _ := obj["metadata"].(map[string]any)
	var names []string
	for _, name := range []string{"labels", "annotations", "finalizers", "ownerReferences"} {
		if v, ok := metadata[name]; ok && empty(v) && !hasEntries(v) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return obj
	}
	return with(obj, "metadata", without(metadata, names...))
}

func hasEntries(v any) bool { m, ok := v.(map[string]any); return ok && len(m) > 0 }

// expectDefaults looks at the fields that would be gone or blank: the server may
// put a default there, so that the field stays as it is or gets another value. When
// nothing but gaps of unknown outcome is found, only the server can tell.
func (c *comparison) expectDefaults(w *walker, found []difference) ([]difference, error) {
	var out []difference
	var gaps int
	for _, d := range found {
		if d.Op != Removed && !(w.native && d.Op == Changed && blank(d)) {
			out = append(out, d)
			continue
		}
		switch def, known := serverDefault(c.in.Desired.GroupVersionKind(), d.slot); {
		case known && def == keeps:
		case known:
			w.found = nil
			w.value(d.path, d.slot, d.Old, def)
			out = append(out, w.found...)
		case d.Op == Removed && c.gap(d):
			gaps++
			out = append(out, d)
		default:
			out = append(out, d)
		}
	}
	if gaps > 0 && gaps == len(out) {
		return nil, c.undecided(fmt.Errorf("%s is left empty, and the server may have filled it in", out[0].Path))
	}
	return out, nil
}

// blank reports whether d's new value is one for which the server, too, puts a
// default: it cannot tell an empty text from none.
func blank(d difference) bool {
	return d.New == "" || d.slot.name == "targetPort" && d.New == int64(0)
}

// gap reports whether d is a field that the server may fill in although nobody
// owns the value: one that is declared empty, or missing in something that is
// declared as a whole. Elsewhere what is not declared stays as it is.
func (c *comparison) gap(d difference) bool {
	return native(c.key.Group) && d.slot.declared && (d.slot.whole || c.set.Has(d.path) && !container(d.Old))
}

// attribute leaves out what is left to others and names the managers that hold
// the live values of the rest.
func (c *comparison) attribute(found []difference) []Field {
	left := c.ownership.heldBy(c.in.IgnoreManagers)
	sets := make([]*fieldpath.Set, len(c.ownership.others))
	fields := make([]Field, 0, len(found))
	for _, d := range found {
		if within(left, d.path) {
			continue
		}
		var owners []string
		for i, other := range c.ownership.others {
			if sets[i] == nil {
				if set, err := other.set(); err == nil {
					sets[i] = set
				} else {
					sets[i] = &fieldpath.Set{}
				}
			}
			if d.Op != Added && sets[i].Has(d.path) {
				owners = append(owners, other.manager)
			}
		}
		slices.Sort(owners)
		d.Owner = strings.Join(slices.Compact(owners), ",")
		fields = append(fields, d.Field)
	}
	return fields
}

// within reports whether path, or something that contains it, is in set.
func within(set *fieldpath.Set, path fieldpath.Path) bool {
	for i := range path {
		if set.Has(path[:i+1]) {
			return true
		}
	}
	return false
}

func updateReason(fields []Field) string {
	if len(fields) == 1 {
		return "1 field differs"
	}
	return fmt.Sprintf("%d fields differ", len(fields))
}

func (c *comparison) adoptReason() string {
	if taken := c.ownership.taken; len(taken) > 0 {
		return "takes over the fields of " + strings.Join(taken, ", ")
	}
	own, set := c.ownership.own, c.set
	declared, dropped := set.Difference(own).Size(), own.Difference(set).Size()
	switch {
	case own.Empty():
		return fmt.Sprintf("the values are there already, %s will own them", c.in.Manager)
	case declared == 0:
		return fmt.Sprintf("newly undeclared and unchanged: %s", count(dropped))
	case dropped == 0:
		return fmt.Sprintf("newly declared and unchanged: %s", count(declared))
	}
	return fmt.Sprintf("newly declared and unchanged: %s, newly undeclared: %s", count(declared), count(dropped))
}

func count(fields int) string {
	if fields == 1 {
		return "1 field"
	}
	return fmt.Sprintf("%d fields", fields)
}

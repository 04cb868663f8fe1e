package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// finding is one object that differs, with both of its states.
type finding struct {
	diff.Change
	old, new *unstructured.Unstructured
}

// difference is what differs for one unit.
type difference struct {
	title, from, to string
	findings        []finding
	problems        []error
}

// between renders a unit from two trees and compares the results.
func (c *command) between(ctx context.Context, u unit, from, to source.Tree) (difference, error) {
	d := difference{title: u.title, from: from.Revision().String(), to: to.Revision().String()}
	old, oldErr := c.renderUnit(ctx, u, from, nil)
	now, nowErr := c.renderUnit(ctx, u, to, nil)
	// A directory that only one revision has is compared with nothing.
	switch absent := (*render.PathError)(nil); {
	case oldErr == nil && nowErr == nil:
	case nowErr == nil && errors.As(oldErr, &absent) && !absent.File:
		c.say("%s: %v", u.title, absent)
	case oldErr == nil && errors.As(nowErr, &absent) && !absent.File:
		c.say("%s: %v", u.title, absent)
	case nowErr != nil:
		return d, nowErr
	default:
		return d, fmt.Errorf("at %s: %w", d.from, oldErr)
	}
	d.findings, d.problems = changes(old, now)
	for i, err := range d.problems {
		d.problems[i] = fmt.Errorf("%s: %w", u.title, err)
	}
	return d, nil
}

// changes compares two sets of objects; the last of repeated objects counts.
func changes(old, now []plan.Item) ([]finding, []error) {
	before := map[object.Key]plan.Item{}
	for _, item := range old {
		before[item.Title()] = item.Titled()
	}
	after := map[object.Key]plan.Item{}
	for _, item := range now {
		after[item.Title()] = item.Titled()
	}
	var out []finding
	var problems []error
	for key, item := range after {
		was, existed := before[key]
		if !existed {
			if err := valid(item.Object); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", cmp.Or(item.Origin.File, "?"), err))
			}
			out = append(out, finding{
				Change: diff.Change{Key: key, Kind: diff.Create, Reason: "new in " + cmp.Or(item.Origin.File, "the rendered output")},
				new:    item.Object,
			})
			continue
		}
		change, err := diff.Between(was.Object, item.Object, core.Builtin())
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %w", cmp.Or(item.Origin.File, "?"), err))
		case change.OutOfSync():
			out = append(out, finding{Change: change, old: was.Object, new: item.Object})
		}
	}
	for key, item := range before {
		if _, stays := after[key]; !stays {
			out = append(out, finding{
				Change: diff.Change{Key: key, Kind: diff.Prune, Reason: "no longer declared (was in " + cmp.Or(item.Origin.File, "the rendered output") + ")"},
				old:    item.Object,
			})
		}
	}
	sortFindings(out)
	slices.SortFunc(problems, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return out, problems
}

func sortFindings(list []finding) {
	slices.SortFunc(list, func(a, b finding) int { return a.Key.Compare(b.Key) })
}

// valid fails when the server would refuse a new object.
func valid(obj *unstructured.Unstructured) error {
	_, err := diff.Compute(diff.Input{Desired: obj, Manager: "plumb", Schemas: builtinSchemas(obj.GroupVersionKind())})
	return err
}

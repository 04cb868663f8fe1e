package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// name is what a user calls an application: [KIND/][NAMESPACE/]NAME.
type name struct {
	dialects  []Dialect // those of the kind, or all
	namespace string    // empty: any
	name      string
}

func (c *command) parseName(text string, dialects []Dialect) (name, error) {
	n := name{dialects: dialects, namespace: c.namespace}
	parts := strings.Split(text, "/")
	if len(parts) > 1 {
		if d := dialectCalled(n.dialects, parts[0]); d != nil {
			n.dialects, parts = []Dialect{d}, parts[1:]
		} else if len(parts) == 3 {
			return n, fmt.Errorf("%q: %q is no kind of application: use one of %s", text, parts[0], aliases(n.dialects))
		}
	}
	if len(parts) > 2 || slices.Contains(parts, "") {
		return n, fmt.Errorf("%q: want [KIND/][NAMESPACE/]NAME", text)
	}
	if len(parts) == 2 {
		if n.namespace != "" && n.namespace != parts[0] {
			return n, fmt.Errorf("%q: names another namespace than --namespace %q", text, n.namespace)
		}
		n.namespace = parts[0]
	}
	n.name = parts[len(parts)-1]
	return n, nil
}

func dialectCalled(dialects []Dialect, text string) Dialect {
	for _, d := range dialects {
		if slices.Contains(d.Aliases(), strings.ToLower(text)) {
			return d
		}
	}
	return nil
}

func aliases(dialects []Dialect) string {
	var all []string
	for _, d := range dialects {
		all = append(all, d.Aliases()...)
	}
	return strings.Join(all, ", ")
}

// found is one application's object in the cluster.
type found struct {
	dialect Dialect
	object  *unstructured.Unstructured
}

func (f found) String() string {
	return f.dialect.Aliases()[0] + "/" + f.object.GetNamespace() + "/" + f.object.GetName()
}

// list reads all applications of the given kinds. It fails when the cluster
// has none of the kinds.
func list(ctx context.Context, cluster Objects, dialects []Dialect, namespace string) ([]found, error) {
	var all []found
	var kinds []string
	for _, d := range dialects {
		objects, err := cluster.List(ctx, d.Kind(), namespace)
		if errors.Is(err, ErrNoKind) {
			kinds = append(kinds, d.Kind().Kind)
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, obj := range objects {
			all = append(all, found{d, obj})
		}
	}
	if len(kinds) == len(dialects) {
		return nil, fmt.Errorf("the cluster has no kind %s: is the server installed there?", strings.Join(kinds, " and no "))
	}
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.String(), b.String()) })
	return all, nil
}

// find returns the one application that a name stands for.
func (c *command) find(ctx context.Context, cluster Objects, text string, marks Marks) (Dialect, *unstructured.Unstructured, error) {
	dialects, err := c.Dialects(marks)
	if err != nil {
		return nil, nil, err
	}
	n, err := c.parseName(text, dialects)
	if err != nil {
		return nil, nil, err
	}
	all, err := list(ctx, cluster, n.dialects, n.namespace)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	matches := slices.DeleteFunc(slices.Clone(all), func(f found) bool {
		names = append(names, f.String())
		return f.object.GetName() != n.name
	})
	switch len(matches) {
	case 1:
		return matches[0].dialect, matches[0].object, nil
	case 0:
		return nil, nil, fmt.Errorf("application %q: not found%s", text, offer(names))
	}
	names = names[:0]
	for _, m := range matches {
		names = append(names, m.String())
	}
	return nil, nil, fmt.Errorf("application %q: there are several: use one of %s", text, strings.Join(names, ", "))
}

// offer lists a few of the names that there are.
func offer(names []string) string {
	const shown = 5
	switch {
	case len(names) == 0:
		return ": there are none"
	case len(names) <= shown:
		return ": there are " + strings.Join(names, ", ")
	}
	return fmt.Sprintf(": there are %s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

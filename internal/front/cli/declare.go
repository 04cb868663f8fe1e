package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/condition"
)

// declared reads the applications that files declare.
func (c *command) declared(files []string, marks Marks) ([]Declaration, error) {
	dialects, err := c.Dialects(marks)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, file := range files {
		found, err := c.readObjects(file)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	var list []Declaration
	var seen []string
	for _, obj := range objects {
		seen = append(seen, obj.GetKind())
		dialect := dialectOf(obj, dialects)
		if dialect == nil {
			continue
		}
		if obj.GetNamespace() == "" && c.namespace != "" {
			obj.SetNamespace(c.namespace)
		}
		d, err := dialect.Declare(obj, objects)
		if err != nil {
			return nil, err
		}
		for _, text := range d.Warnings {
			c.say("warning: %s: %s", d.App.ID, text)
		}
		list = append(list, d)
	}
	if len(list) > 0 {
		return list, nil
	}
	slices.Sort(seen)
	found := "no object"
	if len(seen) > 0 {
		found = strings.Join(slices.Compact(seen), ", ")
	}
	return nil, fmt.Errorf("%s: declares no %s: it holds %s", strings.Join(files, ", "), kindNames(dialects), found)
}

func dialectOf(obj *unstructured.Unstructured, dialects []Dialect) Dialect {
	for _, d := range dialects {
		if d.Kind().GroupKind() == obj.GroupVersionKind().GroupKind() {
			return d
		}
	}
	return nil
}

func kindNames(dialects []Dialect) string {
	var names []string
	for _, d := range dialects {
		names = append(names, d.Kind().Kind)
	}
	return strings.Join(names, " or ")
}

// refused says why the server would not run an application as it is declared.
func refused(d Declaration) error {
	var texts []string
	for _, p := range d.App.Problems {
		if !p.Reason.Warning() {
			texts = append(texts, p.Message)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return fmt.Errorf("%s %s: %w", d.App.ID.Kind, d.App.ID, errors.New(condition.Summary(texts)))
}

package cli

import (
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// sayNext names the command that applies the differences from the cluster.
func (c *command) sayNext(found []difference) {
	for _, d := range found {
		prunes := 0
		for _, f := range d.findings {
			if f.Kind == diff.Prune {
				prunes++
			}
		}
		switch {
		case len(d.findings) == 0:
		case prunes > 0:
			c.say("Once this is in the repository, run %q to apply; what is to be removed needs --prune.", "plumb sync "+d.title)
		default:
			c.say("Once this is in the repository, run %q to apply.", "plumb sync "+d.title)
		}
	}
}

func (c *command) printDifferences(format string, found []difference) error {
	switch format {
	case formatJSON, formatYAML:
		changes := []diff.Change{}
		for _, d := range found {
			for _, f := range d.findings {
				changes = append(changes, f.Change)
			}
		}
		return writeValue(c.Out, format, changes)
	case formatUnified:
		for _, d := range found {
			if err := c.printUnified(d); err != nil {
				return err
			}
		}
		return nil
	}
	for _, d := range found {
		if err := c.printDifference(d); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) printDifference(d difference) error {
	if len(d.findings) == 0 {
		if len(d.problems) == 0 {
			c.say("%s: no difference, %s -> %s", d.title, d.from, d.to)
		}
		return nil
	}
	out := c.out()
	head := fmt.Sprintf("%s  %s -> %s  %s\n\n", out.Paint(term.Bold, d.title), term.Safe(d.from), term.Safe(d.to), d.counts())
	if _, err := fmt.Fprint(out, head); err != nil {
		return err
	}
	t := term.Table{Indent: "  "}
	for _, f := range d.findings {
		mark, style := mark(f.Kind)
		t.Add(term.Cell{Text: mark + " " + kindText(f.Key), Style: style}, term.Cell{Text: nameText(f.Key)}, term.Cell{Text: details(f.Change)})
	}
	if err := t.Write(out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// counts returns "2 changes, 1 prune".
func (d difference) counts() string {
	changed, removed := 0, 0
	for _, f := range d.findings {
		if f.Kind == diff.Prune {
			removed++
		} else {
			changed++
		}
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{changed, "change"}, {removed, "prune"}} {
		switch {
		case p.n == 1:
			parts = append(parts, "1 "+p.what)
		case p.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

func mark(k diff.Kind) (string, term.Style) {
	switch k {
	case diff.Create:
		return "+", term.Green
	case diff.Prune:
		return "-", term.Red
	case diff.Update, diff.Adopt, diff.None:
	}
	return "~", term.Yellow
}

// details is the part of a change's line after its object.
func details(change diff.Change) string {
	if len(change.Fields) == 0 {
		return change.Reason
	}
	_, text, _ := strings.Cut(change.String(), "  ")
	return text
}

func (c *command) printUnified(d difference) error {
	out := c.out()
	for _, f := range d.findings {
		shown := diff.Masked(withoutServerFields(f.old), withoutServerFields(f.new))
		texts := [2]string{}
		for i, obj := range shown {
			if obj == nil {
				continue
			}
			text, err := objectYAML(obj)
			if err != nil {
				return err
			}
			texts[i] = text
		}
		name := kindText(f.Key) + " " + nameText(f.Key)
		for line := range strings.Lines(udiff.Unified(name+" ("+d.from+")", name+" ("+d.to+")", texts[0], texts[1])) {
			if _, err := fmt.Fprintln(out, out.Paint(lineStyle(line), strings.TrimSuffix(line, "\n"))); err != nil {
				return err
			}
		}
	}
	return nil
}

func lineStyle(line string) term.Style {
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		return term.Bold
	case strings.HasPrefix(line, "+"):
		return term.Green
	case strings.HasPrefix(line, "-"):
		return term.Red
	case strings.HasPrefix(line, "@@"):
		return term.Blue
	}
	return term.Plain
}

// withoutServerFields leaves out what only a server writes.
func withoutServerFields(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if obj == nil {
		return nil
	}
	out := obj.DeepCopy()
	delete(out.Object, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(out.Object, "metadata", field)
	}
	return out
}

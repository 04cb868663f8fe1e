package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/action"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// actionFlags say how an action is performed.
type actionFlags struct {
	params  []string
	context string
	marks   Marks
}

func (c *command) actionCommand() *cobra.Command {
	var f actionFlags
	cmd := &cobra.Command{
		Use:   "action [KIND/][NAMESPACE/]NAME OBJECT-KIND/[OBJECT-NAMESPACE/]OBJECT [ACTION]",
		Short: "Restart, scale, suspend or otherwise act on an object of an application",
		Long: "action lists what can be done to one of an application's objects, and with ACTION does it: what is built in,\n" +
			"and the Lua actions of argocd-cm. It writes with your own permissions. A field that Git declares is put back\n" +
			"afterwards where the application heals itself.\n\n" +
			"Output formats of the list: text, json, yaml.\n\n" +
			"Exit codes: 0 done, 2 it could not be done.",
		Example: "  plumb action shop/api Deployment/web\n  plumb action shop/api Deployment/web restart\n  plumb action shop/api Deployment/web scale --param replicas=5",
		Args:    cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.action(cmd.Context(), f, args)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.params, "param", nil, "`name=value` of a parameter of the action; may be repeated")
	flags.StringVar(&f.context, "object-context", "", "kubeconfig context of the cluster that the object is in; by default that of the application")
	flags.StringVar(&f.marks.ControlPlane, "argocd-namespace", defaultMarks.ControlPlane, "namespace of argocd-cm")
	f.marks.Tracking = defaultMarks.Tracking
	return cmd
}

func (c *command) action(ctx context.Context, f actionFlags, args []string) error {
	format, err := c.format(formatText, formatJSON, formatYAML)
	if err != nil {
		return err
	}
	params := map[string]string{}
	for _, text := range f.params {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return fmt.Errorf("--param %q: want name=value", text)
		}
		params[name] = value
	}
	home, err := c.Connect(ctx, c.cluster)
	if err != nil {
		return err
	}
	dialect, declared, err := c.find(ctx, home, args[0], f.marks)
	if err != nil {
		return err
	}
	id := found{dialect, declared}.String()
	decl, err := dialect.Declare(declared, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	entry, err := objectCalled(decl.App.State.Inventory, args[1])
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	at := home
	switch {
	case f.context != "":
		to := c.cluster
		to.Context = f.context
		if at, err = c.Connect(ctx, to); err != nil {
			return err
		}
	case decl.Elsewhere != "":
		return fmt.Errorf("%s: its objects are in the cluster %s: name its kubeconfig context with --object-context", id, decl.Elsewhere)
	}
	obj, err := at.Get(ctx, entry.Key.GroupKind().WithVersion(entry.Version), entry.Key.Namespace, entry.Key.Name)
	if err != nil {
		return err
	}
	book, err := c.Actions(ctx, home, f.marks.ControlPlane)
	if err != nil {
		return err
	}
	if len(args) == 2 {
		return c.listActions(book, obj, format)
	}
	return c.runAction(ctx, at, book, obj, args[2], params)
}

// objectCalled returns the one object of an application that is called KIND/NAME or
// KIND/NAMESPACE/NAME; the kind may be followed by a dot and its group.
func objectCalled(inventory object.Inventory, text string) (object.Entry, error) {
	kind, name, ok := strings.Cut(text, "/")
	kind, group, grouped := strings.Cut(kind, ".")
	namespace, inner, spaced := strings.Cut(name, "/")
	if spaced {
		name = inner
	}
	if !ok || kind == "" || name == "" {
		return object.Entry{}, fmt.Errorf("%q: want KIND/NAME, KIND.GROUP/NAME or KIND/NAMESPACE/NAME", text)
	}
	var matches []object.Entry
	var names, all []string
	for _, e := range inventory {
		if strings.EqualFold(e.Key.Kind, kind) {
			all = append(all, e.Key.Kind+"/"+e.Key.Name)
		}
		if strings.EqualFold(e.Key.Kind, kind) && e.Key.Name == name && (!grouped || e.Key.Group == group) && (!spaced || e.Key.Namespace == namespace) {
			matches = append(matches, e)
			names = append(names, e.Key.String())
		}
	}
	switch len(matches) {
	case 1:
		return matches[0], nil
	case 0:
		return object.Entry{}, fmt.Errorf("it has no object %s%s", text, offer(all))
	}
	return object.Entry{}, fmt.Errorf("%q: there are several: %s", text, strings.Join(names, ", "))
}

func (c *command) listActions(book action.Book, obj *unstructured.Unstructured, format string) error {
	list, err := book.List(obj)
	if err != nil {
		return err
	}
	if format != formatText {
		if list == nil {
			list = []action.Action{}
		}
		return writeValue(c.Out, format, list)
	}
	if len(list) == 0 {
		c.say("%s: there are no actions for it", object.KeyOf(obj))
		return nil
	}
	var t term.Table
	t.Add(term.Text("ACTION", "PARAMETERS", "NOTE")...)
	for _, a := range list {
		var params []string
		for _, p := range a.Params {
			params = append(params, p.Name+"="+p.Default)
		}
		note := ""
		if a.Disabled {
			note = "makes no difference now"
		}
		t.Add(term.Text(a.Name, strings.Join(params, " "), note)...)
	}
	return t.Write(c.out())
}

func (c *command) runAction(ctx context.Context, at Objects, book action.Book, obj *unstructured.Unstructured, name string, params map[string]string) error {
	for try := 1; ; try++ {
		done, err := c.tryAction(ctx, at, book, obj, name, params)
		if err == nil {
			c.say("%s: %s", object.KeyOf(obj), strings.Join(done, ", "))
			return nil
		}
		if !errors.Is(err, ErrConflict) || len(done) > 0 || try == askTries {
			return fmt.Errorf("%s: %s: %w", object.KeyOf(obj), name, err)
		}
		if obj, err = at.Get(ctx, obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName()); err != nil {
			return err
		}
	}
}

// tryAction performs an action on an object as it was read, and says what it did.
func (c *command) tryAction(ctx context.Context, at Objects, book action.Book, obj *unstructured.Unstructured, name string, params map[string]string) (done []string, err error) {
	list, err := book.List(obj)
	if err != nil {
		return nil, err
	}
	known, err := action.Find(list, obj, name)
	if err != nil {
		return nil, err
	}
	for _, p := range known.Params {
		if _, given := params[p.Name]; !given && p.Default == "" {
			return nil, fmt.Errorf("the parameter %s is missing: give --param %s=VALUE", p.Name, p.Name)
		} else if !given {
			params[p.Name] = p.Default
		}
	}
	changes, err := book.Run(obj, name, params, c.Now())
	if err != nil {
		return nil, err
	}
	for _, change := range slices.Backward(changes) { // what is new last, once the rest went well
		if change.Create {
			continue
		}
		what, err := c.patchTo(ctx, at, obj, change.Object)
		if err != nil {
			return done, err
		}
		done = append(done, what)
	}
	for _, change := range changes {
		if !change.Create {
			continue
		}
		made, err := at.Create(ctx, change.Object)
		if err != nil {
			return done, err
		}
		done = append(done, "created "+object.KeyOf(made).String())
	}
	return done, nil
}

func (c *command) patchTo(ctx context.Context, at Objects, obj, to *unstructured.Unstructured) (string, error) {
	patch, status, err := action.Patches(obj, to)
	switch {
	case err != nil:
		return "", err
	case patch == nil && status == nil:
		return "is so already", nil
	}
	if patch != nil {
		if _, err := at.Patch(ctx, obj, patch); err != nil {
			return "", err
		}
	}
	if status != nil {
		if err := at.PatchStatus(ctx, obj, status); err != nil {
			return "", err
		}
	}
	return "changed", nil
}

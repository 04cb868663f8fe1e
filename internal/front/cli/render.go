package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func (c *command) renderCommand() *cobra.Command {
	var f sourceFlags
	cmd := &cobra.Command{
		Use:   "render DIR | render -f FILE --repo DIR",
		Short: "Print the objects that a directory or an application renders to",
		Long: "render prints what would be applied, as YAML documents or, with -o json, as an object or a List.\n" +
			"It needs no cluster.\n\n" +
			"DIR is rendered with what its files call for: kustomize, Helm, or as plain manifests. Files of a repository outside of DIR\n" +
			"can be referred to when DIR is inside of a Git repository or --repo is given; then DIR may also be a path in that repository.\n\n" +
			"With -f, every Application or Kustomization of the file is rendered from a local clone of its repository, and its objects\n" +
			"are marked as the server marks them. Values of Secrets are printed as they stand in the files.\n\n" +
			"Exit codes: 0 rendered, 2 could not be rendered.",
		Example: "  plumb render apps/api/overlays/prod\n  plumb render apps/api --revision v1.4.0\n  plumb render -f application.yaml --repo ../config --revision main",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.render(cmd.Context(), f, args)
		},
	}
	f.add(cmd)
	f.addDirectory(cmd)
	return cmd
}

func (c *command) render(ctx context.Context, f sourceFlags, args []string) error {
	format, err := c.format(formatYAML, formatJSON)
	if err != nil {
		return err
	}
	w, units, err := c.units(f, args)
	if err != nil {
		return err
	}
	defer w.Close()
	tree, err := w.tree(f.revision)
	if err != nil {
		return err
	}
	var objects []*unstructured.Unstructured
	for _, u := range units {
		items, err := c.renderUnit(ctx, u, tree, nil)
		if err != nil {
			return err
		}
		if len(items) == 0 && u.decl == nil {
			return fmt.Errorf("%s: holds no manifest: neither a kustomization, nor a chart, nor YAML or JSON files with objects", u.title)
		}
		if len(items) == 0 {
			c.say("%s: path %q renders to no object", u.title, u.sources[0].Render.Path)
		}
		for i, item := range items {
			if i > 0 && item.Object == items[i-1].Object { // a hook of several phases
				continue
			}
			objects = append(objects, item.Object)
		}
	}
	return writeObjects(c.Out, format, objects)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// diffFlags tune the diff command.
type diffFlags struct {
	source  sourceFlags
	against string
	unified bool
}

func (c *command) diffCommand() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff DIR --against REV | diff -f FILE [--against REV] | diff NAME",
		Short: "Print what differs between two revisions, or from the cluster",
		Long: "diff prints the objects that differ, one line each: + is created, ~ is changed, - is removed.\n\n" +
			"With --against it compares what a directory or an application renders to at that revision with the files on disk, or with\n" +
			"--revision if that is given; no cluster is needed. Without, it compares an application with the cluster. The application\n" +
			"is given as a file, or by name as [KIND/][NAMESPACE/]NAME; its sources are read from a local clone of its repository.\n\n" +
			"-o json and -o yaml print the changes with all fields, -o unified the texts. Values of Secrets are masked everywhere.\n\n" +
			"Exit codes: 0 no difference, 1 differences, 2 could not tell.",
		Example: "  plumb diff apps/api/overlays/prod --against main\n  plumb diff -f application.yaml --repo . --against v1.4.0 -o unified\n  plumb diff shop/api --repo ../config",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.diff(cmd.Context(), f, args)
		},
	}
	f.source.add(cmd)
	f.source.addDirectory(cmd)
	cmd.Flags().StringVar(&f.against, "against", "", "branch, tag or commit to compare with")
	cmd.Flags().BoolVarP(&f.unified, "unified", "u", false, "the same as -o unified")
	return cmd
}

func (c *command) diff(ctx context.Context, f diffFlags, args []string) error {
	format, err := c.format(formatText, formatJSON, formatYAML, formatUnified)
	if err != nil {
		return err
	}
	if f.unified {
		format = formatUnified
	}
	var found []difference
	if f.against != "" {
		found, err = c.diffRevisions(ctx, f, args)
	} else {
		f.unified = format == formatUnified
		found, err = c.diffLive(ctx, f, args)
	}
	if err != nil {
		return err
	}
	if err := c.printDifferences(format, found); err != nil {
		return err
	}
	if f.against == "" && format == formatText {
		c.sayNext(found)
	}
	var problems []error
	differs := false
	for _, d := range found {
		problems = append(problems, d.problems...)
		differs = differs || len(d.findings) > 0
	}
	switch {
	case len(problems) > 0:
		return errors.Join(problems...)
	case differs:
		return errDifferences
	}
	return nil
}

func (c *command) diffRevisions(ctx context.Context, f diffFlags, args []string) ([]difference, error) {
	w, units, err := c.units(f.source, args)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	from, err := w.tree(f.against)
	if err != nil {
		return nil, err
	}
	to, err := w.tree(f.source.revision)
	if err != nil {
		return nil, err
	}
	var out []difference
	for _, u := range units {
		d, err := c.between(ctx, u, from, to)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// diffLive compares applications with the cluster.
func (c *command) diffLive(ctx context.Context, f diffFlags, args []string) ([]difference, error) {
	if len(args) == 1 {
		if info, err := os.Stat(args[0]); err == nil && info.IsDir() && len(f.source.files) == 0 {
			return nil, fmt.Errorf("%q is a directory: name a revision to compare it with by --against, or an application by -f", args[0])
		}
	}
	w, units, cluster, err := c.liveUnits(ctx, f.source, args)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	tree, err := w.tree(f.source.revision)
	if err != nil {
		return nil, err
	}
	var out []difference
	for _, u := range units {
		items, err := c.renderUnit(ctx, u, tree, cluster)
		if err != nil {
			return nil, err
		}
		one, err := compare(ctx, u, items, clusterView{cluster})
		if err != nil {
			return nil, err
		}
		d := one.difference(u.title)
		d.from, d.to = "cluster "+cluster.Host(), tree.Revision().String()
		if f.unified {
			d.merge(ctx, u, cluster)
		}
		out = append(out, d)
	}
	return out, nil
}

// merge replaces desired objects by what applying them would store, so that
// texts of both sides hold what the server fills in.
func (d *difference) merge(ctx context.Context, u unit, live Live) {
	for i, f := range d.findings {
		if f.Kind != diff.Update {
			continue
		}
		stored, err := live.DryRun(ctx, f.new, u.decl.Manager)
		if err != nil {
			d.problems = append(d.problems, fmt.Errorf("%s: %w", u.title, err))
			continue
		}
		d.findings[i].new = stored
	}
}

// liveUnits finds the applications to compare: in files, or in the cluster by name.
func (c *command) liveUnits(ctx context.Context, f sourceFlags, args []string) (*workspace, []unit, Cluster, error) {
	if len(f.files) == 0 && len(args) == 0 {
		return nil, nil, nil, errors.New("nothing to compare: give an application by name, in a file with -f, or a directory and --against")
	}
	cluster, err := c.Connect(ctx, c.cluster)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(f.files) > 0 {
		w, units, err := c.units(f, args)
		if err != nil {
			return nil, nil, nil, err
		}
		return w, units, cluster, c.completeStates(ctx, cluster, units, f.marks)
	}
	dialect, obj, err := c.find(ctx, cluster, args[0], f.marks)
	if err != nil {
		return nil, nil, nil, err
	}
	decl, err := dialect.Declare(obj, nil)
	if err == nil {
		err = refused(decl)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	w, err := c.applicationWorkspace(f, decl)
	return w, []unit{applicationUnit(&decl, w, f.kubeVersion)}, cluster, err
}

// difference lists what is out of sync.
func (c *comparison) difference(title string) difference {
	d := difference{title: title, problems: c.problems}
	for _, s := range c.standings {
		if s.item.Standing == plan.Missing || s.item.Standing == plan.Differs {
			d.findings = append(d.findings, finding{Change: s.change, old: s.live, new: s.item.Object})
		}
	}
	for i, left := range c.leftovers {
		if c.decl.IgnoresExtra(c.removed[i]) {
			continue
		}
		change := diff.Change{Key: left.Entry.Key, Kind: diff.Prune, Reason: "no longer declared"}
		if left.Held != "" {
			change.Reason += ", kept: " + left.Held
		}
		d.findings = append(d.findings, finding{Change: change, old: c.removed[i]})
	}
	sortFindings(d.findings)
	return d
}

package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// planFlags tune the plan command.
type planFlags struct {
	source sourceFlags
	live   string
	prune  bool
}

func (c *command) planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan -f APP --repo DIR [--live DIR]",
		Short: "Print the steps that a sync would take, in order",
		Long: "plan prints what syncing an application would do: wave by wave, with the reason for each step.\n\n" +
			"With --live it compares with a folder of live objects, as from \"kubectl get -o yaml --show-managed-fields\", and needs no cluster;\n" +
			"without, with the cluster. Objects without managed fields are taken to belong to nobody, so they are adopted.\n\n" +
			"With -o json or -o yaml one application gives its plan; several give a list with the name of each.\n\n" +
			"Exit codes: 0 nothing to do, 1 there are steps, 2 could not tell.",
		Example: "  plumb plan -f application.yaml --repo . --live live/",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.plan(cmd.Context(), f)
		},
	}
	f.source.add(cmd)
	cmd.Flags().StringVar(&f.live, "live", "", "folder of live objects to compare with instead of the cluster")
	cmd.Flags().BoolVar(&f.prune, "prune", false, "plan as if pruning was permitted")
	return cmd
}

// planned is one application's plan as it is printed.
type planned struct {
	Application string    `json:"application"`
	Plan        plan.Plan `json:"plan"`
}

func (c *command) plan(ctx context.Context, f planFlags) error {
	format, err := c.format(formatText, formatJSON, formatYAML)
	if err != nil {
		return err
	}
	if len(f.source.files) == 0 {
		return errors.New("plan: no application: give a file that declares it with -f")
	}
	compared, err := c.compareAll(ctx, f.source, f.live)
	if err != nil {
		return err
	}
	var plans []planned
	var failures []error
	for _, one := range compared {
		p, err := one.plan(f.prune)
		if err != nil {
			return err
		}
		if p.Waves == nil {
			p.Waves = []plan.Wave{}
		}
		plans = append(plans, planned{Application: one.decl.App.ID.String(), Plan: p})
		failures = append(failures, one.err())
	}
	if err := c.printPlans(format, plans); err != nil {
		return err
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for _, p := range plans {
		if !p.Plan.Idle() {
			return errDifferences
		}
	}
	return nil
}

// compareAll renders applications and compares them with a folder or the cluster.
func (c *command) compareAll(ctx context.Context, f sourceFlags, liveDir string) ([]*comparison, error) {
	w, units, err := c.units(f, nil)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	tree, err := w.tree(f.revision)
	if err != nil {
		return nil, err
	}
	var live Live
	var seen view
	if liveDir != "" {
		objects, err := readFolder(liveDir)
		if err != nil {
			return nil, err
		}
		if seen, err = newFolder(objects); err != nil {
			return nil, err
		}
	} else {
		cluster, err := c.Connect(ctx, c.cluster)
		if err != nil {
			return nil, err
		}
		if err := c.completeStates(ctx, cluster, units, f.marks); err != nil {
			return nil, err
		}
		live, seen = cluster, clusterView{cluster}
	}
	var out []*comparison
	for _, u := range units {
		items, err := c.renderUnit(ctx, u, tree, live)
		if err != nil {
			return nil, err
		}
		one, err := compare(ctx, u, items, seen)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// completeStates reads what the cluster remembers of applications that come from files.
func (c *command) completeStates(ctx context.Context, cluster Cluster, units []unit, marks Marks) error {
	dialects, err := c.Dialects(marks)
	if err != nil {
		return err
	}
	for _, u := range units {
		id := u.decl.App.ID
		for _, d := range dialects {
			if d.Kind().Kind != id.Kind {
				continue
			}
			obj, err := cluster.Get(ctx, d.Kind(), id.Namespace, id.Name)
			if errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoKind) {
				continue
			}
			if err != nil {
				return err
			}
			if known, err := d.Declare(obj, nil); err == nil {
				inventoryOf(u.decl, known.App.State)
			}
		}
	}
	return nil
}

func (c *command) printPlans(format string, plans []planned) error {
	switch {
	case format != formatText && len(plans) == 1:
		return writeValue(c.Out, format, plans[0].Plan)
	case format != formatText:
		return writeValue(c.Out, format, plans)
	}
	out := c.out()
	for _, p := range plans {
		var t term.Table
		steps := 0
		for _, w := range p.Plan.Waves {
			for _, key := range w.After {
				t.Add(waveCell(w), term.Cell{Text: "wait", Style: term.Yellow}, term.Cell{Text: kindText(key)}, term.Cell{Text: nameText(key)}, term.Cell{Text: "has to become healthy first"})
			}
			for _, key := range w.Broken {
				t.Add(waveCell(w), term.Cell{Text: "stop", Style: term.Red}, term.Cell{Text: kindText(key)}, term.Cell{Text: nameText(key)}, term.Cell{Text: "is degraded: what follows is not begun"})
			}
			for _, s := range w.Steps {
				steps++
				t.Add(waveCell(w), term.Cell{Text: string(s.Action), Style: actionStyle(s.Action)},
					term.Cell{Text: kindText(s.Key)}, term.Cell{Text: nameText(s.Key)}, term.Cell{Text: s.Reason})
			}
		}
		if steps == 0 {
			c.say("%s: nothing to do", p.Application)
			continue
		}
		if len(plans) > 1 {
			if _, err := out.Write([]byte(out.Paint(term.Bold, p.Application) + "\n")); err != nil {
				return err
			}
		}
		if err := t.Write(out); err != nil {
			return err
		}
	}
	return nil
}

func waveCell(w plan.Wave) term.Cell {
	text := strconv.Itoa(w.Number)
	if w.Phase != app.InSync {
		text = w.Phase.String() + " " + text
	}
	return term.Cell{Text: text}
}

func actionStyle(a plan.Action) term.Style {
	switch a {
	case plan.Create:
		return term.Green
	case plan.Prune, plan.Clear:
		return term.Red
	case plan.Patch, plan.Adopt, plan.Replace:
		return term.Yellow
	case plan.Keep:
	}
	return term.Plain
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// getFlags tune the get command.
type getFlags struct {
	all   bool
	watch bool
}

func (c *command) getCommand() *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get [[KIND/][NAMESPACE/]NAME] | get --all",
		Short: "Show applications and how they stand",
		Long: "get shows applications as the server reported them last: whether they match their source, how they are doing,\n" +
			"and what keeps them from either.\n\n" +
			"Without a name it shows all of them, or those of --namespace. KIND is app or ks.\n\n" +
			"-o wide adds repository, path and destination; -o json and -o yaml print one value for a name and a list otherwise.\n\n" +
			"Exit codes: 0 shown, 2 could not be read.",
		Example: "  plumb get\n  plumb get shop/api -o wide\n  plumb get -w",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.get(cmd.Context(), f, args)
		},
	}
	cmd.Flags().BoolVarP(&f.all, "all", "A", false, "all applications, of all namespaces")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "go on and print every change")
	return cmd
}

func (c *command) get(ctx context.Context, f getFlags, args []string) error {
	format, err := c.format(formatText, formatWide, formatJSON, formatYAML)
	if err != nil {
		return err
	}
	if f.all && len(args) > 0 {
		return fmt.Errorf("%q and --all: give one of them", args[0])
	}
	if f.watch && format != formatText && format != formatWide {
		return fmt.Errorf("--watch and --output %q: changes are printed as lines only", format)
	}
	cluster, err := c.Connect(ctx, c.cluster)
	if err != nil {
		return err
	}
	dialects, err := c.Dialects(defaultMarks)
	if err != nil {
		return err
	}
	namespace := c.namespace
	if f.all {
		namespace = ""
	}
	var all []found
	if len(args) > 0 {
		dialect, obj, err := c.find(ctx, cluster, args[0], defaultMarks)
		if err != nil {
			return err
		}
		all = []found{{dialect, obj}}
	} else if all, err = list(ctx, cluster, dialects, namespace); err != nil {
		return err
	}
	if f.watch {
		return c.follow(ctx, cluster, all, watched{dialects: dialects, format: format, namespace: namespace, single: len(args) > 0})
	}
	return c.printSummaries(format, summaries(all), len(args) > 0)
}

func summaries(all []found) []Summary {
	out := make([]Summary, len(all))
	for i, f := range all {
		out[i] = f.dialect.Summary(f.object)
	}
	return out
}

func (c *command) printSummaries(format string, all []Summary, single bool) error {
	switch {
	case (format == formatJSON || format == formatYAML) && single:
		return writeValue(c.Out, format, all[0])
	case format == formatJSON || format == formatYAML:
		return writeValue(c.Out, format, all)
	case len(all) == 0:
		c.say("no applications")
		return nil
	}
	var t term.Table
	t.Add(term.Text(headings(format)...)...)
	for _, s := range all {
		t.Add(cells(format, s)...)
	}
	return t.Write(c.out())
}

func headings(format string) []string {
	head := []string{"KIND", "NAME", "FROM", "SYNC", "HEALTH", "REVISION"}
	if format == formatWide {
		head = append(head, "REPOSITORY", "PATH", "DESTINATION")
	}
	return append(head, "MESSAGE")
}

func cells(format string, s Summary) []term.Cell {
	row := []term.Cell{
		{Text: s.Kind}, {Text: s.Namespace + "/" + s.Name}, {Text: s.From},
		{Text: s.Sync, Style: syncStyle(s.Sync)}, {Text: string(s.Health), Style: healthStyle(s.Health)},
		{Text: shortRevision(s.Revision)},
	}
	if format == formatWide {
		row = append(row, term.Text(s.Repository, s.Path, s.Destination)...)
	}
	return append(row, term.Cell{Text: s.Message})
}

func syncStyle(sync string) term.Style {
	if sync == "Synced" {
		return term.Green
	}
	return term.Yellow
}

// shortRevision abbreviates the commit id at the end of a revision.
func shortRevision(text string) string {
	if parts := strings.Split(text, ","); len(parts) > 1 { // of several sources
		for i, part := range parts {
			parts[i] = shortRevision(part)
		}
		return strings.Join(parts, ",")
	}
	cut := strings.LastIndexAny(text, ":@/") + 1
	if id := text[cut:]; len(id) == 40 {
		return strings.TrimSuffix(text[:cut], "sha1:") + id[:7]
	}
	return text
}

// watched says what to follow and how to print it.
type watched struct {
	dialects          []Dialect
	format, namespace string
	single            bool
}

// follow prints the applications as they are and every line that changes.
func (c *command) follow(ctx context.Context, cluster Objects, start []found, w watched) error {
	var mu sync.Mutex
	last := map[string]string{}
	out := c.out()
	print := func(d Dialect, e Event) {
		mu.Lock()
		defer mu.Unlock()
		s := d.Summary(e.Object)
		if e.Gone {
			s.Sync, s.Health, s.Message = "", "", "deleted"
		}
		var t term.Table
		t.Add(cells(w.format, s)...)
		key := found{d, e.Object}.String()
		line := fmt.Sprint(s.Sync, s.Health, s.Revision, s.Message)
		if last[key] != line {
			last[key] = line
			if err := t.Write(out); err != nil {
				return
			}
		}
	}
	dialects, where := w.dialects, Where{Namespace: w.namespace}
	if w.single {
		dialects = []Dialect{start[0].dialect}
		where = Where{Namespace: start[0].object.GetNamespace(), Name: start[0].object.GetName()}
	}
	errs := make([]error, len(dialects))
	var wait sync.WaitGroup
	asked := ctx
	ctx, cancel := context.WithCancel(asked)
	defer cancel()
	for i, d := range dialects {
		wait.Go(func() {
			err := cluster.Watch(ctx, d.Kind(), where, func(e Event) bool { print(d, e); return true })
			if err != nil && !errors.Is(err, ErrNoKind) {
				errs[i] = err
				cancel()
			}
		})
	}
	wait.Wait()
	if asked.Err() != nil {
		return nil // to be interrupted is how a watch ends
	}
	return firstReal(errs)
}

// firstReal prefers an error that is not the echo of another one.
func firstReal(errs []error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil && !errors.Is(err, context.Canceled) })
	if i < 0 {
		return errors.Join(errs...)
	}
	return errs[i]
}

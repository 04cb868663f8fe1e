package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// syncFlags tune the sync command.
type syncFlags struct {
	want      SyncOptions
	resources []string
	refresh   bool
	wait      bool
	async     bool
	timeout   time.Duration
}

func (c *command) syncCommand() *cobra.Command {
	var f syncFlags
	cmd := &cobra.Command{
		Use:   "sync [KIND/][NAMESPACE/]NAME",
		Short: "Ask the server to sync an application, and wait for the result",
		Long: "sync writes a request into the application's object. The server answers it there; sync waits for the answer\n" +
			"and prints what was done to each object.\n\n" +
			"A Kustomization can only be asked to be reconciled as it is declared: --prune, --dry-run, --revision and --resource are refused.\n\n" +
			"Exit codes: 0 done, 1 the sync failed, 2 it could not be asked for or did not end in time.",
		Example: "  plumb sync shop/api\n  plumb sync shop/api --prune --resource apps:Deployment:api\n  plumb sync ks/flux-system/apps --with-source",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.sync(cmd.Context(), f, args[0])
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.want.Prune, "prune", false, "delete what is no longer declared")
	flags.BoolVar(&f.want.DryRun, "dry-run", false, "let the API server validate everything and change nothing")
	flags.StringVar(&f.want.Revision, "revision", "", "commit to sync to; by default the newest of the target revision")
	flags.StringArrayVar(&f.resources, "resource", nil, "sync only this object, as GROUP:KIND:[NAMESPACE/]NAME; may be repeated")
	flags.BoolVar(&f.want.WithSource, "with-source", false, "let the source of a Kustomization be fetched first")
	flags.BoolVar(&f.refresh, "refresh", false, "only ask for a new look at the source; sync nothing")
	f.addWait(cmd)
	return cmd
}

func (f *syncFlags) addWait(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.wait, "wait", true, "wait for the result")
	flags.BoolVar(&f.async, "async", false, "do not wait for the result; the same as --wait=false")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Minute, "longest wait; 0 waits without end")
	cmd.MarkFlagsMutuallyExclusive("wait", "async")
}

func (c *command) sync(ctx context.Context, f syncFlags, text string) error {
	if _, err := c.format(formatText); err != nil {
		return err
	}
	var err error
	if f.want.Only, err = selectors(f.resources); err != nil {
		return err
	}
	f.want.User = c.Getenv("USER")
	cluster, err := c.Connect(ctx, c.cluster)
	if err != nil {
		return err
	}
	dialect, obj, err := c.find(ctx, cluster, text, defaultMarks)
	if err != nil {
		return err
	}
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("no result after %s: look with %q, or give a longer --timeout", f.timeout, "plumb get "+text))
		defer cancel()
	}
	req, obj, err := c.ask(ctx, cluster, dialect, obj, f)
	if err != nil {
		return timeoutCause(ctx, err)
	}
	id := found{dialect, obj}.String()
	if f.async || !f.wait {
		c.say("%s: asked; see %q", id, "plumb get "+id)
		return nil
	}
	return timeoutCause(ctx, c.await(ctx, cluster, dialect, obj, req))
}

func timeoutCause(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// selectors reads GROUP:KIND:[NAMESPACE/]NAME.
func selectors(texts []string) ([]app.Selector, error) {
	var out []app.Selector
	for _, text := range texts {
		parts := strings.Split(text, ":")
		if len(parts) < 3 || parts[1] == "" {
			return nil, fmt.Errorf("--resource %q: want GROUP:KIND:NAME, such as apps:Deployment:api or :Service:shop/api", text)
		}
		s := app.Selector{Group: parts[0], Kind: parts[1], Name: strings.Join(parts[2:], ":")}
		if ns, name, ok := strings.Cut(s.Name, "/"); ok {
			s.Namespace, s.Name = ns, name
		}
		if s.Name == "" {
			return nil, fmt.Errorf("--resource %q: names no object", text)
		}
		out = append(out, s)
	}
	return out, nil
}

// askTries bounds how often a request is written again because the object
// changed at the same time.
const askTries = 5

// ask writes the request. An object that changes meanwhile is read again, since
// the request may no longer be possible.
func (c *command) ask(ctx context.Context, cluster Objects, d Dialect, obj *unstructured.Unstructured, f syncFlags) (Request, *unstructured.Unstructured, error) {
	for try := 1; ; try++ {
		req, err := d.Sync(obj, f.want, c.Now())
		if f.refresh {
			req, err = d.Refresh(obj, c.Now())
		}
		if err != nil {
			return req, obj, fmt.Errorf("%s: %w", found{d, obj}, err)
		}
		if src := req.Source; src != nil {
			if err := c.askSource(ctx, cluster, *src); err != nil {
				return req, obj, err
			}
		}
		next, err := cluster.Patch(ctx, obj, req.Patch)
		if err == nil {
			return req, next, nil
		}
		if !errors.Is(err, ErrConflict) || try == askTries {
			return req, obj, err
		}
		if obj, err = cluster.Get(ctx, d.Kind(), obj.GetNamespace(), obj.GetName()); err != nil {
			return req, obj, err
		}
	}
}

func (c *command) askSource(ctx context.Context, cluster Objects, src SourceRequest) error {
	obj, err := cluster.Get(ctx, src.Kind, src.Namespace, src.Name)
	if err != nil {
		return fmt.Errorf("source: %s %s/%s: %w", src.Kind.Kind, src.Namespace, src.Name, err)
	}
	obj.SetResourceVersion("")
	_, err = cluster.Patch(ctx, obj, src.Patch)
	return err
}

// await prints progress until the request is answered.
func (c *command) await(ctx context.Context, cluster Objects, d Dialect, obj *unstructured.Unstructured, req Request) error {
	var answer Answer
	gone := false
	shown := ""
	where := Where{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	err := cluster.Watch(ctx, d.Kind(), where, func(e Event) bool {
		if gone = e.Gone; gone {
			return false
		}
		answer = req.Answer(e.Object)
		if line := strings.TrimSpace(answer.Phase + "  " + answer.Message); line != "" && line != shown {
			shown = line
			c.say("%s", line)
		}
		return !answer.Done
	})
	switch {
	case err != nil:
		return err
	case gone:
		return fmt.Errorf("%s: was deleted while it was synced", found{d, obj})
	case !answer.Done:
		return fmt.Errorf("%s: the watch ended without a result", found{d, obj})
	}
	if err := c.printResults(answer); err != nil {
		return err
	}
	if !answer.OK {
		return errDifferences
	}
	return nil
}

func (c *command) printResults(a Answer) error {
	var t term.Table
	for _, r := range a.Results {
		status := term.Cell{Text: string(r.Status), Style: resultStyle(r.Status)}
		text := r.Message
		if r.Hook {
			status.Text, text = string(r.Ended), strings.TrimSpace(r.Phase.String()+" hook "+r.Message)
			if r.Ended == app.Failed {
				status.Style = term.Red
			}
		}
		t.Add(status, term.Cell{Text: kindText(r.Key)}, term.Cell{Text: nameText(r.Key)}, term.Cell{Text: text})
	}
	return t.Write(c.out())
}

func resultStyle(s app.ResultStatus) term.Style {
	switch s {
	case app.ResultSynced:
		return term.Green
	case app.ResultFailed:
		return term.Red
	case app.ResultPruned, app.ResultPruneHeld, app.ResultUnattempted:
	}
	return term.Yellow
}

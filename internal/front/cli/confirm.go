package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func (c *command) confirmCommand() *cobra.Command {
	var revision string
	cmd := &cobra.Command{
		Use:   "confirm [KIND/][NAMESPACE/]NAME --revision COMMIT",
		Short: "Let the server delete what it holds back at a revision",
		Long: "confirm shows which deletions the server holds back, and why. With --revision it lets those of that very commit go:\n" +
			"it writes the annotation " + app.ConfirmAnnotation + " on the application's object. Another commit is not meant by it;\n" +
			"when one has come meanwhile, confirm refuses.\n\n" +
			"Exit codes: 0 nothing is held, or it was confirmed, 1 something is held and no revision was given, 2 could not tell.",
		Example: "  plumb confirm shop/api\n  plumb confirm shop/api --revision 4f1c2ab",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.confirm(cmd.Context(), args[0], revision)
		},
	}
	cmd.Flags().StringVar(&revision, "revision", "", "commit whose deletions may go on, in full or at least seven digits")
	return cmd
}

func (c *command) confirm(ctx context.Context, text, revision string) error {
	if _, err := c.format(formatText); err != nil {
		return err
	}
	cluster, err := c.Connect(ctx, c.cluster)
	if err != nil {
		return err
	}
	dialect, obj, err := c.find(ctx, cluster, text, defaultMarks)
	if err != nil {
		return err
	}
	id := found{dialect, obj}.String()
	held, err := dialect.Held(obj)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", id, err)
	case len(held.Messages) == 0 && revision == "":
		c.say("%s: no deletion is held", id)
		return nil
	case len(held.Messages) == 0:
		return fmt.Errorf("%s: no deletion is held: there is nothing to confirm", id)
	}
	if _, err := fmt.Fprintln(c.Out, strings.Join(held.Messages, "\n")); err != nil {
		return err
	}
	if revision == "" {
		return errDifferences
	}
	for try := 1; ; try++ {
		if err := c.confirmHeld(ctx, cluster, obj, held, revision); err == nil {
			break
		} else if !errors.Is(err, ErrConflict) || try == askTries {
			return fmt.Errorf("%s: %w", id, err)
		}
		if obj, err = cluster.Get(ctx, dialect.Kind(), obj.GetNamespace(), obj.GetName()); err != nil {
			return err
		}
		if held, err = dialect.Held(obj); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	c.say("%s: confirmed for %s", id, held.Revision)
	if !held.Automatic {
		c.say("it is not synced automatically: the objects go with the next %q", "plumb sync "+id+" --prune")
	}
	return nil
}

// confirmHeld writes the confirmation, if the commit is still the one that is meant.
func (c *command) confirmHeld(ctx context.Context, cluster Objects, obj *unstructured.Unstructured, held Held, revision string) error {
	if !gate.Confirms(revision, source.Revision{ID: held.Revision}) {
		return fmt.Errorf("--revision %q is not the commit whose deletions are held, which is %s: look at what it deletes first", revision, held.Revision)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": obj.GetResourceVersion(),
		"annotations":     map[string]string{app.ConfirmAnnotation: held.Revision},
	}})
	if err != nil {
		return err
	}
	_, err = cluster.Patch(ctx, obj, patch)
	return err
}

package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/front/term"
)

func (c *command) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history [KIND/][NAMESPACE/]NAME",
		Short: "List what was delivered, the newest first",
		Long: "history lists the complete syncs that the server keeps of an application, with the number by which\n" +
			"plumb rollback calls them.\n\n" +
			"Output formats: text, json, yaml.",
		Example: "  plumb history shop/api",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.history(cmd.Context(), args[0])
		},
	}
}

func (c *command) history(ctx context.Context, text string) error {
	format, err := c.format(formatText, formatJSON, formatYAML)
	if err != nil {
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
	list, err := dialect.History(obj)
	if err != nil {
		return fmt.Errorf("%s: %w", found{dialect, obj}, err)
	}
	slices.Reverse(list)
	if format != formatText {
		return writeValue(c.Out, format, list)
	}
	var t term.Table
	t.Add(term.Text("ID", "DELIVERED", "REVISION", "BY", "FROM")...)
	for _, d := range list {
		t.Add(term.Text(strconv.FormatInt(d.ID, 10), d.At.UTC().Format(time.RFC3339), shortRevision(d.Revision), d.By, strings.Join(d.From, ", "))...)
	}
	return t.Write(c.out())
}

func (c *command) rollbackCommand() *cobra.Command {
	f := syncFlags{}
	cmd := &cobra.Command{
		Use:   "rollback [KIND/][NAMESPACE/]NAME [ID]",
		Short: "Ask the server to deliver again what it delivered before",
		Long: "rollback asks for a sync with the source and the revision of an earlier one, by its number in plumb history;\n" +
			"without a number, of the one before the last. The application is OutOfSync afterwards, since that is not what\n" +
			"Git says. One that is synced automatically is refused: it would go forward again at once.\n\n" +
			"Exit codes: 0 done, 1 the sync failed, 2 it could not be asked for or did not end in time.",
		Example: "  plumb rollback shop/api\n  plumb rollback shop/api 7 --prune",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.want.Back = new(int64)
			*f.want.Back = -1
			if len(args) == 2 {
				id, err := strconv.ParseInt(args[1], 10, 64)
				if err != nil || id < 0 {
					return fmt.Errorf("%q: is no number out of %q", args[1], "plumb history "+args[0])
				}
				*f.want.Back = id
			}
			return c.sync(cmd.Context(), f, args[0])
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.want.Prune, "prune", false, "delete what was not declared then")
	flags.BoolVar(&f.want.DryRun, "dry-run", false, "let the API server validate everything and change nothing")
	f.addWait(cmd)
	return cmd
}

// Deployment is one complete sync that is remembered.
type Deployment struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"`
	Revision string    `json:"revision"` // see source.Join
	By       string    `json:"by,omitempty"`
	From     []string  `json:"from"` // repositories and paths
}

// DeploymentFrom is how a repository and a path in it are written in a Deployment.
func DeploymentFrom(url, path string) string {
	if path == "" {
		return source.Redact(url)
	}
	return source.Redact(url) + "//" + path
}

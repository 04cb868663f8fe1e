// Package cli is the plumb command line.
//
// In go arguments, files, a local repository and, for some commands, a cluster;
// out come manifests, differences, plans and verdicts on the standard output,
// narration on the standard error, and an exit code: 0 nothing to do or done,
// 1 differences or findings, 2 could not tell. What it shows is decided by the
// same code as the server's. It writes to a cluster only what sync and
// confirm are asked for: a request in the user's own object.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// The exit codes of every command.
const (
	ExitOK          = 0 // nothing to do, or done
	ExitDifferences = 1 // differences or findings
	ExitUnknown     = 2 // could not tell
)

// errDifferences ends a command that found something; it is not printed.
var errDifferences = errors.New("differences")

// command is what all commands share.
type command struct {
	Ports
	cluster   ClusterFlags
	namespace string
	output    string
	noColour  bool
}

// Run executes one command line and returns its exit code.
func Run(ctx context.Context, ports Ports, args []string) int {
	root := New(ports)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errDifferences):
		return ExitDifferences
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(ports.Err, "plumb: interrupted")
		return ExitUnknown
	}
	fmt.Fprintln(ports.Err, "plumb: "+readable(err))
	return ExitUnknown
}

// readable keeps the lines of joined errors apart and everything else from
// steering the terminal.
func readable(err error) string {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line = strings.TrimSpace(term.Safe(line)); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\nplumb: ")
}

// New returns the root command.
func New(ports Ports) *cobra.Command {
	c := &command{Ports: ports}
	root := &cobra.Command{
		Use:   "plumb",
		Short: "Show and steer what is applied to a cluster from Git",
		Long: "plumb shows what a GitOps application renders to, how that differs from another revision or from the cluster,\n" +
			"and what applying it would do; and it asks the server for a sync.\n\n" +
			"render, health, plan --live and diff --against work without a cluster.\n\n" +
			"Exit codes: 0 nothing to do or done, 1 differences or findings, 2 could not tell.",
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
	}
	root.SetIn(ports.In)
	root.SetOut(ports.Out)
	root.SetErr(ports.Err)
	flags := root.PersistentFlags()
	flags.StringVar(&c.cluster.Kubeconfig, "kubeconfig", "", "kubeconfig file; by default $KUBECONFIG, then ~/.kube/config")
	flags.StringVar(&c.cluster.Context, "context", "", "context of the kubeconfig; by default its current one")
	flags.StringVarP(&c.namespace, "namespace", "n", "", "namespace of the application; by default any in which its name is found")
	flags.StringVarP(&c.output, "output", "o", "", "output format, see each command")
	flags.BoolVar(&c.noColour, "no-color", false, "never write colour; the same as setting NO_COLOR")
	root.AddCommand(c.renderCommand(), c.diffCommand(), c.planCommand(), c.healthCommand(),
		c.getCommand(), c.syncCommand(), c.historyCommand(), c.rollbackCommand(), c.confirmCommand(), c.actionCommand(), c.canCommand(), c.versionCommand(), referenceCommand(root))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")
	})
	return root
}

// out returns a printer for results.
func (c *command) out() *term.Printer { return c.printer(c.Out) }

func (c *command) printer(w io.Writer) *term.Printer {
	colour := term.Auto
	if c.noColour {
		colour = term.Never
	}
	return term.New(w, colour, c.Getenv)
}

// say narrates on the standard error.
func (c *command) say(format string, args ...any) {
	fmt.Fprintln(c.Err, term.Safe(fmt.Sprintf(format, args...)))
}

// format checks --output against the formats of a command; "" is the first of them.
func (c *command) format(allowed ...string) (string, error) {
	for _, f := range allowed {
		if c.output == f {
			return f, nil
		}
	}
	if c.output == "" {
		return allowed[0], nil
	}
	return "", fmt.Errorf("--output %q: is none of %s", c.output, strings.Join(allowed, ", "))
}

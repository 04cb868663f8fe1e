package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/internal/core/rbac"
)

func (c *command) canCommand() *cobra.Command {
	var groups []string
	var controlPlane string
	cmd := &cobra.Command{
		Use:   "can SUBJECT ACTION RESOURCE [OBJECT]",
		Short: "Tell whether the policies of the installation let somebody do something",
		Long: "can asks the policies in argocd-rbac-cm and the roles of AppProjects: whether a user, a group or a role may do\n" +
			"ACTION with OBJECT of RESOURCE, which is PROJECT/NAME for applications, and * if it is left out. It prints the\n" +
			"rule that decides. Lines that cannot be read are named; nothing is enforced by them yet.\n\n" +
			"Exit codes: 0 yes, 1 no, 2 could not tell.",
		Example: "  plumb can role:ops sync applications shop/api\n  plumb can ann delete applications shop/api --group my-org:leads\n  plumb can proj:shop:ci sync applications shop/api",
		Args:    cobra.RangeArgs(3, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := rbac.Question{Subjects: append([]string{args[0]}, groups...), Action: args[1], Resource: args[2], Object: "*"}
			if len(args) == 4 {
				q.Object = args[3]
			}
			return c.can(cmd.Context(), q, controlPlane)
		},
	}
	cmd.Flags().StringArrayVar(&groups, "group", nil, "group that the subject is in; may be repeated")
	cmd.Flags().StringVar(&controlPlane, "argocd-namespace", defaultMarks.ControlPlane, "namespace of argocd-rbac-cm and of AppProjects")
	return cmd
}

func (c *command) can(ctx context.Context, q rbac.Question, controlPlane string) error {
	if _, err := c.format(formatText); err != nil {
		return err
	}
	cluster, err := c.Connect(ctx, c.cluster)
	if err != nil {
		return err
	}
	policy, faults, err := c.Access(ctx, cluster, controlPlane)
	if err != nil {
		return err
	}
	if faults != nil {
		for line := range strings.SplitSeq(faults.Error(), "\n") {
			c.say("%s", line)
		}
	}
	v := policy.Ask(q)
	why := "no rule is about it"
	if v.Rule != (rbac.Rule{}) {
		why = v.Rule.String()
	}
	if v.Role != "" {
		why += ", by " + v.Role
	}
	answer := "no"
	if v.Allowed {
		answer = "yes"
	}
	if _, err := fmt.Fprintf(c.Out, "%s: %s\n", answer, why); err != nil {
		return err
	}
	if !v.Allowed {
		return errDifferences
	}
	return nil
}

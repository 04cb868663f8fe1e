package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// verdict is the health of one object as it is printed.
type verdict struct {
	Kind    string      `json:"kind"`
	Name    string      `json:"name"`
	Status  health.Code `json:"status"`
	Message string      `json:"message"`

	key object.Key
}

func (c *command) healthCommand() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "health -f FILE|-",
		Short: "Judge the health of objects from their content alone",
		Long: "health gives the verdict on every object in a file or on the standard input, YAML or JSON, lists included.\n" +
			"It needs no cluster. Kinds that have no health of their own count as Healthy.\n\n" +
			"With -o json or -o yaml one object gives one value with kind, name, status and message; several give a list of them.\n\n" +
			"Exit codes: 0 all Healthy, 1 something is not, 2 the input could not be read.",
		Example: "  kubectl get deployments -A -o yaml | plumb health -f -\n  plumb health -f deployment.yaml -o json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return c.health(files) },
	}
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "file with objects, - for the standard input; may be repeated")
	return cmd
}

func (c *command) health(files []string) error {
	format, err := c.format(formatText, formatJSON, formatYAML)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("health: no input: give a file with -f, or - for the standard input")
	}
	var verdicts []verdict
	for _, file := range files {
		objects, err := c.readObjects(file)
		if err != nil {
			return err
		}
		if len(objects) == 0 {
			return fmt.Errorf("%s: holds no object", file)
		}
		for _, obj := range objects {
			verdicts = append(verdicts, judge(obj))
		}
	}
	if err := c.printVerdicts(format, verdicts); err != nil {
		return err
	}
	for _, v := range verdicts {
		if v.Status != health.Healthy {
			return errDifferences
		}
	}
	return nil
}

func judge(obj *unstructured.Unstructured) verdict {
	key := object.KeyOf(obj)
	v := verdict{Kind: key.Kind, Name: key.Name, key: key}
	status, rated := health.Assess(obj)
	v.Status, v.Message = status.Code, status.Message
	if !rated {
		v.Status, v.Message = health.Healthy, "This kind has no health of its own"
	}
	return v
}

func (c *command) printVerdicts(format string, verdicts []verdict) error {
	switch {
	case format != formatText && len(verdicts) == 1:
		return writeValue(c.Out, format, verdicts[0])
	case format != formatText:
		return writeValue(c.Out, format, verdicts)
	}
	var t term.Table
	for _, v := range verdicts {
		t.Add(term.Cell{Text: string(v.Status), Style: healthStyle(v.Status)},
			term.Cell{Text: kindText(v.key)}, term.Cell{Text: nameText(v.key)}, term.Cell{Text: v.Message})
	}
	return t.Write(c.out())
}

func healthStyle(code health.Code) term.Style {
	switch code {
	case health.Healthy:
		return term.Green
	case health.Degraded:
		return term.Red
	case health.Progressing, health.Suspended, health.Missing, health.Unknown:
	}
	return term.Yellow
}

// kindText returns "apps/Deployment", "v1/Service".
func kindText(key object.Key) string {
	if key.Group == "" {
		return "v1/" + key.Kind
	}
	return key.Group + "/" + key.Kind
}

// nameText returns "shop/api", or the name alone for what is in no namespace.
func nameText(key object.Key) string {
	if key.Namespace == "" {
		return key.Name
	}
	return key.Namespace + "/" + key.Name
}

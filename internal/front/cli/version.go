package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	core "github.com/plumbline-dev/plumbline/internal/core/schema"
)

func (c *command) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			format, err := c.format(formatText, formatJSON, formatYAML)
			if err != nil {
				return err
			}
			info := struct {
				Version    string `json:"version"`
				Go         string `json:"go"`
				Platform   string `json:"platform"`
				Kubernetes string `json:"kubernetes"` // whose built-in kinds are known without a cluster
			}{c.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, core.BuiltinVersion()}
			if format != formatText {
				return writeValue(c.Out, format, info)
			}
			_, err = fmt.Fprintf(c.Out, "plumb %s (%s, %s, kinds of Kubernetes %s)\n", info.Version, info.Go, info.Platform, info.Kubernetes)
			return err
		},
	}
}

package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"teal/internal/manifest"
)

func (s *session) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of teal.yaml, for editors",
		Args:  arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			schema, err := manifest.Schema()
			if err != nil {
				return err
			}
			s.out.line("%s", strings.TrimRight(string(schema), "\n"))
			return nil
		},
	}
}

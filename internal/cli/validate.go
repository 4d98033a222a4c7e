package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teal/internal/artifact"
	"teal/internal/manifest"
)

// validated is what validate writes with --json.
type validated struct {
	Valid      bool     `json:"valid"`
	App        string   `json:"app"`
	Components []string `json:"components"`
	Routes     int      `json:"routes"`
}

func (s *session) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check DIR/teal.yaml and the code that it names, without a server",
		Args:  arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			m, bundles, err := readApp(folder(args), artifact.Limits{})
			if err != nil {
				return err
			}
			spec, _, err := m.Resolve(digests(bundles))
			if err != nil {
				return err
			}
			names := slices.Sorted(maps.Keys(spec.Components))
			s.show(validated{Valid: true, App: spec.App, Components: names, Routes: len(spec.Routes)}, func() {
				s.out.line("%s is valid: app %s with %s and %s", manifest.FileName, spec.App,
					count(len(names), "component")+" ("+strings.Join(names, ", ")+")", count(len(spec.Routes), "route"))
			})
			return nil
		},
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teal/internal/artifact"
	"teal/internal/describe"
	"teal/internal/manifest"
)

// validated is what validate writes with --json.
type validated struct {
	Valid      bool     `json:"valid"`
	App        string   `json:"app"`
	Components []string `json:"components"`
	Routes     int      `json:"routes"`
	Variables  []string `json:"variables,omitempty"` // that a deploy takes from its environment
	Missing    []string `json:"missing,omitempty"`   // of these, those that are not set here
}

func (s *session) validateCommand() *cobra.Command {
	var envFile string
	cmd := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check DIR/teal.yaml and its code, without a server",
		Args:  arguments(0, 1),
		RunE:  func(_ *cobra.Command, args []string) error { return s.validate(dirArg(args), envFile) },
	}
	cmd.Flags().StringVar(&envFile, "env-file", "", envFileUsage)
	return cmd
}

func (s *session) validate(dir, envFile string) error {
	vars, err := s.variables(envFile)
	if err != nil {
		return err
	}
	vars.MayMiss = true // what is missing here may be there where the app is deployed
	m, bundles, err := readApp(dir, artifact.Limits{}, vars)
	if err != nil {
		return err
	}
	spec, _, err := m.Resolve(digests(bundles))
	if err != nil {
		return err
	}
	out := validated{
		Valid: true, App: spec.App, Components: slices.Sorted(maps.Keys(spec.Components)), Routes: len(spec.Routes),
		Variables: m.Variables, Missing: m.Missing,
	}
	s.show(out, func() {
		s.out.line("%s is valid: app %s with %s and %s", manifest.FileName, spec.App,
			describe.Count(len(out.Components), "component")+" ("+strings.Join(out.Components, ", ")+")", describe.Count(len(spec.Routes), "route"))
		if len(out.Missing) > 0 {
			s.out.line("to deploy it, set %s, or name a file that has it with --env-file", strings.Join(out.Missing, ", "))
		}
	})
	return nil
}

package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

func (s *session) versionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "versions APP",
		Short: "List the versions of an app, newest first",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.versions(cmd.Context(), args[0])
		},
	}
}

func (s *session) versions(ctx context.Context, app string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	versions, err := c.Versions(ctx, app)
	if err != nil {
		return err
	}
	status, err := c.Status(ctx, app)
	if err != nil {
		return err
	}
	s.show(api.VersionList{Versions: versions}, func() {
		rows := [][]string{{"VERSION", "CREATED", "ALIASES", "STATE", "COMPONENTS"}}
		for i := len(versions) - 1; i >= 0; i-- {
			v := versions[i]
			components := strings.Join(slices.Sorted(maps.Keys(v.Spec.Components)), ", ")
			rows = append(rows, []string{teal.VersionName(v.Number), s.timestamp(v.CreatedAt), aliasesOf(status, v.Number), stateOf(status, v.Number), components})
		}
		s.out.table(rows)
	})
	return nil
}

// aliasesOf returns the aliases that point to a version.
func aliasesOf(status api.Status, version int) string {
	var names []string
	for _, name := range describe.AliasOrder(status.Aliases) {
		for _, target := range status.Aliases[name].Versions {
			if target.Version == teal.VersionRef(version) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

func stateOf(status api.Status, version int) string {
	for _, env := range status.Environments {
		if env.Version == version {
			return string(env.State)
		}
	}
	return "-"
}

package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

func (s *session) aliasCommand() *cobra.Command {
	return group("alias", "List and set aliases", s.aliasListCommand(), s.aliasSetCommand())
}

func (s *session) aliasListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list APP",
		Short: "List the aliases of an app and the versions they point to",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.aliasList(cmd.Context(), args[0])
		},
	}
}

func (s *session) aliasList(ctx context.Context, app string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	aliases, err := c.Aliases(ctx, app)
	if err != nil {
		return err
	}
	s.show(api.AliasList{Aliases: aliases}, func() {
		rows := [][]string{{"ALIAS", "POINTS TO", "REVISION", "SINCE", "BY"}}
		for _, name := range describe.AliasOrder(aliases) {
			a := aliases[name]
			rows = append(rows, []string{name, teal.FormatTargets(a.Versions), strconv.FormatUint(a.Revision, 10), s.timestamp(a.UpdatedAt), a.UpdatedBy})
		}
		s.out.table(rows)
	})
	return nil
}

func (s *session) aliasSetCommand() *cobra.Command {
	var revision uint64
	cmd := &cobra.Command{
		Use:     "set APP ALIAS VERSION[=WEIGHT] [VERSION=WEIGHT]",
		Short:   "Point an alias to a version, or to two with weights that add up to 100",
		Example: "  teal alias set shop live 1=90 2=10",
		Args:    arguments(3, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := teal.ParseTargets(args[2:])
			if err != nil {
				return err
			}
			body := api.AliasBody{Versions: targets, By: s.by()}
			if cmd.Flags().Changed("revision") {
				body.Revision = &revision
			}
			return s.aliasSet(cmd.Context(), args[0], args[1], body)
		},
	}
	cmd.Flags().Uint64Var(&revision, "revision", 0, "only if the alias still has this revision")
	return cmd
}

func (s *session) aliasSet(ctx context.Context, app, alias string, body api.AliasBody) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	view, err := c.SetAlias(ctx, app, alias, body)
	if err != nil {
		return interruptedRequest(err, "alias set", app)
	}
	s.show(view, func() { s.out.line("%s: %s points to %s", app, alias, teal.FormatTargets(view.Versions)) })
	return nil
}

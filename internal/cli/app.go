package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
)

func (s *session) appCommand() *cobra.Command {
	var yes, state bool
	cmd := &cobra.Command{
		Use:   "delete APP",
		Short: "Delete an app with everything that belongs to it",
		Long: "Deletes an app: its routes and aliases, what runs of it (which finishes its requests), its\n" +
			"versions, releases, logs and measurements, and the code that no other app uses. What its\n" +
			"components have stored (TEAL_STATE_DIR) stays, for a new app of that name or for you, unless\n" +
			"--with-state is given. The numbers of a new app of that name continue where this one ended.\n\n" +
			"Asks first, on a terminal; elsewhere --yes is needed. A release that runs must end first, for\n" +
			"instance by `teal abort`. When the command returns, the routes are free; the rest is removed in\n" +
			"the background, even when the server is killed in between.",
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.deleteApp(cmd.Context(), args[0], yes, state)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&state, "with-state", false, "delete what its components have stored (TEAL_STATE_DIR), too")
	return group("app", "Delete apps", cmd)
}

func (s *session) deleteApp(ctx context.Context, app string, yes, state bool) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if !yes {
		if err := s.confirmDeletion(ctx, c, app, state); err != nil {
			return err
		}
	}
	deleted, err := c.DeleteApp(ctx, app, api.DeleteApp{By: s.by(), WithState: state})
	if err != nil {
		return interruptedRequest(err, "deletion", app)
	}
	s.show(deleted, func() { s.tellDeleted(deleted) })
	return nil
}

func (s *session) tellDeleted(deleted api.DeletedApp) {
	if deleted.Already {
		s.out.line("%s: had been deleted already%s", deleted.App, also(deleted.RemovedState, "; what its components had stored is deleted now"))
	} else {
		s.out.line("%s: deleted; its routes are free, and what still runs of it finishes its requests", deleted.App)
	}
	if deleted.KeptState != "" {
		s.out.line("kept: what its components have stored, in %s on the server", deleted.KeptState)
	}
}

// confirmDeletion says what would be deleted and asks for the app's name.
func (s *session) confirmDeletion(ctx context.Context, c *client.Client, app string, state bool) error {
	status, err := c.Status(ctx, app)
	if teal.IsCode(err, teal.CodeUnknownApp) {
		return nil // the server knows whether it was deleted
	}
	if err != nil {
		return err
	}
	versions, err := c.Versions(ctx, app)
	if err != nil {
		return err
	}
	if !s.env.Asks || s.json {
		return teal.Errorf(teal.CodeInvalidInput, "this would delete %s (live: %s, %s, %s); say --yes to delete it",
			app, describe.Live(status), describe.Count(len(versions), "version"), describe.Count(len(liveRoutes(status, versions)), "route"))
	}
	s.out.line("This deletes %s:", app)
	s.out.table(deletionRows(status, versions))
	s.out.line("and its releases, logs, measurements, waiting events, and the code that no other app uses.")
	if state {
		s.out.line("What its components have stored (TEAL_STATE_DIR) is deleted, too.")
	} else {
		s.out.line("What its components have stored (TEAL_STATE_DIR) stays.")
	}
	s.out.write("Type its name to go on: ", false)
	answer, _ := bufio.NewReader(s.env.Stdin).ReadString('\n') // an end of the input is no name either
	if strings.TrimSpace(answer) != app {
		return teal.Errorf(teal.CodeInvalidInput, "not deleted: that is not its name")
	}
	return nil
}

func also(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

// maxRoutesShown is how many routes a deletion names.
const maxRoutesShown = 10

// deletionRows says what of an app has a name and goes with it.
func deletionRows(status api.Status, versions []api.VersionView) [][]string {
	routes := liveRoutes(status, versions)
	shown := strings.Join(routes[:min(len(routes), maxRoutesShown)], ", ")
	if more := len(routes) - maxRoutesShown; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	var aliases, numbers []string
	for _, name := range slices.Sorted(maps.Keys(status.Aliases)) {
		if name != teal.AliasPreview {
			aliases = append(aliases, name+" ("+teal.FormatTargets(status.Aliases[name].Versions)+")")
		}
	}
	for _, v := range versions {
		numbers = append(numbers, teal.VersionName(v.Number))
	}
	return [][]string{
		{"  routes", cmp.Or(shown, "none")},
		{"  aliases", cmp.Or(strings.Join(aliases, ", "), "none")},
		{"  versions", cmp.Or(strings.Join(numbers, ", "), "none")},
	}
}

// liveRoutes returns the routes of the versions that live points to, each once.
func liveRoutes(status api.Status, versions []api.VersionView) []string {
	var routes []string
	for _, v := range versions {
		if !slices.ContainsFunc(status.Aliases[teal.AliasLive].Versions, func(t teal.Target) bool { return t.Version == teal.VersionRef(v.Number) }) {
			continue
		}
		for _, route := range v.Spec.Routes {
			routes = append(routes, route.Host+route.Path)
		}
	}
	slices.Sort(routes)
	return slices.Compact(routes)
}

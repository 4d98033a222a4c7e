package cli

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
)

func (s *session) historyCommand() *cobra.Command {
	var export bool
	cmd := &cobra.Command{
		Use:   "history APP [ID]",
		Short: "All releases of an app, newest first",
		Long: "All releases of an app, newest first. With --export: what was measured of both versions\n" +
			"during the release ID, or during the newest one, as JSON Lines for `teal analyze`.",
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case export:
				return s.export(cmd.Context(), args[0], args[1:])
			case len(args) > 1:
				return usagef(cmd, "%q is for --export; `teal release show %s` shows one release", args[1], args[1])
			}
			return s.history(cmd.Context(), args[0])
		},
	}
	cmd.Flags().BoolVar(&export, "export", false, "write what was measured during a release as JSON Lines")
	return cmd
}

// export writes what was measured during one release of an app.
func (s *session) export(ctx context.Context, app string, ids []string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	id := ""
	if len(ids) > 0 {
		if id = ids[0]; teal.AppOfRelease(id) != app {
			return teal.Errorf(teal.CodeUnknownRelease, "%s has no release %q; `teal history %s` lists those that it has", app, id, app)
		}
	} else if id, err = newest(ctx, c, app); err != nil {
		return err
	}
	lines, err := c.Intervals(ctx, id)
	if err != nil {
		return err
	}
	_, err = io.Copy(s.out, lines)
	return errors.Join(err, lines.Close())
}

// newest returns the ID of an app's newest release.
func newest(ctx context.Context, c *client.Client, app string) (string, error) {
	releases, err := c.Releases(ctx, app)
	if err != nil {
		return "", err
	}
	if len(releases) == 0 {
		return "", teal.Errorf(teal.CodeUnknownRelease, "%s has never been released", app)
	}
	return releases[len(releases)-1].ID, nil
}

func (s *session) history(ctx context.Context, app string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	releases, err := c.Releases(ctx, app)
	if err != nil {
		return err
	}
	s.show(api.ReleaseList{Releases: releases}, func() {
		if len(releases) == 0 {
			s.out.line("%s has never been released", app)
			return
		}
		rows := [][]string{{"RELEASE", "FROM", "TO", "PHASE", "STARTED", "LIVE AFTER", "BY", "REASON"}}
		for i := len(releases) - 1; i >= 0; i-- {
			rows = append(rows, s.historyRow(releases[i]))
		}
		s.out.table(rows)
	})
	return nil
}

func (s *session) historyRow(r teal.Release) []string {
	from, after := "-", "-"
	if r.From != 0 {
		from = strconv.Itoa(r.From)
	}
	if r.ShiftedAt != nil {
		after = took(r.ShiftedAt.Sub(r.CreatedAt))
	}
	return []string{r.ID, from, strconv.Itoa(r.To), phaseWord(r), s.stamp(r.CreatedAt), after, r.CreatedBy, cause(r)}
}

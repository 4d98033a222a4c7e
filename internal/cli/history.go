package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/analysis"
	"teal/internal/api"
	"teal/internal/client"
)

func (s *session) historyCommand() *cobra.Command {
	var export bool
	cmd := &cobra.Command{
		Use:   "history APP [ID]",
		Short: "All releases of an app, newest first",
		Long: "All releases of an app, newest first. With --export: what was measured of both versions\n" +
			"during the release ID, or during the newest one, and what its judge began with, as JSON\n" +
			"Lines for `teal analyze`.",
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
	r, err := exported(ctx, c, app, ids)
	if err != nil {
		return err
	}
	lines, err := c.Intervals(ctx, r.ID)
	if err != nil {
		return err
	}
	return errors.Join(writeRecording(s.out, r, lines), lines.Close())
}

// writeRecording writes what was measured during a release. Recordings of earlier
// versions of Teal do not say what their judge began with; the record has part of
// it, the baseline.
func writeRecording(w io.Writer, r api.ReleaseView, lines io.Reader) error {
	in := bufio.NewReader(lines)
	first, err := in.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if r.Baseline != nil && !analysis.Whole(first) {
		if err := analysis.Write(w, teal.Interval{At: shifting(r), Live: *r.Baseline}); err != nil {
			return err
		}
	}
	_, err = io.Copy(w, io.MultiReader(bytes.NewReader(first), in))
	return err
}

// shifting returns when a release began to move traffic, or when it began.
func shifting(r api.ReleaseView) time.Time {
	for _, entry := range r.Phases {
		if entry.Phase == teal.PhaseShifting {
			return entry.At
		}
	}
	return r.CreatedAt
}

// exported returns the release of the app that is named, else the newest one.
func exported(ctx context.Context, c *client.Client, app string, ids []string) (api.ReleaseView, error) {
	if len(ids) > 0 {
		if teal.AppOfRelease(ids[0]) != app {
			return api.ReleaseView{}, teal.Errorf(teal.CodeUnknownRelease, "%s has no release %q; `teal history %s` lists those that it has", app, ids[0], app)
		}
		return c.Release(ctx, ids[0])
	}
	releases, err := c.Releases(ctx, app)
	if err != nil {
		return api.ReleaseView{}, err
	}
	if len(releases) == 0 {
		return api.ReleaseView{}, teal.Errorf(teal.CodeUnknownRelease, "%s has never been released", app)
	}
	return releases[len(releases)-1], nil
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

func (s *session) historyRow(r api.ReleaseView) []string {
	from, after := "-", "-"
	if r.From != 0 {
		from = strconv.Itoa(r.From)
	}
	if r.ShiftedAt != nil {
		after = took(r.ShiftedAt.Sub(r.CreatedAt))
	}
	return []string{r.ID, from, strconv.Itoa(r.To), phaseWord(r), s.stamp(r.CreatedAt), after, r.CreatedBy, cause(r)}
}

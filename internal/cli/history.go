package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
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
		Short: "List the releases of an app, newest first",
		Long: "Lists the releases of an app, newest first. With --export: writes what was measured of both\n" +
			"versions during the release ID, or during the newest one, and what its judge started with, as\n" +
			"JSON Lines for `teal analyze`.",
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case export:
				return s.export(cmd.Context(), args[0], args[1:])
			case len(args) > 1:
				return usagef(cmd, "%q needs --export; `teal release show %s` shows one release", args[1], args[1])
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
	r, err := exportedRelease(ctx, c, app, ids)
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
		if err := analysis.Write(w, teal.Interval{At: shiftingSince(r), Live: *r.Baseline}); err != nil {
			return err
		}
	}
	_, err = io.Copy(w, io.MultiReader(bytes.NewReader(first), in))
	return err
}

// shiftingSince returns when a release began to move traffic, or when it began.
func shiftingSince(r api.ReleaseView) time.Time {
	for _, entry := range r.Phases {
		if entry.Phase == teal.PhaseShifting {
			return entry.At
		}
	}
	return r.CreatedAt
}

// exportedRelease returns the release of the app that is named, else the newest one.
func exportedRelease(ctx context.Context, c *client.Client, app string, ids []string) (api.ReleaseView, error) {
	if len(ids) > 0 {
		if teal.AppOfRelease(ids[0]) != app {
			return api.ReleaseView{}, teal.Errorf(teal.CodeUnknownRelease, "%s has no release %q; `teal history %s` lists them", app, ids[0], app)
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
	status, err := c.Status(ctx, app)
	if err != nil {
		return err
	}
	s.show(history{Releases: releases, Orders: status.Orders}, func() {
		if len(releases)+len(status.Orders) == 0 {
			s.out.line("%s has never been released", app)
			return
		}
		rows := [][]string{{"RELEASE", "FROM", "TO", "PHASE", "STARTED", "LIVE AFTER", "BY", "REASON"}}
		s.out.table(append(rows, s.historyRows(releases, status.Orders)...))
	})
	return nil
}

// history is what `teal history --json` writes.
type history struct {
	Releases []api.ReleaseView `json:"releases"`
	Orders   []teal.AppOrder   `json:"app_orders,omitempty"`
}

// historyRows returns releases and orders for the app, both oldest first, as rows,
// newest first.
func (s *session) historyRows(releases []api.ReleaseView, orders []teal.AppOrder) [][]string {
	var rows [][]string
	for len(releases)+len(orders) > 0 {
		r, o := len(releases)-1, len(orders)-1
		if o >= 0 && (r < 0 || orders[o].At.After(releases[r].CreatedAt)) {
			rows = append(rows, []string{"-", "-", "-", s.appOrderText(orders[o]), s.timestamp(orders[o].At), "-", orders[o].By, orders[o].Why})
			orders = orders[:o]
			continue
		}
		rows = append(rows, s.historyRow(releases[r]))
		releases = releases[:r]
	}
	return rows
}

func (s *session) historyRow(r api.ReleaseView) []string {
	from, after := "-", "-"
	if r.From != 0 {
		from = teal.VersionName(r.From)
	}
	if r.ShiftedAt != nil {
		after = durationText(r.ShiftedAt.Sub(r.CreatedAt))
	}
	return []string{r.ID, from, teal.VersionName(r.To), phaseWord(r), s.timestamp(r.CreatedAt), after, r.CreatedBy, reasonText(r)}
}

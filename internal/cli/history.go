package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/analysis"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
)

func (s *session) historyCommand() *cobra.Command {
	var export bool
	cmd := &cobra.Command{
		Use:   "history APP [ID]",
		Short: "List the releases of an app, newest first",
		Long: "Lists the releases of an app, newest first, and between them what people did without one: who\n" +
			"moved an alias (`teal alias set`, AWS's tools), stopped, started, froze or unfroze the app. With\n" +
			"--export: writes what was measured of both versions during the release ID, or during the newest\n" +
			"one, and what its judge started with, as JSON Lines for `teal analyze`.",
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
	changes, err := c.AliasChanges(ctx, app)
	if err != nil {
		return err
	}
	all := history{Releases: releases, Orders: status.Orders, Changes: changes}
	s.show(all, func() {
		rows := s.historyRows(all)
		if len(rows) == 0 {
			s.out.line("%s has never been released", app)
			return
		}
		s.out.table(slices.Insert(rows, 0, []string{"RELEASE", "FROM", "TO", "PHASE", "STARTED", "LIVE AFTER", "BY", "REASON"}))
	})
	return nil
}

// history is what `teal history --json` writes.
type history struct {
	Releases []api.ReleaseView  `json:"releases"`
	Orders   []teal.AppOrder    `json:"app_orders,omitempty"`
	Changes  []teal.AliasChange `json:"alias_changes,omitempty"`
}

// historyRows returns everything as rows, newest first.
func (s *session) historyRows(all history) [][]string {
	type entry struct {
		at  time.Time
		row []string
	}
	var entries []entry
	for _, r := range all.Releases {
		entries = append(entries, entry{r.CreatedAt, s.historyRow(r)})
	}
	for _, o := range all.Orders {
		entries = append(entries, entry{o.At, []string{"-", "-", "-", s.appOrderText(o), s.timestamp(o.At), "-", o.By, o.Why}})
	}
	for _, c := range all.Changes {
		entries = append(entries, entry{c.At, []string{"-", shownTargets(c.From), shownTargets(c.To), aliasChangeText(c), s.timestamp(c.At), "-", c.By, ""}})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.at.Compare(b.at) })
	slices.Reverse(entries)
	rows := make([][]string, len(entries))
	for i, e := range entries {
		rows[i] = e.row
	}
	return rows
}

// aliasChangeText says what somebody did with an alias.
func aliasChangeText(c teal.AliasChange) string {
	what := "moved"
	switch {
	case len(c.To) == 0:
		what = "deleted"
	case len(c.From) == 0:
		what = "created"
	}
	return "alias " + c.Alias + " " + what
}

func shownTargets(targets []teal.Target) string {
	if len(targets) == 0 {
		return "-"
	}
	return teal.FormatTargets(targets)
}

func (s *session) historyRow(r api.ReleaseView) []string {
	from, after := "-", "-"
	if r.From != 0 {
		from = teal.VersionName(r.From)
	}
	if r.ShiftedAt != nil {
		after = describe.Duration(r.ShiftedAt.Sub(r.CreatedAt))
	}
	return []string{r.ID, from, teal.VersionName(r.To), describe.Phase(r), s.timestamp(r.CreatedAt), after, r.CreatedBy, describe.Reason(r)}
}

package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history APP",
		Short: "All releases of an app, newest first",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.history(cmd.Context(), args[0])
		},
	}
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
	reason, _, _ := strings.Cut(r.Reason, "\n")
	return []string{r.ID, from, strconv.Itoa(r.To), string(r.Phase), s.stamp(r.CreatedAt), after, r.CreatedBy, reason}
}

package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"teal/internal/api"
	"teal/internal/describe"
)

func (s *session) releaseCommand() *cobra.Command {
	return group("release", "Show one release", &cobra.Command{
		Use:   "show ID",
		Short: "Show what a release did and why, with its evidence",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.showRelease(cmd.Context(), args[0])
		},
	})
}

func (s *session) showRelease(ctx context.Context, id string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	r, err := c.Release(ctx, id)
	if err != nil {
		return err
	}
	s.show(r, func() { s.releaseLines(r) })
	return nil
}

// releaseLines tells a release so that somebody who has just been woken up
// understands it: what happened and why, then how, then the evidence, then what
// to do.
func (s *session) releaseLines(r api.ReleaseView) {
	s.out.line("%s", s.out.paint(s.out.bold, describe.Headline(r)))
	if text := describe.Rollback(r); text != "" {
		s.out.line("  %s", text)
	}
	if text := describe.Waiting(r, s.env.Now(), s.clock); text != "" {
		s.out.line("  %s", text)
	}
	moves := fmt.Sprintf("to new (v%d); first release", r.To)
	if r.From != 0 {
		moves = fmt.Sprintf("from current (v%d) to new (v%d)", r.From, r.To)
	}
	s.out.line("  moves     %s of %s %s", r.Alias, r.App, moves)
	s.out.line("  strategy  %s", describe.Strategy(r.Policy))
	s.out.line("  times     ready within %s, monitored for %s, drained within %s", r.Policy.ReadyWithin, r.Policy.Confidence, r.Policy.Drain)
	s.out.line("  by        %s", r.CreatedBy)
	s.out.line("timeline")
	for _, m := range describe.Timeline(r) {
		s.out.line("  %s  %s", s.timestamp(m.At), m.Text)
	}
	if len(r.Evidence) > 0 {
		s.out.line("evidence")
		for _, line := range s.evidenceLines(r.Evidence) {
			s.out.line("  %s", line)
		}
	}
	if steps := describe.NextSteps(r); len(steps) > 0 {
		s.out.line("next")
		for _, step := range steps {
			s.out.line("  %s", step)
		}
	}
}

package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"teal"
)

func (s *session) releaseCommand() *cobra.Command {
	return group("release", "Look at releases", &cobra.Command{
		Use:   "show ID",
		Short: "One release with every step that it took",
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

func (s *session) releaseLines(r teal.Release) {
	from := "nothing"
	if r.From != 0 {
		from = fmt.Sprintf("version %d", r.From)
	}
	s.out.line("%s", s.out.paint(s.out.bold, r.ID))
	s.out.line("  moves     %s of %s from %s to version %d", r.Alias, r.App, from, r.To)
	s.out.line("  strategy  %s, ready within %s, standby for %s, drain %s", r.Policy.Strategy, r.Policy.ReadyWithin, r.Policy.Confidence, r.Policy.Drain)
	s.out.line("  by        %s", r.CreatedBy)
	for _, order := range r.Orders.All() {
		s.out.line("  order     %s by %s at %s %s", order.Kind, order.By, s.stamp(order.At), order.Why)
	}
	if r.WatchUntil != nil && !r.Phase.Ended() {
		s.out.line("  standby   until %s", s.clock(*r.WatchUntil))
	}
	for i, entry := range r.Phases {
		since := ""
		if i > 0 {
			since = " +" + took(entry.At.Sub(r.Phases[0].At))
		}
		s.out.line("  %s  %s%s: %s", s.stamp(entry.At), entry.Phase, since, entry.Reason)
	}
}

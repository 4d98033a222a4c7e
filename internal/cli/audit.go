package cli

import (
	"context"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/access"
	"teal/internal/api"
	"teal/internal/client"
)

func (s *session) auditCommand() *cobra.Command {
	var since string
	q := client.AuditQuery{}
	cmd := &cobra.Command{
		Use:   "audit [APP]",
		Short: "Show who ordered what, when and from where",
		Long: "Shows the orders that were given to this server, the newest last: who, when, from where,\n" +
			"where the app stood before and after, and what became of it. What Teal does by itself,\n" +
			"such as rolling back, is in `teal history`.",
		Example: "  teal audit shop --since 24h\n  teal audit --by ci --json > orders.json",
		Args:    arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				q.App = args[0]
			}
			if cmd.Flags().Changed("since") {
				var err error
				if q.Since, err = sinceWhen(since, s.env.Now()); err != nil {
					return usagef(cmd, "--since: %v", err)
				}
			}
			if q.Limit < 1 || q.Limit > maxAudit {
				return usagef(cmd, "--limit: from 1 to %d", maxAudit)
			}
			return s.audit(cmd.Context(), q)
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "only orders of the last DURATION (10m, 2h), or from TIME on\n(15:04, 2006-01-02, \"2006-01-02 15:04:05\", 2006-01-02T15:04:05Z)")
	cmd.Flags().StringVar(&q.By, "by", "", "only orders of names that begin so")
	cmd.Flags().Uint64Var(&q.Before, "before", 0, "only orders with lower numbers")
	cmd.Flags().IntVar(&q.Limit, "limit", 50, "at most so many, the newest")
	return cmd
}

// maxAudit is how many orders the server returns at once.
const maxAudit = 10_000

func (s *session) audit(ctx context.Context, q client.AuditQuery) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	orders, err := c.Audit(ctx, q)
	if err != nil {
		return err
	}
	s.show(api.Orders{Orders: append([]api.OrderView{}, orders...)}, func() {
		if len(orders) == 0 {
			s.out.line("no orders")
		}
		for _, o := range orders {
			s.out.line("%s", s.orderText(o))
		}
		if len(orders) == q.Limit && orders[0].Seq > 1 {
			s.out.line("the orders before these: --before %d", orders[0].Seq)
		}
	})
	return nil
}

// orderText tells an order in one line, and in further ones what came of it.
func (s *session) orderText(o api.OrderView) string {
	text := s.timestamp(o.At) + "  " + o.Order
	if o.App != "" {
		text += " " + o.App
	}
	if o.Note != "" {
		text += ": " + o.Note
	}
	text += "\n  by " + o.By
	if o.Role != teal.RoleAdmin {
		text += ", " + string(o.Role)
	}
	text += ", from " + o.From
	switch {
	case o.Outcome == access.OutcomeRefused:
		text += "\n  refused: " + o.Message
	case o.Outcome == access.OutcomeUnknown:
		text += "\n  under way, or the server ended before it was done"
	case o.Before != "" && o.Before != o.After:
		text += "\n  " + o.Before + " → " + o.After
	}
	return text
}

package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) doctorCommand() *cobra.Command {
	var aside string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "List what is wrong with this server and what to do about it",
		Long: "Lists what is wrong with this server while it keeps serving: records that cannot be read,\n" +
			"a full disk, a store that cannot be written. Exits with 1 when there is something.",
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("set-aside") {
				return s.setAside(cmd.Context(), aside)
			}
			return s.doctor(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&aside, "set-aside", "", "ignore this unreadable record; a copy of it is kept in the store")
	return cmd
}

func (s *session) setAside(ctx context.Context, key string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if err := c.SetAside(ctx, key); err != nil {
		return err
	}
	s.show(map[string]string{"set_aside": key}, func() { s.out.line("%s set aside; the server ignores it from now on", key) })
	return nil
}

func (s *session) doctor(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	alerts, err := c.Alerts(ctx)
	if err != nil {
		return err
	}
	s.show(api.AlertList{Alerts: alerts}, func() {
		if len(alerts) == 0 {
			s.out.line("no problems found")
		}
		for _, a := range alerts {
			s.out.line("%s", s.alertText(a))
		}
	})
	if len(alerts) > 0 {
		return errReported
	}
	return nil
}

func (s *session) alertText(a teal.Alert) string {
	mark := "warning"
	if a.Blocking {
		mark = "blocking"
	}
	return fmt.Sprintf("%s: %s: %s (since %s)\n  %s\n  what to do: %s", mark, a.Code, a.Subject, s.clock(a.Since), a.Message, a.Remedy)
}

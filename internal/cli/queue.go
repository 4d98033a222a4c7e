package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) queueCommand() *cobra.Command {
	return group("queue", "Show message queues, and put back or remove messages", s.queueListCommand(), s.queueShowCommand(), s.queueRedriveCommand(), s.queuePurgeCommand())
}

func (s *session) queueListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the queues and what waits in them",
		Args:  arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.queueList(cmd.Context())
		},
	}
}

func (s *session) queueList(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	queues, err := c.Queues(ctx)
	if err != nil {
		return err
	}
	s.show(api.QueueList{Queues: queues}, func() {
		if len(queues) == 0 {
			s.out.line("no queues; the first message makes one, and so does a trigger in teal.yaml")
			return
		}
		rows := [][]string{{"QUEUE", "WAITING", "DELAYED", "IN FLIGHT", "DEAD", "OLDEST", "SENT/S", "FINISHED/S"}}
		for _, q := range queues {
			rows = append(rows, []string{
				q.Name, fmt.Sprint(q.Waiting), fmt.Sprint(q.Delayed), fmt.Sprint(q.InFlight), fmt.Sprint(q.Dead),
				oldestText(q), fmt.Sprintf("%.1f", q.SentRate), fmt.Sprintf("%.1f", q.DoneRate),
			})
		}
		s.out.table(rows)
	})
	return nil
}

// oldestText says how long the oldest message has been there.
func oldestText(q api.QueueView) string {
	if q.Waiting+q.Delayed+q.InFlight == 0 {
		return "-"
	}
	return teal.Duration(q.Oldest.Std().Round(time.Second)).String()
}

// shownLetters is how many dead letters are shown.
const shownLetters = 20

func (s *session) queueShowCommand() *cobra.Command {
	most := shownLetters
	cmd := &cobra.Command{
		Use:   "show QUEUE",
		Short: "Show what waits in a queue, and its dead letters with the reason",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 1 || most > 1000 {
				return usagef(cmd, "--dead is 1 to 1000")
			}
			return s.queueShow(cmd.Context(), args[0], most)
		},
	}
	cmd.Flags().IntVar(&most, "dead", shownLetters, "how many of the newest dead letters to show")
	return cmd
}

func (s *session) queueShow(ctx context.Context, name string, most int) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	q, err := c.Queue(ctx, name)
	if err != nil {
		return err
	}
	letters, err := c.DeadLetters(ctx, name, most)
	if err != nil {
		return err
	}
	s.show(struct {
		api.QueueView
		Letters []api.DeadLetter `json:"dead_letters"`
	}{q, letters}, func() {
		s.out.line("%s: %d waiting, %d delayed, %d in flight (%s); oldest %s; %.1f sent and %.1f finished per second", q.Name, q.Waiting, q.Delayed, q.InFlight, q.Bytes, oldestText(q), q.SentRate, q.DoneRate)
		if q.Dead == 0 {
			s.out.line("no dead letters")
			return
		}
		s.out.line("")
		s.out.line("%d dead; put them back with `teal queue redrive %s`:", q.Dead, q.Name)
		for _, d := range letters {
			s.deadLetter(d)
		}
	})
	return nil
}

// deadLetter shows a dead letter in two lines.
func (s *session) deadLetter(d api.DeadLetter) {
	failures := ""
	if d.Failures > 0 {
		failures = fmt.Sprintf("  %d failures", d.Failures)
	}
	if d.Failures > 0 && d.Version != nil {
		failures += fmt.Sprintf(" on %s v%s", d.App, *d.Version)
	}
	s.out.line("%s  %s%s: %s", s.timestamp(d.DiedAt), d.ID, failures, oneLine(d.Reason))
	s.out.line("  %s", oneLine(d.Body))
}

// oneLine is the beginning of a text, on one line.
func oneLine(text string) string {
	const most = 160
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func (s *session) queueRedriveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "redrive QUEUE [MESSAGE...]",
		Short: "Put dead letters back into their queue",
		Long: "Puts the dead letters of a queue back into it, or those that are named, as if they had\n" +
			"just been sent. `teal queue show QUEUE` lists them.",
		Args: arguments(1, 1000),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connect(cmd.Context())
			if err != nil {
				return err
			}
			n, err := c.RedriveQueue(cmd.Context(), args[0], args[1:])
			if err != nil {
				return err
			}
			s.show(api.MessageCount{Messages: n}, func() { s.out.line("%s: %s put back", args[0], messagesText(n)) })
			return nil
		},
	}
}

func messagesText(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

func (s *session) queuePurgeCommand() *cobra.Command {
	dead, yes := false, false
	cmd := &cobra.Command{
		Use:   "purge QUEUE",
		Short: "Remove the messages that wait in a queue, or its dead letters",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return usagef(cmd, "this removes messages for good; add --yes to do it")
			}
			c, err := s.connect(cmd.Context())
			if err != nil {
				return err
			}
			n, err := c.PurgeQueue(cmd.Context(), args[0], dead)
			if err != nil {
				return err
			}
			s.show(api.MessageCount{Messages: n}, func() { s.out.line("%s: %s removed", args[0], messagesText(n)) })
			return nil
		},
	}
	cmd.Flags().BoolVar(&dead, "dead", false, "remove the dead letters, and not what waits")
	cmd.Flags().BoolVar(&yes, "yes", false, "remove them without asking back")
	return cmd
}

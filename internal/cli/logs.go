package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) logsCommand() *cobra.Command {
	var q api.LogQuery
	var version, since string
	cmd := &cobra.Command{
		Use:     "logs APP",
		Short:   "Show what the components of an app have written",
		Example: "  teal logs shop --since 10m --grep Traceback\n  teal logs shop -f --component web --since 14:30",
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, isVersion := teal.ParseVersionRef(version)
			if version != "" && !isVersion {
				return usagef(cmd, "--version: %q is not a version; give its number, or '%s' for the draft", version, teal.DraftName)
			}
			if q.Tail < 0 {
				return usagef(cmd, "--tail must be greater than 0")
			}
			if cmd.Flags().Changed("grep") && q.Text == "" {
				return usagef(cmd, "--grep: it is empty; give the text that lines are to contain")
			}
			if cmd.Flags().Changed("since") {
				var err error
				if q.Since, err = sinceWhen(since, s.env.Now()); err != nil {
					return usagef(cmd, "--since: %v", err)
				}
			}
			q.Version = parsed
			q.App = args[0]
			return s.logs(cmd.Context(), q)
		},
	}
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "keep following until Ctrl-C")
	cmd.Flags().StringVar(&version, "version", "", "only this version")
	cmd.Flags().StringVar(&q.Component, "component", "", "only this component")
	cmd.Flags().StringVar(&q.Instance, "instance", "", "only this instance, as lines name it")
	cmd.Flags().StringVar(&since, "since", "", "only lines of the last DURATION (10m, 2h, 3d), or from TIME on\n(15:04, 2006-01-02, \"2006-01-02 15:04:05\", 2006-01-02T15:04:05Z)")
	cmd.Flags().StringVar(&q.Text, "grep", "", "only lines that contain this TEXT, in the same case")
	cmd.Flags().StringVar(&q.RequestID, "request", "", "only this request ID")
	cmd.Flags().IntVar(&q.Tail, "tail", 0, "only the last so many lines")
	return cmd
}

// sinceWhen reads how long ago, or when, something is to begin; times without a zone
// are in that of now.
func sinceWhen(text string, now time.Time) (time.Time, error) {
	var since time.Time
	if ago, err := teal.ParseDuration(text); err == nil {
		since = now.Add(-ago)
	} else if clock, err := time.ParseInLocation("15:04", text, now.Location()); err == nil {
		since = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, now.Location())
	} else {
		for _, layout := range []string{time.RFC3339Nano, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
			if since, err = time.ParseInLocation(layout, text, now.Location()); err == nil {
				break
			}
		}
		if err != nil {
			return since, fmt.Errorf("%q is neither a duration, such as 10m or 2h, nor a time, such as 15:04, 2006-01-02, \"2006-01-02 15:04:05\" or 2006-01-02T15:04:05Z", text)
		}
	}
	if since.After(now) {
		return since, fmt.Errorf("%q is in the future, where there are no lines; it is %s", text, now.Format(time.DateTime))
	}
	return since, nil
}

// logList is what logs writes with --json.
type logList struct {
	Lines []api.LogLine `json:"lines"`
}

func (s *session) logs(ctx context.Context, q api.LogQuery) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	list := logList{Lines: []api.LogLine{}}
	for line, err := range c.Logs(ctx, q) {
		if err != nil {
			return err
		}
		switch {
		case s.json && q.Follow:
			s.out.record(line)
		case s.json:
			list.Lines = append(list.Lines, line)
		default:
			s.logLine(line)
		}
		if s.out.failed() != nil {
			break
		}
	}
	if s.json && !q.Follow {
		s.out.document(list)
	}
	return nil
}

func (s *session) logLine(l api.LogLine) {
	head := s.local(l.At).Format("2006-01-02 15:04:05.000")
	origin := s.out.paint(s.out.faint, head)
	text := l.Text
	if l.Stream == "platform" {
		text = s.out.paint(s.out.faint, text)
	}
	s.out.line("%s %s %s %s", origin, teal.VersionName(l.Version), cmp.Or(l.Instance, l.Component), text)
}

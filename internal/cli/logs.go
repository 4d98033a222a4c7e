package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) logsCommand() *cobra.Command {
	var q api.LogQuery
	var version string
	cmd := &cobra.Command{
		Use:   "logs APP",
		Short: "Show what the components of an app have written",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, isVersion := teal.ParseVersionRef(version)
			if version != "" && !isVersion {
				return usagef(cmd, "--version: %q is not a version; give its number, or '%s' for the draft", version, teal.DraftName)
			}
			if q.Tail < 0 {
				return usagef(cmd, "--tail must be greater than 0")
			}
			q.Version = parsed
			q.App = args[0]
			return s.logs(cmd.Context(), q)
		},
	}
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "keep following until Ctrl-C")
	cmd.Flags().StringVar(&version, "version", "", "only this version")
	cmd.Flags().StringVar(&q.Component, "component", "", "only this component")
	cmd.Flags().StringVar(&q.RequestID, "request", "", "only this request ID")
	cmd.Flags().IntVar(&q.Tail, "tail", 0, "only the last so many lines")
	return cmd
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

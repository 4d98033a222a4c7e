package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
)

func (s *session) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [APP]",
		Short: "Show which version is live, how what runs is doing, and what the release is doing and why",
		Args:  arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return s.statusOfAll(cmd.Context())
			}
			return s.status(cmd.Context(), args[0])
		},
	}
}

func (s *session) status(ctx context.Context, app string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	status, err := c.Status(ctx, app)
	if err != nil {
		return err
	}
	s.show(status, func() {
		s.warn(ctx, c, status.App)
		s.out.write(s.statusText(status), false)
	})
	return nil
}

// warn says first why the server takes no orders, when it does not, and what is wrong with
// the app itself; "" is any. A server that does not know is none that says so.
func (s *session) warn(ctx context.Context, c *client.Client, app string) {
	alerts, err := c.Alerts(ctx)
	if err != nil {
		return
	}
	for _, a := range alerts {
		if a.Blocking || a.Subject == app {
			s.out.line("%s; see `teal doctor`", strings.TrimSuffix(a.Message, "."))
		}
	}
}

func (s *session) statusOfAll(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	apps, err := c.Apps(ctx)
	if err != nil {
		return err
	}
	s.show(api.AppList{Apps: apps}, func() {
		s.warn(ctx, c, "")
		if len(apps) == 0 {
			s.out.line("no apps yet; deploy one with `teal deploy`, or write one with `teal init`")
			return
		}
		rows := [][]string{{"APP", "LIVE", "REQ/S", "ERRORS", "P99", "RELEASE", "RUNNING"}}
		for _, status := range describe.ProblemsFirst(apps) {
			traffic := describe.Traffic(status.Traffic)
			rows = append(rows, []string{
				status.App, describe.Live(status), traffic[0], traffic[1], traffic[3], describe.Release(status.Release), environmentWords(status),
			})
		}
		s.out.table(rows)
		s.out.line("REQ/S, ERRORS and P99 are of the last minute")
	})
	return nil
}

func environmentWords(status api.Status) string {
	words := make([]string, 0, len(status.Environments)+2)
	if status.Stopped != nil {
		words = append(words, "stopped by "+status.Stopped.By)
	}
	for _, env := range status.Environments {
		state := string(env.State)
		if env.Failing != "" {
			state = "failing"
		}
		words = append(words, fmt.Sprintf("%s %s%s", teal.VersionName(env.Version), state, parenthesized(describe.Role(env.Role))))
	}
	if status.Frozen != nil {
		words = append(words, "frozen by "+status.Frozen.By)
	}
	return strings.Join(words, ", ")
}

// statusText writes the status of one app for people.
func (s *session) statusText(status api.Status) string {
	var b strings.Builder
	fmt.Fprintln(&b, s.out.paint(s.out.bold, status.App))
	for _, name := range describe.AliasOrder(status.Aliases) {
		fmt.Fprintf(&b, "  %-8s  %s\n", name, teal.FormatTargets(status.Aliases[name].Versions))
	}
	if _, ok := status.Aliases[teal.AliasLive]; !ok {
		fmt.Fprintf(&b, "  %-8s  no live version: this app's routes return 404\n", teal.AliasLive)
	}
	if status.Stopped != nil {
		fmt.Fprintf(&b, "  %s  %s; its routes answer 503 until `teal start %s`\n", s.out.paint(s.out.bad, "stopped "), strings.TrimPrefix(s.stoppedText(*status.Stopped), "stopped "), status.App)
	}
	if status.Frozen != nil {
		fmt.Fprintf(&b, "  %-8s  %s\n", "frozen", strings.TrimPrefix(s.frozenByText(*status.Frozen), "frozen "))
	}
	for _, env := range status.Environments {
		b.WriteString(s.environmentText(env))
	}
	b.WriteString(s.measuredText(status))
	b.WriteString(s.releaseText(status.Release))
	b.WriteString(s.judgementText(status))
	return escapeControls(b.String())
}

func (s *session) environmentText(env api.EnvironmentView) string {
	line := fmt.Sprintf("  %-8s  %s", teal.VersionName(env.Version), s.stateText(env))
	if env.StandbyUntil != nil {
		line += " until " + s.clock(*env.StandbyUntil)
	}
	for _, name := range slices.Sorted(maps.Keys(env.Instances)) {
		line += fmt.Sprintf(", %s %d/%d", name, env.Instances[name].Healthy, env.Instances[name].Total)
	}
	line += parenthesized(strings.Join(environmentLabels(env), ", "))
	reason, more, _ := strings.Cut(env.Reason, "\n")
	if reason != "" {
		line += ": " + reason
	}
	return line + "\n" + indent(more) + indent(env.Output)
}

// stateText says how an environment is.
func (s *session) stateText(env api.EnvironmentView) string {
	state := string(env.State)
	switch env.State {
	case api.StateServing:
		state = s.out.paint(s.out.good, state)
	case api.StateDegraded, api.StateFailed:
		state = s.out.paint(s.out.bad, state)
	case api.StateStandby, api.StatePreview, api.StateStarting, api.StateDraining:
	}
	if env.Failing != "" {
		return fmt.Sprintf("%s, %s: %s", env.State, s.out.paint(s.out.bad, "failing"), env.Failing)
	}
	return state
}

// environmentLabels says what a version is for the users, and its slot.
func environmentLabels(env api.EnvironmentView) []string {
	var list []string
	if word := describe.Role(env.Role); word != "" {
		list = append(list, word)
	}
	if env.Slot != "" {
		list = append(list, string(env.Slot))
	}
	return list
}

func (s *session) releaseText(r *api.ReleaseView) string {
	if r == nil {
		return fmt.Sprintf("  %-8s  none yet\n", "release")
	}
	_, rest, _ := strings.Cut(r.Reason, "\n")
	text := fmt.Sprintf("  %-8s  %s (%s) %s: %s\n", "release", r.ID, describe.Moves(*r), r.Phase, describe.Reason(*r)) + indent(rest)
	for _, line := range []string{describe.AtStep(*r), describe.Rollback(*r), describe.Waiting(*r, s.env.Now(), s.clock)} {
		if line != "" && !((r.Phase.Ended() || describe.SaysStep(*r)) && line == describe.AtStep(*r)) {
			text += "            " + line + "\n"
		}
	}
	return text
}

// judgementText says what the judge says now, and of a release that went back,
// what the decision stood on.
func (s *session) judgementText(status api.Status) string {
	var text string
	var findings []teal.Finding
	if j := status.Judgement; j != nil {
		text = fmt.Sprintf("  %-8s  %s: %s\n", "judge", strings.TrimRight(s.verdictWord(j.Verdict), " "), j.Reason)
		findings = j.Findings
	} else if r := status.Release; r != nil && describe.Deciding(*r) != nil {
		text = fmt.Sprintf("  %-8s  see `teal release show %s` for all of it\n", "evidence", r.ID)
		findings = []teal.Finding{*describe.Deciding(*r)}
	}
	for _, line := range s.evidenceLines(findings) {
		text += "            " + line + "\n"
	}
	return text
}

// indent sets a text of several lines off; "" stays "".
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		b.WriteString("      " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/analysis"
	"teal/internal/describe"
	"teal/internal/manifest"
)

func (s *session) analyzeCommand() *cobra.Command {
	var policy string
	cmd := &cobra.Command{
		Use:   "analyze FILE",
		Short: "Replay a recorded release: would it have been rolled back?",
		Long: "Replays a recording, as `teal history APP --export` writes it, and shows what the judge would\n" +
			"have said at each moment: as a chart, or with --json as one line of JSON each. FILE may be -\n" +
			"for standard input. Without --policy the release's own policy applies, and the judge says what\n" +
			"it said then; a recording of your own is judged by the default policy. --policy names a\n" +
			"teal.yaml whose limits and comparison apply instead.\n\n" +
			"Exit codes: 0 never a fail, 1 a fail, 2 the recording or the policy is invalid.",
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			return s.analyze(args[0], policy)
		},
	}
	cmd.Flags().StringVar(&policy, "policy", "", "a teal.yaml, or the folder of one")
	return cmd
}

func (s *session) analyze(file, policy string) (err error) {
	var judging *teal.Judging // nil: the recording's own
	if policy != "" {
		p, err := manifest.LoadPolicy(policy)
		if err != nil {
			return err
		}
		judging = &p.Judge
	}
	in, err := s.recording(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	var looks []analysis.Look
	for look, err := range analysis.Replay(in, judging) {
		if err != nil {
			return wrongRecording(file, err)
		}
		if s.json {
			s.out.record(look)
		}
		looks = append(looks, look)
	}
	if !s.json && len(looks) > 0 {
		s.chart(looks)
	} else if !s.json {
		s.out.line("nothing was measured")
	}
	for _, look := range looks {
		if look.Verdict == teal.VerdictFail {
			return errReported
		}
	}
	return nil
}

func (s *session) recording(file string) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(s.env.Stdin), nil
	}
	in, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, teal.Errorf(teal.CodeInvalidInput, "there is no file %s; `teal history APP ID --export > FILE` writes the recording of a release", file)
	}
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the recording cannot be read: %w", err)
	}
	return in, nil
}

// wrongRecording names the file. What cannot be read at all is bad input too.
func wrongRecording(file string, err error) error {
	return teal.Errorf(teal.CodeInvalidInput, "%s: %w", file, err)
}

// chartRows is how many looks a chart shows at most, besides those at which the
// verdict changes.
const chartRows = 24

// chart shows a replay: a row for every so many looks and for each at which the
// verdict changes, with the share of failed requests as a bar, then the result.
func (s *session) chart(looks []analysis.Look) {
	every := max(1, (len(looks)+chartRows-1)/chartRows)
	rate := func(c analysis.Counts) float64 {
		if c.Requests == 0 {
			return 0
		}
		return float64(c.Errors) / float64(c.Requests)
	}
	highest := 0.0
	for _, look := range looks {
		highest = max(highest, rate(look.Seen.Live), rate(look.Seen.Green))
	}
	seen := looks[len(looks)-1].Seen
	abandoned := seen.Live.Unanswered+seen.Green.Unanswered > 0
	rows := [][]string{slices.Concat([]string{"AT", "VERDICT"}, sideColumns("CURRENT", "FAILED", "GAVE UP", abandoned), sideColumns("NEW", "FAILED", "GAVE UP", abandoned), []string{"ERRORS OF NEW"})}
	last := teal.Verdict("")
	for i, look := range looks {
		if i%every != 0 && look.Verdict == last && i != len(looks)-1 {
			continue
		}
		last = look.Verdict
		side := func(c analysis.Counts) []string {
			return sideColumns(fmt.Sprint(c.Requests), percentText(rate(c)), fmt.Sprint(c.Unanswered), abandoned)
		}
		rows = append(rows, slices.Concat(
			[]string{look.At.UTC().Format("15:04:05"), string(look.Verdict)},
			side(look.Seen.Live), side(look.Seen.Green), []string{bar(rate(look.Seen.Green), highest)},
		))
	}
	s.out.table(rows)
	s.verdictLines(looks)
}

// sideColumns are those of a side; how many clients gave up is shown where some
// have.
func sideColumns(requests, failed, gaveUp string, abandoned bool) []string {
	if !abandoned {
		return []string{requests, failed}
	}
	return []string{requests, failed, gaveUp}
}

func percentText(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

// bar draws a share of the highest one.
func bar(share, highest float64) string {
	const width = 30
	if highest == 0 {
		return ""
	}
	return strings.Repeat("#", int(share/highest*width+0.5))
}

// verdictLines says whether, when and why the policy would have rolled back.
func (s *session) verdictLines(looks []analysis.Look) {
	first := looks[0].At
	for _, look := range looks {
		if look.Verdict == teal.VerdictFail {
			s.out.line("%s would have rolled back at %s, %s after the start: %s", s.out.paint(s.out.bad, "fail:"),
				look.At.UTC().Format("2006-01-02 15:04:05"), describe.Duration(look.At.Sub(first)), look.Reason)
			s.evidence(look)
			return
		}
	}
	last := looks[len(looks)-1]
	s.out.line("%s would not have rolled back: %s", s.out.paint(s.out.good, string(last.Verdict)+":"), last.Reason)
}

func (s *session) evidence(look analysis.Look) {
	for _, line := range s.evidenceLines(look.Judgement.Findings) {
		s.out.line("  %s", line)
	}
}

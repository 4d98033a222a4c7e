package cli

import (
	"fmt"
	"slices"
	"strings"

	"teal"
	"teal/internal/describe"
)

// maxOutputLines is how many lines of a program's output are shown; the last ones
// say most.
const maxOutputLines = 20

// evidenceLines shows findings, the worst first: what speaks against the new
// version in full, what does not in a line each.
func (s *session) evidenceLines(findings []teal.Finding) []string {
	findings = slices.Clone(findings)
	rank := func(f teal.Finding) int {
		return slices.Index([]teal.Verdict{teal.VerdictFail, teal.VerdictError, teal.VerdictInconclusive, teal.VerdictPass}, f.Verdict)
	}
	slices.SortStableFunc(findings, func(a, b teal.Finding) int { return rank(a) - rank(b) })
	var lines []string
	for _, f := range findings {
		if f.Verdict == teal.VerdictPass || f.Verdict == teal.VerdictInconclusive && f.Output == "" {
			lines = append(lines, fmt.Sprintf("%s  %s: %s%s", s.verdictWord(f.Verdict), describe.FindingName(f), describe.FirstLine(f.Seen), parenthesized(describe.Figures(f))))
			continue
		}
		lines = append(lines,
			s.verdictWord(f.Verdict)+"  "+describe.FindingName(f),
			"    asked  "+f.Asked,
			"    seen   "+f.Seen,
		)
		if text := describe.Figures(f); text != "" {
			lines = append(lines, "    "+text)
		}
		lines = append(lines, outputLines(f.Output)...)
	}
	return lines
}

func outputLines(output string) []string {
	output = strings.TrimRight(output, "\n")
	if output == "" {
		return nil
	}
	all := strings.Split(output, "\n")
	shown := all[max(0, len(all)-maxOutputLines):]
	lines := slices.Clone(shown)
	for i, line := range lines {
		lines[i] = "      " + line
	}
	return lines
}

func parenthesized(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// verdictWord is a verdict, as wide as the longest and in its colour.
func (s *session) verdictWord(v teal.Verdict) string {
	word := fmt.Sprintf("%-12s", v)
	switch v {
	case teal.VerdictPass:
		return s.out.paint(s.out.good, word)
	case teal.VerdictFail, teal.VerdictError:
		return s.out.paint(s.out.bad, word)
	case teal.VerdictInconclusive:
	}
	return word
}

package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"teal"
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
			lines = append(lines, fmt.Sprintf("%s  %s: %s%s", s.verdictWord(f.Verdict), findingName(f), firstLine(f.Seen), parenthesized(figures(f))))
			continue
		}
		lines = append(lines,
			s.verdictWord(f.Verdict)+"  "+findingName(f),
			"    asked  "+f.Asked,
			"    seen   "+f.Seen,
		)
		if text := figures(f); text != "" {
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

func findingName(f teal.Finding) string {
	if f.Step == 0 {
		return f.Name
	}
	return f.Name + ", step " + strconv.Itoa(f.Step)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// figures writes the statistic and its threshold; "" for a question without. That
// of the judge is evidence; a task's is what it measured.
func figures(f teal.Finding) string {
	if f.Statistic == nil || f.Threshold == nil {
		return ""
	}
	if isTask(f) {
		return "measured " + figure(*f.Statistic) + ", limit " + figure(*f.Threshold)
	}
	return "evidence " + rounded(*f.Statistic) + ", rolls back at " + rounded(*f.Threshold)
}

// isTask reports whether a finding is of a task or of a question to a judge
// outside, not of Teal's own judge.
func isTask(f teal.Finding) bool {
	kind, _, _ := strings.Cut(f.Name, " ")
	return slices.Contains([]string{"check", "hook", "warm", "query", "webhook"}, kind)
}

func parenthesized(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// figure writes a statistic as short as people read it.
func figure(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }

// rounded writes evidence: to tenths while it is small.
func rounded(f float64) string {
	if f < 10 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
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

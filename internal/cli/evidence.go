package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"teal"
)

// mostOutput is how many lines of a program's output are shown; the last ones
// say most.
const mostOutput = 20

// evidenceLines shows findings: what speaks against green in full, the rest in a
// line each.
func (s *session) evidenceLines(findings []teal.Finding) []string {
	var lines []string
	for _, f := range findings {
		if f.Verdict == teal.VerdictPass {
			lines = append(lines, fmt.Sprintf("%s  %s: %s", s.verdictWord(f.Verdict), findingName(f), firstLine(f.Seen)))
			continue
		}
		lines = append(lines,
			s.verdictWord(f.Verdict)+"  "+findingName(f),
			"    asked  "+f.Asked,
			"    seen   "+f.Seen,
		)
		if f.Statistic != nil && f.Threshold != nil {
			lines = append(lines, fmt.Sprintf("    figure %s, threshold %s", figure(*f.Statistic), figure(*f.Threshold)))
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
	shown := all[max(0, len(all)-mostOutput):]
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

// figure writes a statistic as short as people read it.
func figure(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }

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

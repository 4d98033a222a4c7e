package describe

import (
	"slices"
	"strconv"
	"strings"

	"teal"
)

// FindingName names what was asked, with the step at which that was.
func FindingName(f teal.Finding) string {
	if f.Step == 0 {
		return f.Name
	}
	return f.Name + ", step " + strconv.Itoa(f.Step)
}

// Figures writes the statistic and its threshold; "" for a question without. That
// of the judge is evidence; a task's is what it measured.
func Figures(f teal.Finding) string {
	if f.Statistic == nil || f.Threshold == nil {
		return ""
	}
	if IsTask(f) {
		return "measured " + figure(*f.Statistic) + ", limit " + figure(*f.Threshold)
	}
	return "evidence " + rounded(*f.Statistic) + ", rolls back at " + rounded(*f.Threshold)
}

// IsTask reports whether a finding is of a task or of a question to a judge
// outside, not of Teal's own judge.
func IsTask(f teal.Finding) bool {
	kind, _, _ := strings.Cut(f.Name, " ")
	return slices.Contains([]string{"check", "hook", "warm", "query", "webhook"}, kind)
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

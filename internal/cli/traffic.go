package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"teal"
	"teal/internal/api"
)

// measuredText writes what is measured of the versions that run, "" while nothing is: a
// table with a line for each component, the routes that fail, and the last lines about
// errors.
func (s *session) measuredText(status api.Status) string {
	rows := [][]string{{"last minute", "", "requests/s", "errors", "p50", "p99", "in flight", "restarts", "memory", "cpu"}}
	var routes, lines []string
	for _, env := range status.Environments {
		for _, c := range env.Components {
			about := teal.VersionName(env.Version) + " " + c.Component
			rows = append(rows, componentRow(env.Version, c))
			for _, r := range c.FailingRoutes {
				routes = append(routes, fmt.Sprintf("%s  %s: %s, %s", about, cmp.Or(r.Route, "/, or called directly"), count(int(r.Errors), "error"), r.What))
			}
			if e := c.LastError; e != nil {
				lines = append(lines, fmt.Sprintf("%s  %s %s", about, s.clock(e.At), e.Text))
			}
		}
	}
	if len(rows) == 1 {
		return ""
	}
	var b strings.Builder
	for i, line := range columns(rows) {
		if i == 0 {
			line = s.out.paint(s.out.faint, line)
		}
		b.WriteString("  " + line + "\n")
	}
	b.WriteString(titled("errors by route", routes))
	b.WriteString(titled("last error line", lines))
	return b.String()
}

func componentRow(version int, c api.ComponentView) []string {
	t := c.Traffic
	row := append([]string{teal.VersionName(version), c.Component}, trafficCells(&t)...)
	row = append(row, fmt.Sprint(t.InFlight), fmt.Sprint(c.Restarts))
	if !c.Kind.HasProcesses() {
		return append(row[:len(row)-1], "-", "-", "-")
	}
	return append(row, memoryText(c.Memory), loadText(c.Load))
}

// trafficCells are the rate, the share of errors, and the latencies.
func trafficCells(t *api.TrafficView) []string {
	switch {
	case t == nil: // a server that does not measure
		return []string{"-", "-", "-", "-"}
	case t.Requests+t.Unanswered == 0:
		return []string{"0", "-", "-", "-"}
	case t.Requests == 0:
		return []string{rateText(t.RequestsPerSecond), "-", "-", "-"}
	}
	return []string{rateText(t.RequestsPerSecond), api.Percent(t.ErrorShare), millisecondsText(t.P50), millisecondsText(t.P99)}
}

func rateText(perSecond float64) string {
	switch {
	case perSecond >= 100:
		return fmt.Sprintf("%.0f", perSecond)
	case perSecond >= 1:
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.2f", perSecond)
}

func millisecondsText(ms float64) string {
	switch {
	case ms >= 1000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 10:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// loadText writes how many processors are busy: 150 % are one and a half.
func loadText(processors float64) string {
	if percent := processors * 100; percent >= 10 {
		return fmt.Sprintf("%.0f %%", percent)
	}
	return fmt.Sprintf("%.1f %%", processors*100)
}

// memoryText writes what is resident; "-" before anybody has looked.
func memoryText(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return size(bytes)
}

// titled writes lines under a title that stands beside the first one; "" without lines.
func titled(title string, lines []string) string {
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			title = ""
		}
		fmt.Fprintf(&b, "  %-15s  %s\n", title, line)
	}
	return b.String()
}

// columns writes rows so that what stands below each other begins in the same column.
func columns(rows [][]string) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&b, "%-*s  ", widths[i], cell)
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// The ranks of apps in a list: those that need somebody come first.
const (
	rankFailing = iota // users get errors more often than not
	rankBroken         // something does not run as it should
	rankWaiting        // a release waits for somebody
	rankErrors         // some requests fail
	rankHealthy
)

// noticeable is the share of errors from which on an app stands above those without
// trouble.
const noticeable = 0.01

// rank says how much an app needs somebody.
func rank(status api.Status) int {
	worst := rankHealthy
	for _, env := range status.Environments {
		switch {
		case env.Failing != "":
			return rankFailing
		case env.State == api.StateDegraded || env.State == api.StateFailed:
			worst = rankBroken
		}
	}
	r := status.Release
	switch {
	case worst == rankBroken:
	case r != nil && !r.Phase.Ended() && (r.Commands.Pause != nil || r.WaitsSince != nil || r.DoubtSince != nil || r.OutageSince != nil):
		worst = rankWaiting
	case status.Traffic != nil && status.Traffic.ErrorShare >= noticeable:
		worst = rankErrors
	}
	return worst
}

// problemsFirst sorts apps by their ranks; those of one rank stay in the order of their
// names.
func problemsFirst(apps []api.Status) []api.Status {
	apps = slices.Clone(apps)
	slices.SortStableFunc(apps, func(a, b api.Status) int { return cmp.Compare(rank(a), rank(b)) })
	return apps
}

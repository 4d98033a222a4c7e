package cli

import (
	"cmp"
	"fmt"
	"strings"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
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
				routes = append(routes, fmt.Sprintf("%s  %s: %s, %s", about, cmp.Or(r.Route, "/, or called directly"), describe.Count(int(r.Errors), "error"), r.What))
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
	row := append([]string{teal.VersionName(version), c.Component}, describe.Traffic(&t)...)
	row = append(row, fmt.Sprint(t.InFlight), fmt.Sprint(c.Restarts))
	if !c.Kind.HasProcesses() {
		return append(row[:len(row)-1], "-", "-", "-")
	}
	return append(row, describe.Memory(c.Memory), describe.Load(c.Load))
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

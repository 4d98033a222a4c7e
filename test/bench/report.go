package main

import (
	"fmt"
	"strings"
	"time"
)

// report is everything that one run has found.
type report struct {
	Machine machine   `json:"machine"`
	At      time.Time `json:"at"`
	Seconds int       `json:"seconds"` // that the run took
	// Others is the share of the machine that other programs used meanwhile, in
	// percent; below 0 where that is not known.
	Others   float64   `json:"others_percent"`
	Sections []section `json:"sections"`
}

// section is what one part has found about one question.
type section struct {
	Title string `json:"title"`
	Rows  []row  `json:"rows"`
	// Notes say how it was measured and what the figures are to be compared
	// with.
	Notes []string `json:"notes,omitempty"`
}

// row is one figure.
type row struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99,omitempty"` // 0: there is only one value, or no sense in it
	N      int     `json:"n"`
	Goal   float64 `json:"goal,omitempty"`   // the median, or P99, is to be at most this; 0: no goal
	OfP99  bool    `json:"of_p99,omitempty"` // Goal is for P99
	Missed bool    `json:"missed,omitempty"`
	// Why says what stands between the figure and its goal, if it is missed.
	Why string `json:"why,omitempty"`
}

// judged returns the figure that the goal is for.
func (r row) judged() string {
	if r.OfP99 {
		return "p99 " + figure(r.P99, r.Unit)
	}
	return figure(r.Median, r.Unit)
}

// because says why the goal is missed, if it is.
func (r row) because(format string, args ...any) row {
	if r.Missed {
		r.Why = fmt.Sprintf(format, args...)
	}
	return r
}

// measured returns the row of a sample. goal 0 is none.
func measured(name, unit string, s sample, goal float64) row {
	r := row{Name: name, Unit: unit, Median: s.median(), N: len(s), Goal: goal}
	if len(s) > 1 {
		r.P99 = s.quantile(0.99)
	}
	r.Missed = goal > 0 && r.Median > goal
	return r
}

// rate returns the row of figures of which more is better, so that a high
// percentile says nothing.
func rate(name, unit string, s sample) row {
	return row{Name: name, Unit: unit, Median: s.median(), N: len(s)}
}

func (r row) cells() [5]string {
	cells := [5]string{r.Name, figure(r.Median, r.Unit), "", "", ""}
	if r.P99 != 0 {
		cells[2] = figure(r.P99, r.Unit)
	}
	if r.N > 1 {
		cells[3] = fmt.Sprint(r.N)
	}
	if r.Goal > 0 {
		verdict := "met"
		if r.Missed {
			verdict = "MISSED"
		}
		cells[4] = fmt.Sprintf("≤ %s: %s", figure(r.Goal, r.Unit), verdict)
	}
	return cells
}

// figure writes a number with three significant digits.
func figure(v float64, unit string) string {
	switch {
	case v >= 100:
		return strings.TrimSpace(fmt.Sprintf("%.0f %s", v, unit))
	case v >= 10:
		return strings.TrimSpace(fmt.Sprintf("%.1f %s", v, unit))
	}
	return strings.TrimSpace(fmt.Sprintf("%.2f %s", v, unit))
}

var heads = [5]string{"", "median", "p99", "n", "goal"}

// text returns the report for a terminal.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.Machine)
	width := [5]int{}
	for i, head := range heads {
		width[i] = len(head)
	}
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			for i, cell := range row.cells() {
				width[i] = max(width[i], len([]rune(cell)))
			}
		}
	}
	line := func(cells [5]string) {
		fmt.Fprintf(&b, "  %-*s  %*s  %*s  %*s  %s\n", width[0], cells[0], width[1], cells[1], width[2], cells[2], width[3], cells[3], cells[4])
	}
	line(heads)
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n%s\n", s.Title)
		for _, row := range s.Rows {
			line(row.cells())
			if row.Missed {
				fmt.Fprintf(&b, "    missed: %s\n", row.Why)
			}
		}
		for _, note := range s.Notes {
			fmt.Fprintf(&b, "  · %s\n", note)
		}
	}
	fmt.Fprintf(&b, "\nThe p99 of fewer than 100 rounds is the slowest. The run took %d s. %s\n", r.Seconds, r.company())
	return b.String()
}

// company says how busy others kept the machine.
func (r *report) company() string {
	if r.Others < 0 {
		return "Whether other programs kept the machine busy is not known here."
	}
	return fmt.Sprintf("Other programs used %.0f %% of the machine meanwhile.", r.Others)
}

// missed returns a line for each goal that is missed.
func (r *report) missed() []string {
	var list []string
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			if row.Missed {
				list = append(list, fmt.Sprintf("%s; %s: %s, where the goal is %s. %s", s.Title, row.Name, row.judged(), figure(row.Goal, row.Unit), row.Why))
			}
		}
	}
	return list
}

// markdown returns the report as docs/benchmarks.md.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	b.WriteString("`make bench` prints these numbers; `go run ./test/bench -teal bin/teal -write docs/benchmarks.md` writes this page. ")
	fmt.Fprintf(&b, "This is one run of %d s on %s:\n\n> %s. %s\n\n", r.Seconds, r.At.Format(time.DateOnly), r.Machine, r.company())
	b.WriteString(howTo)
	for _, line := range r.missed() {
		fmt.Fprintf(&b, "- **Missed:** %s\n", line)
	}
	if len(r.missed()) == 0 {
		b.WriteString("Every goal is met in this run.\n")
	}
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n| | median | p99 | n | goal |\n|---|--:|--:|--:|---|\n", s.Title)
		for _, row := range s.Rows {
			cells := row.cells()
			fmt.Fprintf(&b, "| %s |\n", strings.Join(cells[:], " | "))
		}
		for i, note := range s.Notes {
			if i == 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "- %s\n", note)
		}
	}
	return b.String()
}

const howTo = "The servers, the functions and the load all share that machine. What is compared is measured in turns, in the same run. " +
	"Goals are for the median; the p99 of fewer than 100 rounds is the slowest one.\n\n"

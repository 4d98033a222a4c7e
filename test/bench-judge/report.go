package main

import (
	_ "embed"
	"fmt"
	"runtime"
	"strings"
	"text/template"
	"time"
)

// page is what docs/judging.md is made of.
type page struct {
	Date     string
	Go       string
	Took     time.Duration
	Runs     int
	Delays   int
	Alarms   string
	Rivals   string
	Edge     string
	Delay    string
	Summary  string
	Misses   string
	HourRuns int
}

//go:embed judging.md.tmpl
var pageText string

func (p page) String() string {
	p.Go = runtime.Version()
	var b strings.Builder
	if err := template.Must(template.New("page").Parse(pageText)).Execute(&b, p); err != nil {
		return err.Error()
	}
	return b.String()
}

// table formats rows as Markdown; the first one is the head.
func table(rows [][]string) string {
	var b strings.Builder
	for n, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if n == 0 {
			b.WriteString("|---|" + strings.Repeat("--:|", len(row)-1) + "\n")
		}
	}
	return b.String()
}

// alarmTable has a row for each rate and split, and a column for each base rate
// and pattern.
func alarmTable(list []*cell) string {
	head := []string{"req/s, on green"}
	for _, c := range list[:9] {
		head = append(head, fmt.Sprintf("%g %%, %s", c.world.base*100, c.world.pattern.name))
	}
	rows := [][]string{head}
	for n := 0; n < len(list); n += 9 {
		c := list[n]
		on := fmt.Sprintf("%g %%", c.world.split*100)
		if c.name != "" {
			on = c.name + " %"
		}
		row := []string{fmt.Sprintf("%g, %s", c.world.rate, on)}
		for _, c := range list[n : n+9] {
			row = append(row, fmt.Sprintf("%d", c.alarms))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// alarmSummary states the worst cell and the sum, with what they prove.
func alarmSummary(list []*cell) string {
	alarms, runs, worst := 0, 0, list[0]
	for _, c := range list {
		alarms, runs = alarms+c.alarms, runs+c.runs
		if c.alarms > worst.alarms {
			worst = c
		}
	}
	return fmt.Sprintf("%d cells × %d runs: %d false alarms in %d hours of A/A, which is at most %.3f %% (97.5 %% certain). "+
		"The worst cell has %d of %d; %d runs of a cell prove at most %.2f %%.",
		len(list), worst.runs, alarms, runs, 100*upper(alarms, runs), worst.alarms, worst.runs, worst.runs, 100*upper(worst.alarms, worst.runs))
}

// edgeTable has the cells at the edge of the tolerance.
func edgeTable(list []*cell) string {
	rows := [][]string{{"on green"}, {"10 %"}, {"50 %"}}
	for n, c := range list {
		if n < 3 {
			rows[0] = append(rows[0], c.world.pattern.name)
		}
		rows[1+n/3] = append(rows[1+n/3], fmt.Sprintf("%d of %d", c.alarms, c.runs))
	}
	return table(rows)
}

func rivalTable(list []*cell) string {
	rows := [][]string{{"errors of both, traffic", byTeal, byThreshold, byRanks}}
	for _, c := range list {
		row := []string{fmt.Sprintf("%g %%, %s", c.world.base*100, c.world.pattern.name)}
		for _, name := range []string{byTeal, byThreshold, byRanks} {
			row = append(row, fmt.Sprintf("%d of %d", c.rivals[name], c.runs))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// factor is how many times the bound Teal needs.
func (g *regression) factor(tolerance float64) float64 {
	requests, _ := g.results[byTeal].mean()
	q := g.asks
	q.tolerance = tolerance
	return requests / q.bound((1-g.split)/g.split, alpha)
}

func delayTable(list []*regression) string {
	rows := [][]string{{"green is worse by", "on green", "Wald's bound", "Teal", "× bound", "slowest tenth", "× bound, no tolerance", bySPRT, byThreshold, byRanks}}
	for _, g := range list {
		mine := g.results[byTeal]
		rows = append(rows, []string{
			g.name, fmt.Sprintf("%g %%", g.split*100),
			fmt.Sprintf("%.0f", g.asks.bound((1-g.split)/g.split, alpha)),
			mine.String(),
			fmt.Sprintf("**%.2f**", g.factor(g.asks.tolerance)),
			fmt.Sprintf("%.0f", quantile(mine.requests, 0.9)),
			fmt.Sprintf("%.2f", g.factor(0)),
			g.results[bySPRT].String(), g.results[byThreshold].String(), g.results[byRanks].String(),
		})
	}
	return table(rows)
}

// String is the mean in requests and seconds, with the runs that do not count.
func (d *delay) String() string {
	if len(d.requests) == 0 {
		return fmt.Sprintf("— (%d early, %d never)", d.early, d.missed)
	}
	requests, seconds := d.mean()
	text := fmt.Sprintf("%.0f, %.0f s", requests, seconds)
	if d.early > 0 {
		text += fmt.Sprintf(" (%d early)", d.early)
	}
	if d.missed > 0 {
		text += fmt.Sprintf(" (%d never)", d.missed)
	}
	return text
}

// misses lists what the goals wanted otherwise, by measurement.
func misses(cells []*cell, list []*regression) string {
	var b strings.Builder
	for _, c := range cells {
		if float64(c.alarms) > alpha*float64(c.runs) {
			fmt.Fprintf(&b, "- **Missed:** %g req/s, %g %% on green, %g %% errors, %s: %d of %d runs were false alarms; the goal is at most 1 %%.\n",
				c.world.rate, c.world.split*100, c.world.base*100, c.world.pattern.name, c.alarms, c.runs)
		}
	}
	for _, g := range list {
		if f := g.factor(g.asks.tolerance); strings.HasPrefix(g.name, "errors") && g.late == 0 && f > 2 {
			fmt.Fprintf(&b, "- **Missed:** %s at %g %% takes %.2f times Wald's bound; the goal is 2.\n", g.name, g.split*100, f)
		}
	}
	if b.Len() == 0 {
		return "No goal is missed in this run.\n"
	}
	return b.String()
}

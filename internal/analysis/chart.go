package analysis

import (
	"fmt"
	"strings"
	"time"

	"teal"
)

// Chart draws looks as a few lines of text that are at most width columns of
// time: the error rates of live and green, each column's own, and the verdict at
// its end. It ends with a line break; of no looks it is empty.
func Chart(looks []Look, width int) string {
	if len(looks) == 0 || width < 1 {
		return ""
	}
	columns := columnsOf(looks, width)
	most := 0.0
	for _, c := range columns {
		most = max(most, c.live.rate(), c.green.rate())
	}
	var b strings.Builder
	seen := looks[len(looks)-1].Seen
	for _, side := range []struct {
		name string
		of   func(column) tally
		all  Counts
	}{
		{"current", func(c column) tally { return c.live }, seen.Live},
		{"new    ", func(c column) tally { return c.green }, seen.Green},
	} {
		b.WriteString(side.name + "  ")
		for _, c := range columns {
			b.WriteRune(bar(side.of(c), most))
		}
		fmt.Fprintf(&b, "  failed %s\n", share(tally{side.all.Requests, side.all.Errors}))
	}
	b.WriteString("         ")
	for _, c := range columns {
		b.WriteRune(marks[c.verdict])
	}
	b.WriteString("  ✓ pass  ? inconclusive  ✗ fail\n")
	first, last := looks[0].At.UTC().Format(time.TimeOnly), looks[len(looks)-1].At.UTC().Format(time.TimeOnly)
	fmt.Fprintf(&b, "         %s%*s UTC\n", first, max(len(columns)-len(first), len(last)+1), last)
	return b.String()
}

var marks = map[teal.Verdict]rune{
	teal.VerdictPass: '✓', teal.VerdictInconclusive: '?', teal.VerdictFail: '✗', teal.VerdictError: '!',
}

// column is what happened in a part of the time, and the verdict at its end.
type column struct {
	live, green tally
	verdict     teal.Verdict
}

func columnsOf(looks []Look, width int) []column {
	width = min(width, len(looks))
	columns := make([]column, width)
	var before Seen
	for n := range columns {
		last := looks[(n+1)*len(looks)/width-1]
		columns[n] = column{
			live:    tally{last.Seen.Live.Requests - before.Live.Requests, last.Seen.Live.Errors - before.Live.Errors},
			green:   tally{last.Seen.Green.Requests - before.Green.Requests, last.Seen.Green.Errors - before.Green.Errors},
			verdict: last.Verdict,
		}
		before = last.Seen
	}
	return columns
}

// bar is a share as the height of a character: a space of no requests.
func bar(t tally, most float64) rune {
	const heights = "▁▂▃▄▅▆▇█"
	steps := []rune(heights)
	switch {
	case t.N == 0:
		return ' '
	case most == 0:
		return steps[0]
	}
	return steps[min(int(t.rate()/most*float64(len(steps)-1)+0.5), len(steps)-1)]
}

package teal_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal"
)

func span(seconds int, requests, errors int64, latency time.Duration) teal.Span {
	did := teal.Measurement{Requests: requests, Errors: errors}
	if requests > 0 {
		did.Latency = teal.Latencies{{UpTo: latency, Count: requests}}
	}
	return teal.Span{Took: time.Duration(seconds) * time.Second, Did: did}
}

func repeat(n int, s teal.Span) []teal.Span {
	list := make([]teal.Span, n)
	for i := range list {
		list[i] = s
	}
	return list
}

// What is left out of a baseline is an outage and nothing else. Seen red without
// the least number of bad requests, with spans that are not put together, and with
// the mean in place of the median.
func TestUsualLeavesOutOutages(t *testing.T) {
	fine, broken, slow := span(10, 100, 1, 20*time.Millisecond), span(10, 100, 60, 20*time.Millisecond), span(10, 100, 0, 30*time.Second)
	unanswered := teal.Span{Took: 10 * time.Second, Did: teal.Measurement{Requests: 50, Unanswered: 50}}
	few := span(1, 1, 1, time.Millisecond)
	for name, c := range map[string]struct {
		spans         []teal.Span
		usual, outage int64 // requests
		ongoing       bool
	}{
		"nothing":                   {nil, 0, 0, false},
		"one that is fine":          {repeat(60, fine), 6000, 0, false},
		"an outage that is over":    {append(append(repeat(20, fine), repeat(15, broken)...), repeat(5, fine)...), 2500, 1500, false},
		"an outage that goes on":    {append(repeat(40, fine), repeat(10, broken)...), 4000, 1000, true},
		"a slow one":                {append(append(repeat(20, fine), repeat(15, slow)...), repeat(5, fine)...), 2500, 1500, false},
		"one that answers half":     {append(append(repeat(20, fine), repeat(3, unanswered)...), fine), 2100, 150, false},
		"broken for most of it":     {append(repeat(10, fine), repeat(20, broken)...), 3000, 0, false},
		"always failing a third":    {repeat(30, span(10, 90, 30, time.Millisecond)), 2700, 0, false},
		"few requests, some failed": {append(repeat(60, span(1, 1, 0, time.Millisecond)), few, few, few), 63, 0, false},
		"an outage among few":       {append(repeat(100, span(1, 1, 0, time.Millisecond)), append(repeat(20, few), repeat(40, span(1, 1, 0, time.Millisecond))...)...), 140, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := teal.Usual(c.spans)
			out := teal.Outage{}
			if got.Outage != nil {
				out = *got.Outage
			}
			if got.Requests != c.usual || out.Requests != c.outage || out.Ongoing != c.ongoing {
				t.Errorf("usual %d, outage %d (%v); want %d, %d (%v)", got.Requests, out.Requests, out.Ongoing, c.usual, c.outage, c.ongoing)
			}
		})
	}
}

// Nothing is lost: what is usual and what is left out are everything. Seen red
// without the newest stretch where it is worth no figures, with the last outage in
// place of all of them, and with outages that are left out.
func TestUsualAndOutageAreEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var spans []teal.Span
		var all teal.Measurement
		for range rapid.IntRange(0, 40).Draw(t, "spans") {
			n := rapid.Int64Range(0, 200).Draw(t, "requests")
			s := span(rapid.SampledFrom([]int{1, 10}).Draw(t, "seconds"), n, rapid.Int64Range(0, n).Draw(t, "errors"), time.Duration(rapid.Int64Range(1, 1e11).Draw(t, "latency")))
			s.Did.Unanswered = rapid.Int64Range(0, 50).Draw(t, "unanswered")
			spans, all = append(spans, s), all.Plus(s.Did)
		}
		got := teal.Usual(spans)
		sum := got
		if got.Outage != nil {
			sum = got.Plus(got.Outage.Measurement)
		}
		if sum.Requests != all.Requests || sum.Errors != all.Errors || sum.Unanswered != all.Unanswered || !slices.Equal(sum.Latency, all.Latency) {
			t.Fatalf("%+v of %+v", sum, all)
		}
	})
}

package service

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// life as a list of what happened in it, from which the oracle works out where
// the endpoint must stand, in another way than the machine does.
type event struct {
	kind  string
	token int
}

// oracle looks only at the events since the last start.
func oracle(events []event, limit, doubtsBefore int) (phase, int) {
	lastPass, doubts, failsSince := -1, doubtsBefore, 0
	var doubted, doubtFailed bool
	for i, e := range events {
		switch e.kind {
		case "pass":
			if e.token == doubts {
				lastPass, failsSince, doubted, doubtFailed = i, 0, false, false
			}
		case "fail":
			failsSince++
			doubtFailed = doubtFailed || doubted
		case "refuse":
			if lastPass >= 0 && failsSince < limit && !doubted {
				doubted = true
				doubts++
			}
		}
	}
	switch {
	case lastPass < 0:
		return starting, doubts
	case doubtFailed || failsSince >= limit:
		return unhealthy, doubts
	case doubted:
		return suspect, doubts
	}
	return healthy, doubts
}

// Seen to fail with failed() that ends health one check early, with passed()
// that believes old tokens, and with refused() that counts while suspect.
func TestHealthFollowsItsHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(t, "limit")
		var h health
		var events []event
		alive, before := false, 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch kind := rapid.SampledFrom([]string{"pass", "pass", "stale", "fail", "fail", "refuse", "start", "die"}).Draw(t, "event"); kind {
			case "start":
				alive, before, events = true, h.doubts, nil
				h.started()
			case "die":
				alive = false
				h.died()
			case "pass":
				events = append(events, event{kind, h.doubts})
				h.passed(h.doubts)
			case "stale":
				events = append(events, event{"pass", h.doubts - 1})
				h.passed(h.doubts - 1)
			case "fail":
				events = append(events, event{kind: kind})
				h.failed(limit)
			case "refuse":
				events = append(events, event{kind: kind})
				h.refused()
			}
			want, doubts := down, h.doubts
			if alive {
				want, doubts = oracle(events, limit, before)
			}
			if h.phase != want || h.doubts != doubts {
				t.Fatalf("after %v: %s with %d doubts, want %s with %d", events, h.phase, h.doubts, want, doubts)
			}
			if h.phase == healthy && !(h.ever && h.proven) {
				t.Fatalf("healthy, but never proven: %+v", h)
			}
		}
	})
}

func TestDelayGrowsToTheInterval(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := policy{interval: time.Duration(rapid.Int64Range(int64(minCheckInterval), int64(time.Minute)).Draw(t, "interval")), failures: 3}
		var h health
		h.started()
		var last, total time.Duration
		for range 100 {
			h.failed(p.failures)
			d := h.delay(p)
			if d < last || d > p.interval || d < minCheckInterval {
				t.Fatalf("delay %s after %s with interval %s", d, last, p.interval)
			}
			if slack := minCheckInterval + total/4; d > slack {
				t.Fatalf("after %s of waiting the next delay is %s; a start would be noticed late", total, d)
			}
			last, total = d, total+d
		}
		if last != p.interval && total < time.Minute {
			t.Fatalf("still %s after 100 checks; the interval is %s", last, p.interval)
		}
	})
}

func TestDelayByPhase(t *testing.T) {
	t.Parallel()
	p := policy{interval: time.Second, failures: 2}
	for ph, want := range map[phase]time.Duration{healthy: time.Second, unhealthy: time.Second, suspect: minCheckInterval} {
		h := health{phase: ph, streak: 5}
		if got := h.delay(p); got != want {
			t.Errorf("%s: %s, want %s", ph, got, want)
		}
	}
}

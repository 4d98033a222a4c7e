package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"teal"
)

const (
	warmParallel = 4                // requests at once, but for those that are measured
	warmAttempt  = 10 * time.Second // for one request
	warmMeasured = 20               // requests at least in a round that is measured
	maxReplay    = 1000
)

// warm sends requests to green until it is as warm as it gets. How they are
// answered is evidence, no more; what may fail is the gate on the last round's
// latency, where the policy has one.
func (s releaseTask) warm(ctx context.Context) (teal.Verdict, []teal.Finding) {
	w := s.release.Policy.Warm
	ctx, cancel := context.WithTimeout(ctx, orDefault(w.Timeout, teal.DefaultWarmTimeout))
	defer cancel()
	requests := slices.Concat(w.Requests, s.replayed(w.Replay))
	rounds := cmp.Or(max(0, w.Rounds), teal.DefaultWarmRounds)
	asked := fmt.Sprintf("%d requests to new (v%d), in %d rounds", len(requests), s.release.To, rounds)
	if len(requests) == 0 {
		return single(s.finding("warm", asked, teal.VerdictPass, "nothing to send: no request is configured, and the current version has served none that could be repeated"))
	}
	v, err := s.visit(ctx, "")
	if err != nil {
		return single(s.finding("warm", asked, teal.VerdictError, err.Error()))
	}
	defer v.close()
	all := warmUpStats{}
	for n := 1; n < rounds; n++ {
		all.add(v.round(ctx, requests, warmParallel))
	}
	if w.Within <= 0 {
		all.add(v.round(ctx, requests, warmParallel))
		return single(s.finding("warm", asked, teal.VerdictPass, all.seen()))
	}
	// One after another, so that it is green that is measured and not a queue.
	measured := v.round(ctx, atLeast(requests, warmMeasured), 1)
	all.add(measured)
	gate := s.gate(measured, w.Within)
	verdict := teal.VerdictPass
	if gate.Verdict == teal.VerdictFail {
		verdict = teal.VerdictFail
	}
	// Without figures there is nothing to hold green against. That is evidence,
	// and the checks come next.
	return verdict, []teal.Finding{s.finding("warm", asked, teal.VerdictPass, all.seen()), gate}
}

// replayed returns the most frequent safe requests that live has served.
func (s releaseTask) replayed(n int) []teal.Request {
	traffic := s.examiner.cfg.Traffic
	if n <= 0 || traffic == nil || s.release.From == 0 {
		return nil
	}
	n = min(n, maxReplay)
	safe := slices.DeleteFunc(slices.Clone(traffic.Frequent(s.release.App, s.release.From, n)), func(r teal.Request) bool {
		return methodOf(r) != http.MethodGet && methodOf(r) != http.MethodHead
	})
	return safe[:min(n, len(safe))]
}

// atLeast repeats a list as a whole until it has n elements.
func atLeast(list []teal.Request, n int) []teal.Request {
	return slices.Repeat(list, max(1, (n+len(list)-1)/len(list)))
}

// warmUpStats is what came of a number of requests.
type warmUpStats struct {
	sent, bad int             // bad were not answered, or with a status from 500
	took      []time.Duration // of those that were answered
	pending   []time.Duration // how long those had lasted that were given up
	first     string          // the first bad one, for people
	cut       bool            // the time was up before all had been answered
}

func (w *warmUpStats) add(o warmUpStats) {
	w.sent += o.sent
	w.bad += o.bad
	w.took = append(w.took, o.took...)
	w.pending = append(w.pending, o.pending...)
	w.first = cmp.Or(w.first, o.first)
	w.cut = w.cut || o.cut
}

func (w *warmUpStats) seen() string {
	seen := fmt.Sprintf("%d requests, 95 %% of the answers within %s", w.sent, rounded(percentile95(w.took)))
	if len(w.took) == 0 {
		seen = fmt.Sprintf("%d requests, and no answer", w.sent)
	}
	if w.bad > 0 {
		seen += fmt.Sprintf("; %d were not answered well, the first one %s", w.bad, w.first)
	}
	if w.cut {
		seen += "; the time was up before all had been sent"
	}
	return seen
}

// round sends every request once, so many at a time, until ctx ends.
func (v *visitor) round(ctx context.Context, requests []teal.Request, parallel int) warmUpStats {
	var mu sync.Mutex
	var all warmUpStats
	next := make(chan teal.Request)
	var workers sync.WaitGroup
	for range min(parallel, len(requests)) {
		workers.Go(func() {
			for r := range next {
				w := v.warmUp(ctx, r)
				mu.Lock()
				all.add(w)
				mu.Unlock()
			}
		})
	}
	for _, r := range requests {
		select {
		case next <- r:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	all.cut = ctx.Err() != nil && (all.sent < len(requests) || len(all.pending) > 0)
	return all
}

func (v *visitor) warmUp(ctx context.Context, r teal.Request) warmUpStats {
	ctx, cancel := context.WithTimeout(ctx, warmAttempt)
	defer cancel()
	began := time.Now()
	answer, err := v.do(ctx, r)
	w := warmUpStats{sent: 1}
	switch {
	case err != nil:
		w.bad, w.first = 1, requestLine(r)+": "+err.Error()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			w.pending = []time.Duration{time.Since(began)}
		}
	case answer.status >= http.StatusInternalServerError:
		w.bad, w.first = 1, fmt.Sprintf("%s: status %d", requestLine(r), answer.status)
	default:
		w.took = []time.Duration{answer.took}
	}
	return w
}

// gate holds the 95th percentile of green against that of live.
func (s releaseTask) gate(measured warmUpStats, within float64) teal.Finding {
	const name = "warm latency p95"
	asked := fmt.Sprintf("the p95 of new (v%d) in the last round is at most %g times that of current (v%d)", s.release.To, within, s.release.From)
	var live time.Duration
	known := false
	if s.examiner.cfg.Traffic != nil && s.release.From != 0 {
		live, known = s.examiner.cfg.Traffic.Latency95(s.release.App, s.release.From)
	}
	if !known || live <= 0 {
		return s.finding(name, asked, teal.VerdictInconclusive, "the current version has served too little to compare with; the release continues")
	}
	bound := time.Duration(math.Min(within*float64(live), math.MaxInt64/2))
	verdict, seen := judgeWarmUp(measured, bound)
	if measured.cut && verdict != teal.VerdictFail {
		verdict, seen = teal.VerdictFail, "timed out before the new version was warm: "+seen
	}
	f := s.finding(name, asked, verdict, fmt.Sprintf("%s, current %s, limit %s", seen, rounded(live), rounded(bound)))
	if verdict != teal.VerdictInconclusive && len(measured.took)+len(measured.pending) > 0 {
		statistic, threshold := percentile95(slices.Concat(measured.took, measured.pending)).Seconds(), bound.Seconds()
		f.Statistic, f.Threshold = &statistic, &threshold
	}
	return f
}

// judgeWarmUp holds a round against a bound. Requests that were given up lasted
// at least as long as they did: enough to fail for, never enough to pass.
func judgeWarmUp(w warmUpStats, bound time.Duration) (teal.Verdict, string) {
	least := percentile95(slices.Concat(w.took, w.pending))
	seen := fmt.Sprintf("new %s in %d requests", rounded(least), len(w.took)+len(w.pending))
	switch {
	case len(w.took)+len(w.pending) == 0:
		return teal.VerdictInconclusive, "no answer of the new version in the last round"
	case least > bound:
		return teal.VerdictFail, seen
	case len(w.pending) > 0 || 2*len(w.took) < w.sent || len(w.took) < warmMeasured/2:
		return teal.VerdictInconclusive, fmt.Sprintf("%s, and %d of %d were not answered well", seen, w.bad, w.sent)
	}
	return teal.VerdictPass, seen
}

// percentile95 returns the smallest of the durations that 95 % do not exceed; 0
// of none.
func percentile95(durations []time.Duration) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[int(math.Ceil(0.95*float64(len(sorted))))-1]
}

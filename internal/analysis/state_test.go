package analysis

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"teal"
)

var policies = rapid.SampledFrom([]teal.Judging{
	compared,
	{ErrorRate: ptr(teal.Percent(1)), Latency: teal.Percentiles{P95: teal.Duration(100 * time.Millisecond)}, MinRequests: 5},
	{Compare: teal.AliasLive, ErrorRate: ptr(teal.Percent(5)), Latency: teal.Percentiles{P50: 1, P99: teal.Duration(time.Second)}, NewErrors: teal.NewErrorsFail},
})

// measurements draws what a side may do, nothing included.
func measurements(t *rapid.T, name string) teal.Measurement {
	n := rapid.SampledFrom([]int64{0, 0, 1, 3, 40, 1000}).Draw(t, name)
	m := did(n, 0)
	if gone := rapid.SampledFrom([]int64{0, 0, 1, 7, 300}).Draw(t, "gone"); gone > 0 {
		known := rapid.Int64Range(0, gone).Draw(t, "known")
		m.Unanswered, m.Waited = gone, teal.Latencies{{UpTo: rapid.SampledFrom([]time.Duration{time.Millisecond, time.Minute}).Draw(t, "waited"), Count: known}}
	}
	if n == 0 {
		return m
	}
	m.Errors = rapid.Int64Range(0, n).Draw(t, "errors") * rapid.SampledFrom([]int64{0, 0, 1}).Draw(t, "fails")
	slow := rapid.Int64Range(0, n).Draw(t, "slow")
	m.Latency = []teal.LatencyCount{{UpTo: 30 * time.Millisecond, Count: n - slow}, {UpTo: 3 * time.Second, Count: slow}}
	return m
}

// draw a release: intervals of any length, some with nothing in them.
func intervals(t *rapid.T) []teal.Interval {
	at := start
	var list []teal.Interval
	for range rapid.IntRange(1, 30).Draw(t, "intervals") {
		at = at.Add(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, -time.Minute}).Draw(t, "later"))
		i := teal.Interval{At: at, Live: measurements(t, "live"), Green: measurements(t, "green")}
		if rapid.IntRange(0, 20).Draw(t, "new error") == 0 {
			i.NewErrors = []teal.ErrorGroup{{Fingerprint: rapid.String().Draw(t, "fingerprint"), Type: "E", Message: rapid.String().Draw(t, "message")}}
		}
		list = append(list, i)
	}
	return list
}

// A judge that is made anew from the state of the last one, as after a crash,
// says the same after every interval. Seen red with the block left out of the
// state.
func TestStateIsEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy := policies.Draw(t, "policy")
		var baseline *teal.Measurement
		if rapid.Bool().Draw(t, "baseline") {
			m := measurements(t, "before")
			if rapid.Bool().Draw(t, "outage") {
				m.Outage = &teal.Outage{Measurement: measurements(t, "outage"), Ongoing: rapid.Bool().Draw(t, "ongoing")}
			}
			baseline = &m
		}
		one, err := New(Beginning{Policy: policy, Baseline: baseline})
		if err != nil {
			t.Fatal(err)
		}
		other, err := New(Beginning{Policy: policy, Baseline: baseline})
		if err != nil {
			t.Fatal(err)
		}
		for n, i := range intervals(t) {
			one.Begin(1 + n/10)
			other.Begin(1 + n/10)
			one.Add(i)
			other.Add(i)
			if n%3 > 0 {
				continue
			}
			if other, err = New(Beginning{Policy: policy, Baseline: baseline, State: other.State()}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(one.Judgement(start), other.Judgement(start)); diff != "" {
				t.Fatalf("after %d intervals:\n%s", n+1, diff)
			}
		}
		if size := len(one.State()); size > 16<<10 {
			t.Errorf("the state has %d bytes", size)
		}
	})
}

// Nothing happening changes nothing, so it does not matter how often a meter is
// asked. Seen red with blocks whose age counts from the last interval.
func TestEmptyIntervalsChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy := policies.Draw(t, "policy")
		one, _ := New(Beginning{Policy: policy})
		other, _ := New(Beginning{Policy: policy})
		for _, i := range intervals(t) {
			one.Add(i)
			for range rapid.IntRange(0, 3).Draw(t, "empty") {
				other.Add(teal.Interval{At: i.At.Add(-time.Microsecond)})
			}
			other.Add(i)
			if diff := cmp.Diff(one.Judgement(start), other.Judgement(start)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// Fail is for good, a pass needs its requests, and nothing is ever NaN.
func TestJudgementsMakeSense(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy := policies.Draw(t, "policy")
		j, _ := New(Beginning{Policy: policy})
		failed, served := false, int64(0)
		for _, i := range intervals(t) {
			j.Add(i)
			served += i.Green.Requests // and none that nobody waited for
			got := j.Judgement(start)
			if failed && got.Verdict != teal.VerdictFail {
				t.Fatalf("the verdict went back to %s", got.Verdict)
			}
			failed = got.Verdict == teal.VerdictFail
			if got.Verdict == teal.VerdictPass && served < int64(policy.MinRequestsOrDefault()) {
				t.Fatalf("a pass after %d requests", served)
			}
			worst := teal.VerdictPass
			for _, f := range got.Findings {
				worst = teal.Combine(worst, f.Verdict)
				if f.Statistic != nil && !(*f.Statistic >= 0 && *f.Statistic <= maxEValue && *f.Threshold > 1) {
					t.Fatalf("%s: %v of %v", f, *f.Statistic, *f.Threshold)
				}
				if f.Seen == "" || f.Asked == "" || f.Name == "" {
					t.Fatalf("%+v", f)
				}
			}
			if worst != got.Verdict || got.Reason == "" {
				t.Fatalf("%s (%s) of %v", got.Verdict, got.Reason, got.Findings)
			}
		}
	})
}

func TestStateOfSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	second(j, 1, did(10, 1), did(10, 1))
	good := string(j.State())
	limit := teal.Judging{ErrorRate: ptr(teal.Percent(1))}
	for name, c := range map[string]struct {
		policy teal.Judging
		state  string
	}{
		"another policy":      {limit, good},
		"another version":     {compared, strings.Replace(good, `"v":2`, `"v":3`, 1)},
		"no JSON":             {compared, good[1:]},
		"nothing":             {compared, "{}"},
		"negative":            {compared, strings.Replace(good, `"since":10`, `"since":-10`, 1)},
		"more than all":       {compared, strings.Replace(good, `{"n":10,"bad":1}`, `{"n":10,"bad":11}`, 1)},
		"half an alternative": {compared, strings.Replace(good, `"bets":[[`, `"bets":[[1],[`, 1)},
	} {
		var domain *teal.Error
		if _, err := New(Beginning{Policy: c.policy, State: json.RawMessage(c.state)}); !errors.As(err, &domain) || domain.Code != teal.CodeInvalidInput {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Beginning{Policy: compared, State: json.RawMessage(good)}); err != nil {
		t.Error(err)
	}
}

// Whatever state is given, a judge that takes it does not panic and writes one
// that can be taken.
func FuzzState(f *testing.F) {
	j := newJudge(f, compared, nil)
	second(j, 1, took(100, time.Millisecond), took(10, time.Second))
	f.Add([]byte(j.State()))
	second(j, 1, did(0, 0), took(60, time.Second))
	f.Add([]byte(j.State()))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		j, err := New(Beginning{Policy: compared, State: state})
		if err != nil {
			return
		}
		for n := range 3 {
			second(j, n, took(10, time.Millisecond), took(10, time.Second))
			if got := j.Judgement(start); got.Reason == "" {
				t.Fatal("no reason")
			}
		}
		if _, err := New(Beginning{Policy: compared, State: j.State()}); err != nil {
			t.Fatalf("%v: %s", err, j.State())
		}
	})
}

package analysis

import (
	"testing"
	"time"

	"teal"
)

// A version that fails everything is not let pass because live was broken before:
// there is nothing to judge by, and blue stays. Seen red with the verdict of a
// question that allows green everything taken for a pass.
func TestABrokenLiveIsNoLicence(t *testing.T) {
	t.Parallel()
	limited := compared
	limited.ErrorRate = ptr(teal.Percent(1))
	for name, policy := range map[string]teal.Judging{
		"compared": compared, "limited": limited, "only limited": {ErrorRate: limited.ErrorRate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := did(1040, 620)
			j := newJudge(t, policy, &before)
			for n := range 91 {
				second(j, n, did(0, 0), did(5, 5))
			}
			got := wantVerdict(t, j, teal.VerdictInconclusive, "cannot judge", "already failing 59.6 % of its requests", "455 of 455")
			if !got.Doubtful {
				t.Error("not doubtful: the standby would go")
			}
			// The cure is not kept back, but nobody says that it was compared.
			cure := newJudge(t, policy, &before)
			for n := range 91 {
				second(cure, n, did(0, 0), did(5, 0))
			}
			wantVerdict(t, cure, teal.VerdictPass, "the release is unprotected", "already failing 59.6 %")
		})
	}
}

// Live is broken beside green: what green does meanwhile is no pass, unless it is
// good by itself. Seen red with a comparison with a broken live taken for a pass.
func TestABrokenLiveBesideGreen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		errors  int64
		verdict teal.Verdict
	}{{50, teal.VerdictInconclusive}, {2, teal.VerdictPass}} {
		before := did(10_000, 10)
		j := newJudge(t, compared, &before)
		for n := range 60 {
			second(j, n, did(100, 60), did(100, c.errors))
		}
		wantVerdict(t, j, c.verdict, "current (v1) was failing 60 % of its requests")
		for n := range 120 { // it is over
			second(j, n+60, did(100, 0), did(100, 0))
		}
		if c.errors == 2 {
			wantVerdict(t, j, teal.VerdictPass, "new (v2) is not worse")
		}
	}
}

// spans are so many spans of ten seconds each.
func spans(n int, did teal.Measurement) []teal.Span {
	list := make([]teal.Span, n)
	for i := range list {
		list[i] = teal.Span{Took: 10 * time.Second, Did: did}
	}
	return list
}

// An outage of live that is over, before the release or in it, does not raise what
// green is allowed. Seen red with the sum of everything as the baseline, and with
// live's outages in the release left in.
func TestAnOutageThatIsOverIsNoLicence(t *testing.T) {
	t.Parallel()
	baseline := teal.Usual(append(append(spans(20, did(100, 0)), spans(15, did(100, 90))...), spans(5, did(100, 0))...))
	j := newJudge(t, compared, &baseline)
	for n := range 30 {
		second(j, n, did(0, 0), did(10, 3))
	}
	wantVerdict(t, j, teal.VerdictFail, "baseline before the switch: 0 of 2500 requests")

	inside := newJudge(t, compared, nil)
	for n := range 200 {
		both := did(100, 0)
		if n >= 60 && n < 120 {
			both.Errors = 80
		}
		second(inside, n, both, both)
	}
	wantVerdict(t, inside, teal.VerdictPass)
	for n := range 30 {
		second(inside, n+200, did(0, 0), did(10, 3))
	}
	wantVerdict(t, inside, teal.VerdictFail)
}

// What goes on is not judged by what was before it: a green that fails like live
// when it was last seen is not rolled back to it. Seen red with bets against what
// live did before its outage.
func TestAnOutageThatGoesOnIsNotGreensFault(t *testing.T) {
	t.Parallel()
	baseline := teal.Usual(append(spans(40, did(100, 0)), spans(5, did(100, 60))...))
	if baseline.Outage == nil || !baseline.Outage.Ongoing {
		t.Fatalf("%+v", baseline)
	}
	j := newJudge(t, compared, &baseline)
	for n := range 60 {
		second(j, n, did(0, 0), did(10, 6))
	}
	wantVerdict(t, j, teal.VerdictInconclusive, "was failing 60 % of its requests when it was last seen")
	limit := newJudge(t, teal.Judging{ErrorRate: ptr(teal.Percent(1))}, &baseline)
	for n := range 60 {
		second(limit, n, did(0, 0), did(10, 6))
	}
	wantVerdict(t, limit, teal.VerdictInconclusive, "already failing 60 %")
}

// A quarter of an hour in which live took thirty seconds is not how slow green may
// be. Seen red with stretches that are broken by their errors alone.
func TestASlowOutageIsNoLicence(t *testing.T) {
	t.Parallel()
	usual := took(45, 10*time.Millisecond, 20*time.Millisecond)
	baseline := teal.Usual(append(append(spans(20, usual), spans(15, took(45, 20*time.Second, 30*time.Second))...), spans(5, usual)...))
	for _, policy := range []teal.Judging{compared, {Latency: teal.Percentiles{P90: teal.Duration(100 * time.Millisecond)}}} {
		j := newJudge(t, policy, &baseline)
		for n := range 60 {
			second(j, n, did(0, 0), teal.Measurement{Requests: 10, Latency: teal.Latencies{{UpTo: 10 * time.Millisecond, Count: 7}, {UpTo: 15 * time.Second, Count: 3}}})
		}
		wantVerdict(t, j, teal.VerdictFail)
	}
}

// Where so little is known of live that failing everything would be within chance,
// nothing passes that is not good by itself.
func TestTooLittleKnownIsNoPower(t *testing.T) {
	t.Parallel()
	policy := compared
	policy.MinRequests = 5
	before := did(5, 0)
	j := newJudge(t, policy, &before)
	for n := range 20 {
		second(j, n, did(0, 0), did(5, 5))
	}
	wantVerdict(t, j, teal.VerdictInconclusive, "only 5 requests of current (v1) are known")
}

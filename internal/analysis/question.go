package analysis

import (
	"math"
	"time"

	"teal"
)

// kind is what a question is about.
type kind int

const (
	errorsOfLive     kind = iota // does green fail more than live?
	unansweredOfLive             // do clients give up on green more than on live?
	latencyOfLive                // is green slower than live at a percentile?
	errorLimit                   // does green fail more than the policy allows?
	latencyLimit                 // is green slower than the policy allows?
)

// question is one thing that green may be worse at, and the evidence for it.
type question struct {
	kind       kind
	name       string        // "error rate", "latency p99 limit"
	asked      string        // for people
	percentile string        // "p99"
	quantile   float64       // of live's latencies, at which the threshold is
	share      float64       // of a limit: how many requests may be bad
	bound      time.Duration // of a latency limit
	weight     float64       // of α, relative to the other questions
	alpha      float64       // the part of α that is this question's
	// brokenBaseline is what live did before the release when that was beyond the limit
	// already: then the limit is not held against green, this is.
	brokenBaseline *tally
	questionState
}

// questionState is what a question remembers.
type questionState struct {
	Name     string   `json:"name"`
	Evidence eProcess `json:"bets"`
	Seen     pair     `json:"seen"` // what is in the evidence; what is in an open block is not
	// WithoutLive is how much of green's part of Seen was compared with what live had
	// done before.
	WithoutLive int64 `json:"alone,omitempty"`
	// Dispersion are those of live's bad requests; only where it is compared with.
	Dispersion *dispersion `json:"lumps,omitempty"`
	// Failed says what was seen when the e-value reached the threshold. That
	// verdict stands, whatever is seen later.
	Failed string `json:"failed,omitempty"`
	// knownBound is a bound on live's share of bad trials and what it was computed of;
	// both follow from the rest.
	knownBound float64
	boundOf    tally
}

const (
	// boundShare is the part of a question's α that pays for the bound on what
	// live did before, where the two cannot be measured side by side.
	boundShare = 0.05
	// otherTimeFactor is how much more than the tolerance green may be worse than what
	// live did at another time: hours differ, and that is not green's fault.
	otherTimeFactor = 1.5
)

func (q *question) limit() bool { return q.kind == errorLimit || q.kind == latencyLimit }

// comparesShares reports whether green is held against a share of live's, which the
// tolerance is a part of; that of a latency is in its threshold.
func (q *question) comparesShares() bool { return q.kind == errorsOfLive || q.kind == unansweredOfLive }

// threshold is what the e-value must reach.
func (q *question) threshold() float64 {
	if q.limit() && q.brokenBaseline == nil {
		return 1 / q.alpha
	}
	return 1 / (q.alpha * (1 - boundShare))
}

// dispersion is how many bad requests count as one event.
func (q *question) dispersion() float64 {
	if q.Dispersion == nil {
		return 1
	}
	return q.Dispersion.size()
}

// baselineBound returns a bound on live's share of bad trials from what it did before.
func (q *question) baselineBound(live tally, among int) float64 {
	if events := live.per(q.dispersion()); q.knownBound == 0 || q.boundOf != events {
		q.knownBound, q.boundOf = events.atMost(q.alpha*boundShare/float64(among)), events
	}
	return q.knownBound
}

// allowedByBaseline returns the share of bad trials that what live did before allows
// green. From 1 on nothing that green does would be too much.
func (q *question) allowedByBaseline(live tally, tolerance float64, among int) float64 {
	allowed := otherTimeFactor * q.baselineBound(live, among)
	if q.comparesShares() {
		allowed *= 1 + tolerance
	}
	return allowed
}

// addSideBySide takes in what both sides did in the same time.
func (q *question) addSideBySide(at time.Time, c count, tolerance float64) {
	worse := 1.0
	if q.comparesShares() {
		worse += tolerance
	}
	if c.Pair.Live.N > 0 && c.Pair.Green.N > 0 {
		lump := q.dispersion()
		q.Evidence.update(at, q.Seen, q.threshold(), func(ratio float64) float64 { return c.Pair.against(c.Guess, ratio, worse) / lump })
	}
	q.Seen = q.Seen.plus(c.Pair)
}

// addWithoutLive takes in what green did while live had nothing, against what live
// had done before. among is how many thresholds that could have been held
// against: the one in use was chosen looking at them all.
func (q *question) addWithoutLive(at time.Time, green, live tally, tolerance float64, among int) {
	if live.N == 0 || green.N == 0 {
		return
	}
	allowed, lump := q.allowedByBaseline(live, tolerance, among), q.dispersion()
	q.Evidence.update(at, q.Seen, q.threshold(), func(ratio float64) float64 { return green.above(allowed, ratio) / lump })
	q.Seen.Green = q.Seen.Green.plus(green)
	q.WithoutLive += green.N
}

// addLimit takes in what green did against a limit.
func (q *question) addLimit(at time.Time, interval teal.Interval, tolerance float64) {
	green := q.bad(interval.Green)
	if green.N == 0 {
		return
	}
	allowed := q.allowed(tolerance)
	q.Evidence.update(at, q.Seen, q.threshold(), func(ratio float64) float64 { return green.above(allowed, ratio) })
	q.Seen = q.Seen.plus(pair{q.bad(interval.Live), green})
}

// allowed is the share of bad trials that a limit allows.
func (q *question) allowed(tolerance float64) float64 {
	if q.brokenBaseline == nil {
		return q.share
	}
	return math.Max(q.share, otherTimeFactor*(1+tolerance)*q.baselineBound(*q.brokenBaseline, 1))
}

// resolution is the width of the buckets of a latency sketch with an error of
// 1 %: only what is certainly above a limit counts as above it.
const resolution = 1.0203

// bad counts what a limit is about.
func (q *question) bad(m teal.Measurement) tally {
	if q.kind == errorLimit {
		return failed(m)
	}
	return slower(m, time.Duration(float64(q.bound)*resolution))
}

// questions returns what a policy asks of the measurements, each with its part
// of α. The parts add up to α, so the probability that any of them says fail of
// a green that is no worse is at most α.
func questions(b Beginning) []*question {
	policy := b.Policy
	var list []*question
	if policy.Compare != "" {
		list = append(list, &question{
			kind: errorsOfLive, name: "error rate", weight: 6,
			asked: "does " + b.newName() + " fail more often than " + b.currentName() + "?",
		}, &question{
			kind: unansweredOfLive, name: "unanswered requests", weight: 1, percentile: "p90", quantile: 0.90,
			asked: "do clients of " + b.newName() + " give up more often than those of " + b.currentName() + "?",
		})
	}
	if policy.ErrorRate != nil {
		list = append(list, &question{
			kind: errorLimit, name: "error rate limit", weight: 3,
			share: float64(*policy.ErrorRate) / float64(teal.All),
			asked: "does " + b.newName() + " fail more than " + policy.ErrorRate.String() + " % of its requests?",
		})
	}
	for _, p := range percentiles(policy.Latency) {
		if p.compared && policy.Compare != "" {
			list = append(list, &question{
				kind: latencyOfLive, name: "latency " + p.name, percentile: p.name, quantile: p.quantile, weight: p.weight,
				asked: "is " + b.newName() + " slower than " + b.currentName() + " at " + p.name + "?",
			})
		}
		if p.limit > 0 {
			list = append(list, &question{
				kind: latencyLimit, name: "latency " + p.name + " limit", percentile: p.name, quantile: p.quantile, weight: 1,
				share: 1 - p.quantile, bound: p.limit.Std(),
				asked: "is the " + p.name + " of " + b.newName() + " above " + p.limit.String() + "?",
			})
		}
	}
	weights := 0.0
	for _, q := range list {
		weights += q.weight
	}
	for _, q := range list {
		q.alpha = policy.AlphaOrDefault() * q.weight / weights
		q.Name = q.name
		if !q.limit() {
			q.Dispersion = &dispersion{}
		}
		q.excuseBrokenLimit(b.Baseline, policy.MinRequestsOrDefault())
	}
	return list
}

// excuseBrokenLimit turns a limit that live had broken before the release into a comparison
// with that. A handful of requests is no excuse, and an outage is one only while
// it lasts.
func (q *question) excuseBrokenLimit(baseline *teal.Measurement, least int) {
	if !q.limit() || baseline == nil {
		return
	}
	judge := func(m teal.Measurement) {
		if was := q.bad(m); was.N >= int64(least) && was.rate() > q.share && (q.brokenBaseline == nil || was.rate() > q.brokenBaseline.rate()) {
			q.brokenBaseline = &was
		}
	}
	judge(*baseline)
	if out := baseline.Outage; out != nil && out.Ongoing {
		judge(out.Measurement)
	}
}

type percentile struct {
	name     string
	quantile float64
	limit    teal.Duration
	compared bool
	weight   float64
}

// percentiles returns those that are looked at. Live and green are compared at
// three, whichever have limits: the middle, the slow tenth and the tail.
func percentiles(limits teal.Percentiles) []percentile {
	return []percentile{
		{"p50", 0.50, limits.P50, true, 1},
		{"p90", 0.90, limits.P90, true, 1},
		{"p95", 0.95, limits.P95, false, 0},
		{"p99", 0.99, limits.P99, true, 2},
	}
}

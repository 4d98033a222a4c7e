package analysis

import (
	"encoding/json"
	"math"
	"time"

	"teal"
)

// Judge judges green by its measurements. It is for one goroutine at a time.
type Judge struct {
	policy    teal.Judging
	questions []*question
	compared  []*question // those of questions that compare with live in the same time
	tolerance float64
	memory
}

// memory is what a Judge knows besides the policy and the baseline.
type memory struct {
	Step  int   `json:"step"`
	Since int64 `json:"since"` // requests of green since the step began
	Quiet int64 `json:"quiet"` // requests of green since the last one of live
	// Total is what both did in the whole release; Before is what live did before
	// it, and Total.Live is not in it.
	Total  pair  `json:"total"`
	Before tally `json:"before"`
	// Live has the latencies from before the release too.
	Live  histogram `json:"live"`
	Green histogram `json:"green"`
	Block block     `json:"block"`
	Fresh fresh     `json:"fresh"` // errors that live never had
}

// most bounds a count; what claims more is taken for as much.
const most = 1e12

// New returns the judge of one release. baseline is what live did before the
// release moved any traffic, nil when nothing is known. state is what State of
// another Judge with the same policy and baseline returned, and the new one goes
// on from there; nil begins. It returns an error with teal.CodeInvalidInput when
// state is of another policy, or of no Judge.
func New(policy teal.Judging, baseline *teal.Measurement, state json.RawMessage) (*Judge, error) {
	if baseline != nil {
		m := sane(*baseline)
		baseline = &m
	}
	j := &Judge{
		policy:    policy,
		questions: questions(policy, baseline),
		tolerance: float64(policy.ToleranceOrDefault()) / float64(teal.All),
	}
	for _, q := range j.questions {
		if !q.limit() {
			j.compared = append(j.compared, q)
		}
	}
	if len(state) > 0 {
		return j, j.restore(state)
	}
	if baseline != nil {
		j.Before = failed(*baseline)
		j.Live.add(baseline.Latency)
	}
	return j, nil
}

// Begin says that a step begins, from 1: the least number of requests that a
// pass needs counts from here. Saying it again changes nothing.
func (j *Judge) Begin(step int) {
	if step != j.Step {
		j.Step, j.Since = step, 0
	}
}

// Add takes in what was measured in an interval that no other one covers. After
// a verdict of fail it only counts.
func (j *Judge) Add(interval teal.Interval) {
	j.Fresh.note(interval.NewErrors)
	interval.Live, interval.Green = sane(interval.Live), sane(interval.Green)
	if interval.Live.Requests == 0 && interval.Green.Requests == 0 {
		return
	}
	j.Since += interval.Green.Requests
	if j.Quiet += interval.Green.Requests; interval.Live.Requests > 0 {
		j.Quiet = 0
	}
	if j.failed() == nil {
		j.bet(interval)
	}
	j.Total = j.Total.plus(pair{failed(interval.Live), failed(interval.Green)})
	j.Live.add(interval.Live.Latency)
	j.Green.add(interval.Green.Latency)
	for _, q := range j.questions {
		if q.Failed == "" && q.Bets.value() >= q.threshold() {
			q.Failed = j.seen(q)
		}
	}
}

// sane returns a measurement that can be: meters that ask somebody else round
// and interpolate.
func sane(m teal.Measurement) teal.Measurement {
	m.Requests = min(max(m.Requests, 0), most)
	m.Errors = min(max(m.Errors, 0), m.Requests)
	for i, l := range m.Latency {
		if l.Count < 0 || l.Count > most {
			kept := append([]teal.LatencyCount(nil), m.Latency...)
			for k := i; k < len(kept); k++ {
				kept[k].Count = min(max(kept[k].Count, 0), most)
			}
			m.Latency = kept
			break
		}
	}
	return m
}

// bet puts an interval to all questions. What the judge has learnt from the
// interval itself must not be in the thresholds that it is held against.
func (j *Judge) bet(interval teal.Interval) {
	for _, q := range j.questions {
		if q.limit() {
			q.beyond(interval.At, interval, j.tolerance)
		}
	}
	if j.Block.Live == 0 && j.Block.Green == 0 {
		j.open(interval.At)
	}
	j.Block.add(interval, j.compared, j.tolerance)
	settled := j.Block.settle(interval.At, j.Quiet, j.policy.MinRequestsOrDefault())
	if settled == open {
		return
	}
	for i, q := range j.compared {
		c := j.Block.Counts[i]
		switch settled {
		case sideBySide:
			q.sideBySide(interval.At, c, j.tolerance)
		case withoutLive:
			live, among := j.past(q, c.Threshold)
			q.withoutLive(interval.At, c.Pair.Green, live, j.tolerance, among)
		}
		q.Lumps.add(interval.At, c.Pair.Live, c.Threshold)
	}
	j.Block.Live, j.Block.Green = 0, 0
}

// open begins a block: it sets the thresholds and guesses from what is past.
func (j *Judge) open(at time.Time) {
	j.Block.At = at.UnixMilli()
	if j.Block.Counts == nil {
		j.Block.Counts = make([]count, len(j.compared))
	}
	for i, q := range j.compared {
		c := count{}
		if q.kind == latencyOfLive {
			c.Threshold = j.Live.quantile(q.quantile)
		}
		live, _ := j.past(q, c.Threshold)
		c.Guess = live.guess()
		j.Block.Counts[i] = c
	}
}

// past returns what live did so far, before the release and in it, and how many
// thresholds it could have been counted by.
func (j *Judge) past(q *question, threshold time.Duration) (live tally, among int) {
	if q.kind == errorsOfLive {
		return j.Before.plus(j.Total.Live), 1
	}
	return j.Live.slower(threshold), len(edges)
}

// failed returns the question that failed with the strongest evidence, or nil.
func (j *Judge) failed() *question {
	var worst *question
	for _, q := range j.questions {
		if q.Failed != "" && (worst == nil || q.certainty() > worst.certainty()) {
			worst = q
		}
	}
	return worst
}

// certainty is how far the e-value has got on its way to the threshold; 1 is
// there.
func (q *question) certainty() float64 {
	return math.Log(q.Bets.value()) / math.Log(q.threshold())
}

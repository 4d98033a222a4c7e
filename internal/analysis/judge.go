package analysis

import (
	"math"
	"slices"
	"time"

	"teal"
)

// Judge judges green by its measurements. It is for one goroutine at a time.
type Judge struct {
	policy    teal.Judging
	questions []*question
	compared  []*question // those of questions that compare with live in the same time
	tolerance float64
	// What people are told that the two versions are.
	current, new string
	memory
}

// memory is what a Judge knows besides the policy and the baseline.
type memory struct {
	Step     int   `json:"step"`
	Answered int64 `json:"since"` // requests of green that were answered since the step began
	// Failed is how many of Since were failed, and Gone how many more were not
	// answered.
	Failed     int64 `json:"failed"`
	Unanswered int64 `json:"gone"`
	SinceLive  int64 `json:"quiet"` // requests of green since the last one of live
	// Total is what both did in the whole release; Before is what live did before
	// it, and Total.Live is not in it.
	Total  pair  `json:"total"`
	Before tally `json:"before"`
	// Live has the latencies from before the release too, without those of
	// outages; LiveGone is how long clients waited for live until they gave up.
	Live      histogram `json:"live"`
	LiveWaits histogram `json:"live_gone"`
	Green     histogram `json:"green"`
	Block     block     `json:"block"`
	Outages   outages   `json:"outages"` // of live
	NewErrors newErrors `json:"fresh"`   // errors that live never had
}

// maxCount bounds a count; what claims more is taken for as much.
const maxCount = 1e12

// New returns the judge of one release, which goes on from where it is said to
// begin. It returns an error with teal.CodeInvalidInput when the state is of
// another policy, or of no Judge.
func New(b Beginning) (*Judge, error) {
	if b.Baseline != nil {
		m := clamped(*b.Baseline)
		b.Baseline = &m
	}
	j := &Judge{
		policy: b.Policy, current: b.currentName(), new: b.newName(),
		questions: questions(b),
		tolerance: float64(b.Policy.ToleranceOrDefault()) / float64(teal.All),
	}
	for _, q := range j.questions {
		if !q.limit() {
			j.compared = append(j.compared, q)
		}
	}
	if len(b.State) > 0 {
		return j, j.restore(b.State)
	}
	if baseline := b.Baseline; baseline != nil {
		j.Before = failed(*baseline)
		j.Live.add(baseline.Latency)
		j.LiveWaits.add(waits(*baseline))
		j.Outages.fromBaseline(baseline.Outage)
	}
	return j, nil
}

// Begin says that a step begins, from 1: the least number of requests that a
// pass needs counts from here. Saying it again changes nothing.
func (j *Judge) Begin(step int) {
	if step != j.Step {
		j.Step, j.Answered, j.Failed, j.Unanswered = step, 0, 0, 0
	}
}

// Add takes in what was measured in an interval that no other one covers. After
// a verdict of fail it only counts.
func (j *Judge) Add(interval teal.Interval) {
	j.NewErrors.note(interval.NewErrors)
	interval.Live, interval.Green = clamped(interval.Live), clamped(interval.Green)
	if interval.Live.Received() == 0 && interval.Green.Received() == 0 {
		return
	}
	j.Answered += interval.Green.Requests
	j.Failed += interval.Green.Errors
	j.Unanswered += interval.Green.Unanswered
	if j.SinceLive += interval.Green.Received(); interval.Live.Received() > 0 {
		j.SinceLive = 0
	}
	if j.failed() == nil {
		j.addEvidence(interval)
	}
	j.Total = j.Total.plus(pair{failed(interval.Live), failed(interval.Green)})
	j.Live.add(interval.Live.Latency)
	j.LiveWaits.add(waits(interval.Live))
	j.Green.add(interval.Green.Latency)
	j.trackOutages(interval)
	for _, q := range j.questions {
		if q.Failed == "" && q.Evidence.eValue() >= q.threshold() {
			q.Failed = j.seen(q)
		}
	}
}

// clamped returns a measurement that can be: meters that ask somebody else round
// and interpolate.
func clamped(m teal.Measurement) teal.Measurement {
	m.Requests = min(max(m.Requests, 0), maxCount)
	m.Errors = min(max(m.Errors, 0), m.Requests)
	m.Unanswered = min(max(m.Unanswered, 0), maxCount)
	m.Latency = clampedCounts(m.Latency, maxCount)
	m.Waited = clampedCounts(m.Waited, m.Unanswered)
	return m
}

// clampedCounts returns counts none of which is negative, and that add up to no more
// than a number.
func clampedCounts(list teal.Latencies, most int64) teal.Latencies {
	left := most
	wrong := slices.ContainsFunc(list, func(l teal.LatencyCount) bool {
		if l.Count < 0 || l.Count > left {
			return true
		}
		left -= l.Count
		return false
	})
	if !wrong {
		return list
	}
	list, left = slices.Clone(list), most
	for i := range list {
		list[i].Count = min(max(list[i].Count, 0), left)
		left -= list[i].Count
	}
	return list
}

// addEvidence puts an interval to all questions. What the judge has learnt from the
// interval itself must not be in the thresholds that it is held against.
func (j *Judge) addEvidence(interval teal.Interval) {
	for _, q := range j.questions {
		if q.limit() {
			q.addLimit(interval.At, interval, j.tolerance)
		}
	}
	if j.Block.Live == 0 && j.Block.Green == 0 {
		j.openBlock(interval.At)
	}
	j.Block.add(interval, j.compared, j.tolerance)
	settled := j.Block.mode(interval.At, j.SinceLive, j.policy.MinRequestsOrDefault())
	if settled == open {
		return
	}
	for i, q := range j.compared {
		c := j.Block.Counts[i]
		switch settled {
		case sideBySide:
			q.addSideBySide(interval.At, c, j.tolerance)
		case withoutLive:
			live, among := j.usualSoFar(q, c.Threshold)
			if j.Outages.Ongoing { // live might do the same now
				live = tally{}
			}
			q.addWithoutLive(interval.At, c.Pair.Green, live, j.tolerance, among)
		}
		q.Dispersion.add(interval.At, c.Pair.Live, c.Threshold)
	}
	j.Block.Live, j.Block.Green = 0, 0
}

// openBlock begins a block: it sets the thresholds and guesses from what is past.
func (j *Judge) openBlock(at time.Time) {
	j.Block.At = at.UnixMilli()
	if j.Block.Counts == nil {
		j.Block.Counts = make([]count, len(j.compared))
	}
	for i, q := range j.compared {
		c := count{Threshold: j.threshold(q)}
		live, _ := j.usualSoFar(q, c.Threshold)
		c.Guess = live.guess()
		j.Block.Counts[i] = c
	}
}

// threshold is the latency that live's and green's are held against now.
func (j *Judge) threshold(q *question) time.Duration {
	if q.kind == errorsOfLive {
		return 0
	}
	return j.Live.quantile(q.quantile)
}

// usuallyAnswered is how live usually answered, before the release and in it.
func (j *Judge) usuallyAnswered() tally { return j.Before.plus(j.Total.Live).minus(j.Outages.Excluded) }

// usualSoFar returns what live usually did so far, before the release and in it, and
// how many thresholds it could have been counted by.
func (j *Judge) usualSoFar(q *question, threshold time.Duration) (live tally, among int) {
	if q.kind == errorsOfLive {
		return j.usuallyAnswered(), 1
	}
	gone := j.LiveWaits.slower(threshold).Bad
	late := tally{gone, gone}
	if q.kind == unansweredOfLive {
		return late.plus(tally{N: j.usuallyAnswered().N}), len(edges)
	}
	if j.Live.total == 0 { // this meter knows no latencies
		return tally{}, len(edges)
	}
	return j.Live.slower(threshold).plus(late), len(edges)
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
	return math.Log(q.Evidence.eValue()) / math.Log(q.threshold())
}

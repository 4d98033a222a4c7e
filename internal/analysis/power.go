package analysis

import "teal"

// fineShare is the share of bad requests up to which green is good by itself, whatever
// live did: the cure of a version that fails most of its requests must pass.
const fineShare = 0.05

// whyUnprotected says why a question cannot find green worse however bad it is; ""
// when it can, and when green is good by itself.
func (j *Judge) whyUnprotected(q *question) string {
	if j.isFine(q) {
		return ""
	}
	return j.whyPowerless(q)
}

// isFine reports whether green is good by itself at what a question is about.
func (j *Judge) isFine(q *question) bool {
	switch q.kind {
	case errorsOfLive:
		return tally{j.Answered, j.Failed}.rate() <= fineShare
	case unansweredOfLive:
		return tally{j.Answered + j.Unanswered, j.Unanswered}.rate() <= fineShare
	case latencyOfLive:
		return j.Green.quantile(q.quantile) <= tolerated(j.threshold(q), j.tolerance)
	case errorLimit:
		return tally{j.Answered, j.Failed}.rate() <= q.share
	case latencyLimit:
	}
	return q.Seen.Green.rate() <= q.share
}

// whyPowerless says why a question would let green pass however bad it is: what it
// would be held against is itself broken, or not known well enough. A limit of the
// policy's that live has kept always has power.
func (j *Judge) whyPowerless(q *question) string {
	switch {
	case q.limit() && q.brokenBaseline == nil:
		return ""
	case q.limit():
		if q.brokenBaseline.rate() > max(teal.BrokenShare, q.share) || q.allowed(j.tolerance) >= 1 {
			return j.wasBroken(q, *q.brokenBaseline)
		}
		return ""
	case j.Outages.Ongoing:
		return j.Outages.describe(j.current)
	case q.kind == latencyOfLive:
		return j.whyNoLatency()
	}
	live, among := j.usualSoFar(q, j.threshold(q))
	switch {
	case q.kind == errorsOfLive && live.rate() > teal.BrokenShare:
		return j.wasBroken(q, live)
	case q.WithoutLive > 0 && q.allowedByBaseline(live, j.tolerance, among) >= 1:
		return j.tooFewKnown(live)
	}
	return ""
}

// whyNoLatency says why no percentile can be held against green; "" when one
// can. The median alone is no loss: it takes many requests to know it well.
func (j *Judge) whyNoLatency() string {
	why := ""
	for _, q := range j.compared {
		if q.kind != latencyOfLive || q.WithoutLive == 0 {
			continue
		}
		live, among := j.usualSoFar(q, j.threshold(q))
		if q.allowedByBaseline(live, j.tolerance, among) < 1 {
			return ""
		}
		why = j.tooFewKnown(live)
	}
	return why
}

func (j *Judge) tooFewKnown(live tally) string {
	return "only " + number(live.N) + " requests of " + j.current + " are known, so even a version that fails every request could do so by chance"
}

// wasBroken says how live did at what a question is about.
func (j *Judge) wasBroken(q *question, live tally) string {
	if q.kind == latencyLimit {
		return j.current + " was already too slow for " + percent(live.rate()) + " of its requests"
	}
	return j.current + " was already failing " + percent(live.rate()) + " of its requests"
}

// describe says in which way live was broken when it was last seen.
func (o *outages) describe(current string) string {
	all := tally{o.Answered.N + o.Unanswered, o.Unanswered}
	switch {
	case o.Answered.rate() > teal.BrokenShare:
		return current + " was failing " + percent(o.Answered.rate()) + " of its requests when it was last seen"
	case all.rate() > teal.BrokenShare:
		return "clients of " + current + " were giving up on " + percent(all.rate()) + " of its requests when it was last seen"
	}
	return current + " was far slower than usual when it was last seen"
}

// The least that makes unanswered requests many.
const (
	manyUnanswered      = 5
	manyUnansweredShare = 0.1
)

// isAbandoned reports whether clients give up on so many of green's requests, and
// on so many more than on live's, that those which were answered do not speak for
// it.
func (j *Judge) isAbandoned() bool {
	green := tally{j.Answered + j.Unanswered, j.Unanswered}
	live := tally{j.usuallyAnswered().N + j.LiveWaits.total, j.LiveWaits.total}
	return j.Unanswered >= manyUnanswered && green.rate() > max(manyUnansweredShare, 2*live.rate())
}

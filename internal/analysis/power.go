package analysis

import "teal"

// fine is the share of bad requests up to which green is good by itself, whatever
// live did: the cure of a version that fails most of its requests must pass.
const fine = 0.05

// unprotected says why a question cannot find green worse however bad it is; ""
// when it can, and when green is good by itself.
func (j *Judge) unprotected(q *question) string {
	if j.isFine(q) {
		return ""
	}
	return j.powerless(q)
}

// isFine reports whether green is good by itself at what a question is about.
func (j *Judge) isFine(q *question) bool {
	switch q.kind {
	case errorsOfLive:
		return tally{j.Since, j.Failed}.rate() <= fine
	case unansweredOfLive:
		return tally{j.Since + j.Gone, j.Gone}.rate() <= fine
	case latencyOfLive:
		return j.Green.quantile(q.quantile) <= tolerated(j.threshold(q), j.tolerance)
	case errorLimit:
		return tally{j.Since, j.Failed}.rate() <= q.share
	case latencyLimit:
	}
	return q.Seen.Green.rate() <= q.share
}

// powerless says why a question would let green pass however bad it is: what it
// would be held against is itself broken, or not known well enough. A limit of the
// policy's that live has kept always has power.
func (j *Judge) powerless(q *question) string {
	switch {
	case q.limit() && q.broken == nil:
		return ""
	case q.limit():
		if q.broken.rate() > max(teal.BrokenShare, q.share) || q.allowed(j.tolerance) >= 1 {
			return j.was(q, *q.broken)
		}
		return ""
	case j.Outages.Ongoing:
		return j.Outages.how(j.current)
	case q.kind == latencyOfLive:
		return j.knowsNoLatency()
	}
	live, among := j.past(q, j.threshold(q))
	switch {
	case q.kind == errorsOfLive && live.rate() > teal.BrokenShare:
		return j.was(q, live)
	case q.Alone > 0 && q.beforeAllows(live, j.tolerance, among) >= 1:
		return j.tooLittle(live)
	}
	return ""
}

// knowsNoLatency says why no percentile can be held against green; "" when one
// can. The median alone is no loss: it takes many requests to know it well.
func (j *Judge) knowsNoLatency() string {
	why := ""
	for _, q := range j.compared {
		if q.kind != latencyOfLive || q.Alone == 0 {
			continue
		}
		live, among := j.past(q, j.threshold(q))
		if q.beforeAllows(live, j.tolerance, among) < 1 {
			return ""
		}
		why = j.tooLittle(live)
	}
	return why
}

func (j *Judge) tooLittle(live tally) string {
	return "only " + number(live.N) + " requests of " + j.current + " are known, so even a version that fails every request could do so by chance"
}

// was says how live did at what a question is about.
func (j *Judge) was(q *question, live tally) string {
	if q.kind == latencyLimit {
		return j.current + " was already too slow for " + percent(live.rate()) + " of its requests"
	}
	return j.current + " was already failing " + percent(live.rate()) + " of its requests"
}

// how says in which way live was broken when it was last seen.
func (o *outages) how(current string) string {
	all := tally{o.Did.N + o.Gone, o.Gone}
	switch {
	case o.Did.rate() > teal.BrokenShare:
		return current + " was failing " + percent(o.Did.rate()) + " of its requests when it was last seen"
	case all.rate() > teal.BrokenShare:
		return "clients of " + current + " were giving up on " + percent(all.rate()) + " of its requests when it was last seen"
	}
	return current + " was far slower than usual when it was last seen"
}

// The least that makes unanswered requests many.
const (
	manyGone      = 5
	manyGoneShare = 0.1
)

// abandoned reports whether clients give up on so many of green's requests, and
// on so many more than on live's, that those which were answered do not speak for
// it.
func (j *Judge) abandoned() bool {
	green := tally{j.Since + j.Gone, j.Gone}
	live := tally{j.answered().N + j.LiveGone.total, j.LiveGone.total}
	return j.Gone >= manyGone && green.rate() > max(manyGoneShare, 2*live.rate())
}

package analysis

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"teal"
)

// Judgement is the verdict on everything so far.
func (j *Judge) Judgement(now time.Time) teal.Judgement {
	if len(j.questions) == 0 && j.policy.NewErrors != teal.NewErrorsFail {
		return teal.Judgement{Verdict: teal.VerdictPass, Reason: "the policy asks nothing of the measurements", Findings: j.newErrorsFinding(nil, now)}
	}
	findings := make([]teal.Finding, 0, len(j.questions)+1)
	for _, q := range j.questions {
		verdict := j.verdict(q)
		if verdict == "" {
			continue
		}
		value, threshold := q.Evidence.eValue(), q.threshold()
		finding := teal.Finding{
			At: now, Step: j.Step, Name: q.name, Asked: q.asked, Seen: q.Failed,
			Statistic: &value, Threshold: &threshold, Verdict: verdict,
		}
		if q.Failed == "" {
			finding.Seen = j.seen(q)
		}
		findings = append(findings, finding)
	}
	findings = j.newErrorsFinding(findings, now)
	judgement := teal.Judgement{Verdict: teal.VerdictPass, Findings: findings}
	for _, f := range findings {
		judgement.Verdict = teal.Combine(judgement.Verdict, f.Verdict)
	}
	if judgement.Verdict != teal.VerdictFail && !j.hasEnough() {
		judgement.Verdict = teal.VerdictInconclusive
	}
	judgement.Reason = j.reason(judgement.Verdict)
	judgement.Doubtful = judgement.Verdict == teal.VerdictInconclusive && j.doubtful()
	return judgement
}

// doubtful reports whether green looks bad without that being certain, or where
// nothing could make it certain.
func (j *Judge) doubtful() bool {
	return j.isAbandoned() || slices.ContainsFunc(j.questions, func(q *question) bool { return q.doubtful() || j.whyUnprotected(q) != "" })
}

// hasEnough reports whether green has had the requests that a pass needs.
func (j *Judge) hasEnough() bool { return j.Answered >= int64(j.policy.MinRequestsOrDefault()) }

// verdict answers one question; "" is one that cannot be asked of what is
// measured.
func (j *Judge) verdict(q *question) teal.Verdict {
	switch {
	case q.Failed != "":
		return teal.VerdictFail
	case q.kind == latencyOfLive && j.Live.quantile(q.quantile) == 0 && (j.Live.total > 0) == (j.Green.total > 0),
		q.kind == unansweredOfLive && j.LiveWaits.total == 0 && q.Seen.Green.Bad == 0 && j.Unanswered == 0:
		return ""
	case !j.hasEnough() || j.isAbandoned() || j.missingData(q) != "" || q.doubtful() || j.whyUnprotected(q) != "":
		return teal.VerdictInconclusive
	}
	return teal.VerdictPass
}

// missingData says what is missing for a question besides requests of green.
func (j *Judge) missingData(q *question) string {
	switch live := j.Before.N + j.Total.Live.N; {
	case q.comparesShares() && live == 0:
		return j.current + " has had no requests to compare with"
	case q.comparesShares() && live < int64(j.policy.MinRequestsOrDefault()):
		return j.current + " has had only " + number(live) + " requests to compare with"
	case q.kind == latencyOfLive && j.Live.total == 0:
		return "no latency of " + j.current + " has been measured"
	case q.kind == latencyOfLive && j.Green.total == 0, q.kind == latencyLimit && q.Seen.Green.N == 0:
		return "no latency of " + j.new + " has been measured"
	}
	return ""
}

// doubtful reports whether green looks worse without it being certain: half way
// to the threshold, as evidence is counted. It is not the time to go on.
func (q *question) doubtful() bool { return q.certainty() >= 0.5 }

// newErrorsFinding appends the finding on new errors.
func (j *Judge) newErrorsFinding(findings []teal.Finding, now time.Time) []teal.Finding {
	fail := j.policy.NewErrors == teal.NewErrorsFail
	if j.policy.NewErrors == teal.NewErrorsIgnore || j.NewErrors.Count == 0 && !fail {
		return findings
	}
	finding := teal.Finding{
		At: now, Step: j.Step, Name: "new errors", Asked: "does " + j.new + " have errors that " + j.current + " never had?",
		Seen: j.NewErrors.seen(), Verdict: teal.VerdictPass,
	}
	switch {
	case j.NewErrors.Count > 0 && fail:
		finding.Verdict = teal.VerdictFail
	case fail && !j.hasEnough():
		finding.Verdict = teal.VerdictInconclusive
	}
	if j.NewErrors.Count > 0 {
		finding.Output = j.NewErrors.First[0].Stack
	}
	return append(findings, finding)
}

// reason says in one sentence what a person must know.
func (j *Judge) reason(verdict teal.Verdict) string {
	switch verdict {
	case teal.VerdictFail:
		if q := j.failed(); q != nil {
			return q.Failed
		}
		return j.new + " has an error that " + j.current + " never had: " + j.NewErrors.seen()
	case teal.VerdictPass:
		for _, q := range j.questions {
			if why := j.whyPowerless(q); why != "" {
				return "nothing found against " + j.new + ", but the release is unprotected: " + why + "; " + j.summary()
			}
		}
		if j.policy.Compare == "" {
			return j.new + " is within its limits: " + j.summary()
		}
		return j.new + " is not worse: " + j.summary()
	}
	for _, q := range j.questions {
		if q.doubtful() {
			return j.new + " looks worse, not certain yet: " + j.seen(q)
		}
	}
	for _, q := range j.questions {
		if why := j.whyUnprotected(q); why != "" {
			return "cannot judge, so the release is unprotected: " + why + "; " + j.seen(q)
		}
	}
	if !j.hasEnough() || j.isAbandoned() {
		return j.waiting()
	}
	for _, q := range j.questions {
		if lacking := j.missingData(q); lacking != "" {
			return lacking
		}
	}
	return j.waiting()
}

func (j *Judge) waiting() string {
	since := ""
	if j.Step > 0 {
		since = " since step " + strconv.Itoa(j.Step) + " began"
	}
	if j.Unanswered > 0 {
		return j.new + " has answered " + number(j.Answered) + " of " + number(j.Answered+j.Unanswered) + " requests" + since + ", the other clients gave up; a verdict needs " +
			strconv.Itoa(j.policy.MinRequestsOrDefault()) + " answers, and most requests answered"
	}
	if j.Answered == 0 {
		if since != "" {
			return "no requests on " + j.new + since
		}
		return "no requests on " + j.new + " yet"
	}
	return "too little traffic: " + number(j.Answered) + " of " + strconv.Itoa(j.policy.MinRequestsOrDefault()) +
		" requests on " + j.new + since
}

func (j *Judge) summary() string {
	text := "failed " + share(j.Total.Green)
	if j.Unanswered > 0 {
		text += ", clients gave up on " + number(j.Unanswered) + " more"
	}
	if j.policy.Compare == "" {
		return text
	}
	if j.Total.Live.N == 0 {
		return text + "; " + j.current + " before the release: " + share(j.Before)
	}
	return text + "; " + j.current + ": " + share(j.Total.Live)
}

// seen describes what a question has seen: all of it, or, when that has become
// suspicious, what came since the strongest alternative was invested in.
func (j *Judge) seen(q *question) string {
	if j.Total.Green.N == 0 && j.Unanswered == 0 && q.Seen.Green.N == 0 {
		return "no requests on " + j.new + " yet"
	}
	window, since := pair{}, ""
	if q.kind == errorsOfLive || q.kind == errorLimit {
		window = j.Total
	} else {
		window = q.Seen
	}
	if best := q.Evidence.strongest(); q.doubtful() && best.investments > 1 {
		window = q.Seen.minus(best.seenBefore)
		since = " since " + time.UnixMilli(best.investedAt).UTC().Format("15:04:05 MST")
	}
	if window.Green.N == 0 {
		return "nothing to compare yet" + j.unansweredText()
	}
	switch q.kind {
	case errorsOfLive:
		return j.new + " failed " + share(window.Green) + since + j.comparisonText(q, window.Live)
	case unansweredOfLive:
		return "clients of " + j.new + " gave up on " + share(window.Green) + j.waitText(q) + since + j.comparisonText(q, window.Live)
	case errorLimit:
		return j.new + " failed " + share(window.Green) + since + "; " + j.limitText(q)
	case latencyOfLive:
		return j.percentilesText(q) + j.new + ": " + share(window.Green) + " exceeded current " + q.percentile + " + " + j.toleranceText(q) +
			since + j.comparisonText(q, window.Live) + j.unansweredText()
	case latencyLimit:
	}
	return j.new + ": " + share(window.Green) + " took longer than " + teal.Duration(q.bound).String() + since + "; " + j.limitText(q) + j.unansweredText()
}

// unansweredText says how many of the latencies of green are waits.
func (j *Judge) unansweredText() string {
	if j.Unanswered == 0 {
		return ""
	}
	return "; clients of " + j.new + " gave up on " + number(j.Unanswered) + " requests"
}

// comparisonText says what live did, in the same time or before.
func (j *Judge) comparisonText(q *question, live tally) string {
	if q.WithoutLive == 0 && (live.N > 0 || j.Before.N == 0) {
		return "; " + j.current + ": " + share(live)
	}
	before, among := j.usualSoFar(q, j.threshold(q))
	text := "; baseline before the switch: " + share(before)
	if live.N > 0 {
		text = "; " + j.current + " while it had traffic: " + share(live)
	}
	if q.WithoutLive == 0 {
		return text
	}
	if allowed := q.allowedByBaseline(before, j.tolerance, among); allowed < 1 {
		return text + ", allowed: " + percent(allowed)
	}
	return text + ", too little to compare with"
}

// waitText is how long clients must have waited for it to count.
func (j *Judge) waitText(q *question) string {
	if live := j.threshold(q); live > 0 {
		return " after more than current " + q.percentile
	}
	return ""
}

// percentilesText holds the percentiles of both against each other, where they are
// known.
func (j *Judge) percentilesText(q *question) string {
	green, live := j.Green.quantile(q.quantile), j.Live.quantile(q.quantile)
	if green == 0 || live == 0 {
		return ""
	}
	return q.percentile + " about " + about(green) + ", current about " + about(live) + "; "
}

// toleranceText is how much longer than live's percentile green's requests may take.
func (j *Judge) toleranceText(q *question) string {
	live := j.Live.quantile(q.quantile)
	if more := tolerated(live, j.tolerance) - live; live == 0 || more > unnoticeableDelay {
		return j.policy.ToleranceOrDefault().String() + " %"
	}
	return teal.Duration(unnoticeableDelay).String()
}

// about formats a latency with the two digits that a histogram is good for.
func about(d time.Duration) string {
	unit := time.Duration(1)
	for d >= 100*unit {
		unit *= 10
	}
	return teal.Duration(d.Round(unit)).String()
}

// limitText says what a limit allows, and why it may be more than the policy says.
func (j *Judge) limitText(q *question) string {
	if q.brokenBaseline == nil {
		return "the limit is " + percent(q.share)
	}
	return j.current + " exceeded the limit of " + percent(q.share) + " before the release (" + share(*q.brokenBaseline) +
		"), so " + j.new + " is held against that: at most " + percent(q.allowed(j.tolerance))
}

// share formats a tally: "23 of 110 requests (20.9 %)".
func share(t tally) string {
	b := make([]byte, 0, 40)
	b = strconv.AppendInt(b, t.Bad, 10)
	b = append(b, " of "...)
	b = strconv.AppendInt(b, t.N, 10)
	b = append(b, " requests"...)
	if t.N > 0 {
		b = append(b, " ("...)
		b = append(b, percent(t.rate())...)
		b = append(b, ')')
	}
	return string(b)
}

// percent formats a share with as many digits as mean something.
func percent(rate float64) string {
	p := rate * 100
	decimals := 1
	if p < 1 && p > 0 {
		decimals = min(1-int(math.Floor(math.Log10(p))), 6)
	}
	text := strconv.FormatFloat(p, 'f', decimals, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

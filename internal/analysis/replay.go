package analysis

import (
	"io"
	"iter"
	"slices"
	"time"

	"teal"
)

// Look is what the judge said at one moment of a recording.
type Look struct {
	At      time.Time    `json:"at"`
	Verdict teal.Verdict `json:"verdict"`
	Reason  string       `json:"reason"`
	Seen    Seen         `json:"seen"`
	// Judgement is the whole of it, with the evidence.
	Judgement teal.Judgement `json:"-"`
}

// Seen is what both sides did from the beginning of the recording to the look.
type Seen struct {
	Live  Counts `json:"live"`
	Green Counts `json:"green"`
}

// Counts is how many requests a side answered, how many of them failed, and how
// many clients gave up before that.
type Counts struct {
	Requests   int64 `json:"requests"`
	Errors     int64 `json:"errors"`
	Unanswered int64 `json:"unanswered,omitempty"`
}

// Replay puts a recording to a judge with the given policy, or with that of the
// recording when policy is nil, and yields a look after every interval of it. The
// whole recording is read before the first look: when a line is wrong, the only
// thing yielded is an error with teal.CodeInvalidInput that names the line.
//
// A recording that begins with a judge, as WriteBegin writes it, is what that
// judge was told, word for word: with its own policy each look is what the release
// was decided by. In one without, what live did before green's first request is
// the baseline, and a nil policy is the default one.
func Replay(r io.Reader, policy *teal.Judging) iter.Seq2[Look, error] {
	return func(yield func(Look, error) bool) {
		events, err := read(r)
		if err != nil {
			yield(Look{}, err)
			return
		}
		p := replayer{policy: policy}
		for _, e := range events {
			if err := p.apply(e); err != nil {
				yield(Look{}, err)
				return
			}
			if e.interval != nil && !yield(p.look(*e.interval), nil) {
				return
			}
		}
	}
}

// replayer is a replay as far as it has got.
type replayer struct {
	policy *teal.Judging // nil: the recording's
	judge  *Judge
	seen   Seen
}

// apply does what the release did at an event.
func (p *replayer) apply(e event) (err error) {
	switch {
	case e.begin != nil && p.judge != nil && p.policy != nil:
		// What the judge went on from is of its own policy; ours just goes on.
	case e.begin != nil:
		p.judge, err = begin(*e.begin, p.policy)
	case e.step != 0:
		p.judge.Begin(e.step)
	default:
		if !e.before {
			p.judge.Add(*e.interval)
		}
		p.seen.Live.count(e.interval.Live)
		p.seen.Green.count(e.interval.Green)
	}
	return err
}

// begin returns the judge that a release had. Like the release it begins anew
// when it cannot go on from the state.
func begin(b Beginning, policy *teal.Judging) (*Judge, error) {
	if policy != nil {
		b.Policy, b.State = *policy, nil
	}
	j, err := New(b)
	if err != nil && b.State != nil {
		b.State = nil
		j, err = New(b)
	}
	return j, err
}

func (p *replayer) look(i teal.Interval) Look {
	judgement := p.judge.Judgement(i.At)
	return Look{At: i.At, Verdict: judgement.Verdict, Reason: judgement.Reason, Seen: p.seen, Judgement: judgement}
}

func (c *Counts) count(m teal.Measurement) {
	c.Requests += m.Requests
	c.Errors += m.Errors
	c.Unanswered += m.Unanswered
}

// withoutJudge makes events of a recording that does not begin with a judge: the
// judge of the default policy, whose baseline is what live did before green had
// any request.
func withoutJudge(intervals []teal.Interval) []event {
	first := slices.IndexFunc(intervals, func(i teal.Interval) bool { return i.Green.Received() > 0 })
	if first < 0 {
		first = len(intervals)
	}
	events := []event{
		{begin: &Beginning{Policy: teal.DefaultPolicy().Judge, Baseline: merged(intervals[:first])}},
		{step: 1},
	}
	for n := range intervals {
		events = append(events, event{interval: &intervals[n], before: n < first})
	}
	return events
}

// merged adds up what live did; nil of nothing.
func merged(intervals []teal.Interval) *teal.Measurement {
	if len(intervals) == 0 {
		return nil
	}
	var sum teal.Measurement
	for _, i := range intervals {
		sum = sum.Plus(i.Live)
	}
	return &sum
}

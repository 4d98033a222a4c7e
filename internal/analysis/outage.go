package analysis

import (
	"math"
	"time"

	"teal"
)

// outages keeps what live did while it was broken apart from what it usually
// does, by teal's rule for baselines: what is usual is what green is held against
// when it is alone.
type outages struct {
	// Excluded is what live did in them, of its part of Judge.Total.
	Excluded tally `json:"apart"`
	// Ongoing says that live was broken when it was last seen, and how.
	Ongoing    bool  `json:"ongoing,omitempty"`
	Answered   tally `json:"did"`  // in the outage that goes on
	Unanswered int64 `json:"gone"` // unanswered in it
	// Newest is what live did since At, which is not known yet to be usual or not.
	At      int64      `json:"at"` // in milliseconds
	Pending liveSample `json:"newest"`
}

// liveSample is what live did in some time.
type liveSample struct {
	Answered   tally     `json:"did"`
	Unanswered int64     `json:"gone"`
	Latency    histogram `json:"latency"`
	Waited     histogram `json:"waited"`
}

// fromBaseline takes over the outage of a baseline.
func (o *outages) fromBaseline(out *teal.Outage) {
	if out != nil && out.Ongoing {
		m := clamped(out.Measurement)
		o.Ongoing, o.Answered, o.Unanswered = true, failed(m), m.Unanswered
	}
}

// trackOutages decides about live's newest stretch when there is enough of it. What
// it did counts as usual until then; of an outage it is taken back.
func (j *Judge) trackOutages(interval teal.Interval) {
	o := &j.Outages
	s := &o.Pending
	now, live := interval.At.UnixMilli(), interval.Live
	if live.Received() == 0 {
		return
	}
	if s.received() == 0 || now < o.At {
		o.At = now
	}
	s.Answered, s.Unanswered = s.Answered.plus(failed(live)), s.Unanswered+live.Unanswered
	s.Latency.add(live.Latency)
	s.Waited.add(waits(live))
	if now-o.At < teal.FiguresTake.Milliseconds() || s.received() < teal.FiguresCount {
		return
	}
	j.classify(s)
	*s = liveSample{}
}

// classify says what live's newest stretch was.
func (j *Judge) classify(s *liveSample) {
	o := &j.Outages
	usual := j.usual(s)
	if usual.Requests < teal.FiguresCount || !s.figures().BrokenBeside(usual) {
		o.Ongoing, o.Answered, o.Unanswered = false, tally{}, 0
		return
	}
	o.Ongoing = true
	o.Answered, o.Unanswered = o.Answered.plus(s.Answered), o.Unanswered+s.Unanswered
	o.Excluded = o.Excluded.plus(s.Answered)
	j.Live.remove(&s.Latency)
	j.LiveWaits.remove(&s.Waited)
}

// usual returns what live was like before its newest stretch.
func (j *Judge) usual(newest *liveSample) teal.Figures {
	did := j.usuallyAnswered().minus(newest.Answered)
	latency := j.Live
	latency.remove(&newest.Latency)
	return figures(did, j.LiveWaits.total-newest.Unanswered, latency.quantile(0.9))
}

func (s *liveSample) received() int64 { return s.Answered.N + s.Unanswered }

func (s *liveSample) figures() teal.Figures {
	return figures(s.Answered, s.Unanswered, s.Latency.quantile(0.9))
}

func figures(did tally, gone int64, p90 time.Duration) teal.Figures {
	all := tally{did.N + gone, gone}
	return teal.Figures{Requests: all.N, Failed: did.rate(), Unanswered: all.rate(), P90: p90}
}

// waits returns how long clients waited until they gave up; those of whom that is
// not known, for ever.
func waits(m teal.Measurement) []teal.LatencyCount {
	unknown := m.Unanswered
	for _, l := range m.Waited {
		unknown -= l.Count
	}
	if unknown <= 0 {
		return m.Waited
	}
	return append(m.Waited[:len(m.Waited):len(m.Waited)], teal.LatencyCount{UpTo: math.MaxInt64, Count: unknown})
}

func (o *outages) valid() bool {
	s := &o.Pending
	return o.Excluded.valid() && o.Answered.valid() && o.Unanswered >= 0 && s.Answered.valid() && s.Unanswered >= 0
}

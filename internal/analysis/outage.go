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
	// Apart is what live did in them, of its part of Judge.Total.
	Apart tally `json:"apart"`
	// Ongoing says that live was broken when it was last seen, and how.
	Ongoing bool  `json:"ongoing,omitempty"`
	Did     tally `json:"did"`  // in the outage that goes on
	Gone    int64 `json:"gone"` // unanswered in it
	// Newest is what live did since At, which is not known yet to be usual or not.
	At     int64   `json:"at"` // in milliseconds
	Newest stretch `json:"newest"`
}

// stretch is what live did in some time.
type stretch struct {
	Did     tally     `json:"did"`
	Gone    int64     `json:"gone"`
	Latency histogram `json:"latency"`
	Waited  histogram `json:"waited"`
}

// before takes over the outage of a baseline.
func (o *outages) before(out *teal.Outage) {
	if out != nil && out.Ongoing {
		m := sane(out.Measurement)
		o.Ongoing, o.Did, o.Gone = true, failed(m), m.Unanswered
	}
}

// watchLive decides about live's newest stretch when there is enough of it. What
// it did counts as usual until then; of an outage it is taken back.
func (j *Judge) watchLive(interval teal.Interval) {
	o := &j.Outages
	s := &o.Newest
	now, live := interval.At.UnixMilli(), interval.Live
	if live.Received() == 0 {
		return
	}
	if s.received() == 0 || now < o.At {
		o.At = now
	}
	s.Did, s.Gone = s.Did.plus(failed(live)), s.Gone+live.Unanswered
	s.Latency.add(live.Latency)
	s.Waited.add(waits(live))
	if now-o.At < teal.FiguresTake.Milliseconds() || s.received() < teal.FiguresCount {
		return
	}
	j.settle(s)
	*s = stretch{}
}

// settle says what live's newest stretch was.
func (j *Judge) settle(s *stretch) {
	o := &j.Outages
	usual := j.usual(s)
	if usual.Requests < teal.FiguresCount || !s.figures().BrokenBeside(usual) {
		o.Ongoing, o.Did, o.Gone = false, tally{}, 0
		return
	}
	o.Ongoing = true
	o.Did, o.Gone = o.Did.plus(s.Did), o.Gone+s.Gone
	o.Apart = o.Apart.plus(s.Did)
	j.Live.remove(&s.Latency)
	j.LiveGone.remove(&s.Waited)
}

// usual returns what live was like before its newest stretch.
func (j *Judge) usual(newest *stretch) teal.Figures {
	did := j.answered().minus(newest.Did)
	latency := j.Live
	latency.remove(&newest.Latency)
	return figures(did, j.LiveGone.total-newest.Gone, latency.quantile(0.9))
}

func (s *stretch) received() int64 { return s.Did.N + s.Gone }

func (s *stretch) figures() teal.Figures { return figures(s.Did, s.Gone, s.Latency.quantile(0.9)) }

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
	s := &o.Newest
	return o.Apart.valid() && o.Did.valid() && o.Gone >= 0 && s.Did.valid() && s.Gone >= 0
}

package teal

import (
	"slices"
	"time"
)

// Span is what a version did in a stretch of time.
type Span struct {
	Took time.Duration
	Did  Measurement
}

// Outage is what a version did while it was broken, apart from what it usually
// does.
type Outage struct {
	Measurement
	Ongoing bool `json:"ongoing,omitempty"` // it was not over at the end
}

// BrokenShare is the share of failed, or of unanswered, requests above which a
// version counts as broken: then nothing can be held against another version for
// doing the same.
const BrokenShare = 0.2

// Figures say what a version is like in some time.
type Figures struct {
	Requests   int64         // answered or not
	Failed     float64       // share of those that were answered
	Unanswered float64       // share of all
	P90        time.Duration // 0: not known
}

const (
	// A broken stretch has that many bad requests, so that chance makes none …
	leastBroken = 5
	// … and is that many times as bad as usual, so that a version which always
	// fails some is not always broken; or that many times as slow.
	timesAsBad  = 4
	timesAsSlow = 10
	leastSlower = 100 * time.Millisecond
)

// BrokenBeside reports whether a version whose usual figures are given was broken.
func (f Figures) BrokenBeside(usual Figures) bool {
	beyond := func(share, usual float64) bool {
		return share > BrokenShare && share > timesAsBad*usual && share*float64(f.Requests) >= leastBroken
	}
	slow := usual.P90 > 0 && f.P90 > timesAsSlow*usual.P90 && f.P90 > usual.P90+leastSlower
	return slow || beyond(f.Failed, usual.Failed) || beyond(f.Unanswered, usual.Unanswered)
}

// The least of what figures are taken of: with less, chance decides.
const (
	FiguresTake  = 10 * time.Second
	FiguresCount = 20
)

// Usual returns what a version usually does, from consecutive spans: their sum
// without the stretches in which it was broken, which are in Outage. What is usual
// is what it does half of the time: one that was broken for longer has no other
// figures than those.
func Usual(spans []Span) Measurement {
	parts := stretches(spans)
	all := make([]Figures, len(parts))
	for i, m := range parts {
		all[i] = figuresOf(m)
	}
	usual := median(all)
	var sum Measurement
	var outage Outage
	for i, m := range parts {
		outage.Ongoing = all[i].BrokenBeside(usual)
		if outage.Ongoing {
			outage.Measurement = outage.Plus(m)
		} else {
			sum = sum.Plus(m)
		}
	}
	if outage.Received() > 0 {
		sum.Outage = &outage
	}
	return sum
}

// stretches puts spans together until each is worth figures. What is left over at
// the end, the newest, is a stretch of its own.
func stretches(spans []Span) []Measurement {
	var list []Measurement
	var sum Measurement
	took := time.Duration(0)
	for i, s := range spans {
		sum, took = sum.Plus(s.Did), took+s.Took
		if took >= FiguresTake && sum.Received() >= FiguresCount || i == len(spans)-1 && sum.Received() > 0 {
			list = append(list, sum)
			sum, took = Measurement{}, 0
		}
	}
	return list
}

func figuresOf(m Measurement) Figures {
	f := Figures{Requests: m.Received()}
	if m.Requests > 0 {
		f.Failed = float64(m.Errors) / float64(m.Requests)
	}
	if f.Requests > 0 {
		f.Unanswered = float64(m.Unanswered) / float64(f.Requests)
	}
	count := int64(0)
	for _, l := range m.Latency {
		count += l.Count
	}
	if count < FiguresCount {
		return f
	}
	left := count - count/10
	for _, l := range m.Latency {
		if left -= l.Count; left <= 0 {
			f.P90 = l.UpTo
			break
		}
	}
	return f
}

// median returns the middle of each figure, by itself.
func median(all []Figures) Figures {
	if len(all) == 0 {
		return Figures{}
	}
	failed, unanswered := make([]float64, len(all)), make([]float64, len(all))
	var slow []time.Duration
	for i, f := range all {
		failed[i], unanswered[i] = f.Failed, f.Unanswered
		if f.P90 > 0 {
			slow = append(slow, f.P90)
		}
	}
	slices.Sort(failed)
	slices.Sort(unanswered)
	slices.Sort(slow)
	// Of an even number the lower one: half of the time is enough to be usual.
	usual := Figures{Failed: failed[(len(all)-1)/2], Unanswered: unanswered[(len(all)-1)/2]}
	if len(slow) > 0 {
		usual.P90 = slow[(len(slow)-1)/2]
	}
	return usual
}

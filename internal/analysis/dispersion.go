package analysis

import (
	"math"
	"time"
)

// dispersion measures whether live's bad requests come one by one or clustered: one
// pause of one process makes twenty requests slow, and that is one event, not
// twenty. It compares each window of live with the one before, so neither a slow
// change of conditions nor green has a part in it.
type dispersion struct {
	At        int64         `json:"at"` // the end of Last, in milliseconds
	Now       tally         `json:"now"`
	Last      tally         `json:"last"`
	Threshold time.Duration `json:"threshold,omitempty"` // that Now and Last are counted by
	Sum       float64       `json:"sum"`                 // of squared deviations, in variances of single events
	Pairs     int           `json:"pairs"`
}

const (
	window = time.Second
	// priorPairs is how many pairs' worth of single events is believed beforehand.
	priorPairs = 3
	// maxDeviation bounds what one pair of windows adds: the edge of an outage is one
	// pair, and not a cluster.
	maxDeviation = 400
)

// add takes in what live did.
func (l *dispersion) add(at time.Time, did tally, threshold time.Duration) {
	if did.N == 0 {
		return
	}
	now := at.UnixMilli()
	if threshold != l.Threshold {
		l.Now, l.Last, l.Threshold = tally{}, tally{}, threshold
	}
	l.Now = l.Now.plus(did)
	if age := now - l.At; age >= 0 && age < window.Milliseconds() {
		return
	}
	l.At = now
	if both := l.Now.plus(l.Last); l.Last.N > 0 && both.Bad > 0 && both.Bad < both.N {
		p, apart := both.rate(), l.Now.rate()-l.Last.rate()
		variance := p * (1 - p) * (1/float64(l.Now.N) + 1/float64(l.Last.N))
		l.Sum += math.Min(apart*apart/variance, maxDeviation)
		l.Pairs++
	}
	l.Last, l.Now = l.Now, tally{}
}

// size is how many bad requests an event makes, at least 1. Evidence is divided
// by it: the e-value to the power of 1/size, which is an e-value too, by Jensen's
// inequality, and one of independent events when clusters have that size. Chance
// alone must not make clusters, so two standard deviations are ignored.
func (l *dispersion) size() float64 {
	n := float64(l.Pairs + priorPairs)
	return math.Max(1, (l.Sum+priorPairs)/n-math.Sqrt(8/n))
}

func (l *dispersion) valid() bool {
	return l.Now.valid() && l.Last.valid() && l.Threshold >= 0 && l.Pairs >= 0 && l.Sum >= 0 && l.Sum <= maxDeviation*float64(l.Pairs)
}

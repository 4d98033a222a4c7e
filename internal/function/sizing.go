package function

import "time"

// Demand returns how many instances the pool needs: for what it has in flight
// now, or had at some moment of the last minute, whichever is more.
func (p *Pool) Demand() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.demandLocked(), p.peak.most(time.Now()))
}

func (p *Pool) demandLocked() int { return p.counts[stageBusy] + len(p.queue) }

// Require makes the pool keep at least n instances ready, at most its maximum.
// Until so many have been ready at once, it is Growing.
func (p *Pool) Require(n int) {
	p.mu.Lock()
	p.required = n
	p.grown = p.liveLocked()-p.counts[stageStarting] >= p.leastLocked()
	p.mu.Unlock()
	p.changed()
	p.nudge()
}

// Hold is Require for a pool that serves already: it is ready as it is.
func (p *Pool) Hold(n int) {
	p.mu.Lock()
	p.required, p.grown = n, true
	p.mu.Unlock()
	p.changed()
	p.nudge()
}

// leastLocked returns how many instances are kept whatever there is to do.
func (p *Pool) leastLocked() int {
	c := p.cfg.Function.Concurrency
	return max(c.Min, min(p.required, c.Max), p.minInstances)
}

// mostLocked returns how many instances there are at most.
func (p *Pool) mostLocked() int { return max(p.cfg.Function.Concurrency.Max, p.minInstances) }

// peak remembers the most of something in the last minute, to ten seconds.
type peak [7]struct {
	period int64
	most   int
}

const peakPeriod = 10 // seconds

func (p *peak) note(now time.Time, n int) {
	period := now.Unix() / peakPeriod
	s := &p[period%int64(len(p))]
	if s.period != period {
		s.period, s.most = period, 0
	}
	s.most = max(s.most, n)
}

func (p *peak) most(now time.Time) int {
	oldest := now.Unix()/peakPeriod - int64(len(p)) + 1
	most := 0
	for _, s := range p {
		if s.period >= oldest {
			most = max(most, s.most)
		}
	}
	return most
}

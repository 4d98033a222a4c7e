package function

import (
	"context"
	"errors"
	"slices"
	"time"

	"teal"
)

// callerGone is the error of a caller whose context ended.
func callerGone(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return teal.Errorf(teal.CodeTimeout, "the caller did not wait for the function any longer: %w", ctx.Err())
	}
	return teal.Errorf(teal.CodeUnavailable, "the caller went away: %w", ctx.Err())
}

// submit gives t to an idle instance, and delivers it; or it puts t into the
// queue, or settles it when there is nothing to wait for.
func (p *Pool) submit(c *call) (queued bool) {
	now := time.Now()
	p.mu.Lock()
	if n := len(p.idle); n > 0 && p.running {
		inst := p.idle[n-1]
		p.beginLocked(inst, c, now)
		p.mu.Unlock()
		inst.deliver(c)
		return false
	}
	if refused, ok := p.refuseLocked(c, now); ok {
		p.mu.Unlock()
		c.outcome <- refused
		return false
	}
	p.queue = slices.Insert(p.queue, p.queueIndexLocked(c), c)
	p.peak.note(now, p.demandLocked())
	p.queuedLocked()
	p.mu.Unlock()
	return true
}

// queueIndexLocked returns where in the queue t belongs. Work that has begun is finished
// before more is: a call from inside, whose caller holds an instance, goes before
// those that hold nothing. Otherwise the calls of a chain would wait for more and
// more chains to begin, each of which takes an instance away.
func (p *Pool) queueIndexLocked(c *call) int {
	switch {
	case c.deliveries > 0:
		return 0
	case c.inside:
		return p.insideCountLocked()
	}
	return len(p.queue)
}

// insideCountLocked returns how many of the queue come before those from outside.
func (p *Pool) insideCountLocked() int {
	n := slices.IndexFunc(p.queue, func(c *call) bool { return !c.inside && c.deliveries == 0 })
	if n < 0 {
		return len(p.queue)
	}
	return n
}

// aheadLocked returns how many wait of those that t would wait for: calls from
// outside, however many, take no place from those from inside.
func (p *Pool) aheadLocked(c *call) int {
	inside := p.insideCountLocked()
	if c.inside {
		return inside
	}
	return len(p.queue) - inside
}

// queuedLocked has Run look at the queue: at once, or a little later when
// enough instances are about to be free, as the one is that has just answered
// the same caller.
func (p *Pool) queuedLocked() {
	if len(p.queue) > p.counts[stageStarting]+p.counts[stageReturning] {
		p.nudge()
		return
	}
	if !p.rechecks {
		p.rechecks = true
		p.recheck.Reset(returnGrace)
	}
}

func (p *Pool) recheckQueue() {
	p.mu.Lock()
	p.rechecks = false
	p.mu.Unlock()
	p.nudge()
}

// refuseLocked says whether t has nothing to wait for.
func (p *Pool) refuseLocked(c *call, now time.Time) (refused outcome, ok bool) {
	switch {
	case !p.running:
		return p.stoppedOutcome(), true
	case p.failing && p.liveLocked() == 0 && p.notBefore.Sub(now) > p.cfg.QueueTimeout:
		return p.failure.outcome(c.id), true
	case c.deliveries >= maxDeliveries:
		return outcome{err: teal.Errorf(teal.CodeUnavailable, "the instances of function %s end as soon as they are to be used; the function's log may say why", p.cfg.Name)}, true
	case p.aheadLocked(c) >= p.cfg.QueueLimit && c.deliveries == 0:
		return outcome{err: teal.Errorf(teal.CodeThrottled, "all %d instances of function %s are busy and %d invocations wait already; try again later or raise concurrency.max", p.cfg.Function.Concurrency.Max, p.cfg.Name, len(p.queue))}, true
	}
	return outcome{}, false
}

func (p *Pool) stoppedOutcome() outcome {
	return outcome{err: teal.Errorf(teal.CodeUnavailable, "version %s of function %s is not running; it has been stopped or not been started", p.version, p.cfg.Name)}
}

// liveLocked counts the instances that work or may soon.
func (p *Pool) liveLocked() int {
	return p.counts[stageStarting] + p.counts[stageIdle] + p.counts[stageBusy] + p.counts[stageReturning]
}

// awaitQueued returns the outcome of a call that was put into the queue.
func (p *Pool) awaitQueued(ctx context.Context, c *call) (teal.Answer, error) {
	timer := time.NewTimer(p.cfg.QueueTimeout)
	defer timer.Stop()
	defer c.event.Flow.Leave()
	for {
		select {
		case out := <-c.outcome:
			return out.answer, out.err
		case piece := <-c.event.Flow.Pieces():
			c.take(piece)
		case <-timer.C:
			if out, over := p.giveUp(c); over {
				return out.answer, out.err
			}
			timer.Reset(p.cfg.QueueTimeout)
		case <-ctx.Done():
			p.leaveQueue(c) // a call that has left it already goes on by itself
			return teal.Answer{}, callerGone(ctx)
		}
	}
}

// giveUp takes t out of the queue when its time is over, unless an instance is
// being started for it, another one gives way to it, or it has left the queue.
func (p *Pool) giveUp(c *call) (out outcome, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.queue, c)
	if at < 0 || at < p.counts[stageStarting] || p.mayKeepWaitingLocked(c, at, time.Now()) {
		return outcome{}, false
	}
	p.queue = slices.Delete(p.queue, at, at+1)
	if p.failing && p.liveLocked() == 0 {
		return p.failure.outcome(c.id), true
	}
	return outcome{err: teal.Errorf(teal.CodeThrottled, "no instance of function %s became free within %s; at most %d run at once: try again later or raise concurrency.max", p.cfg.Name, p.cfg.QueueTimeout, p.cfg.Function.Concurrency.Max)}, true
}

// mayKeepWaitingLocked reports whether another call from inside has just given up. Calls
// of a function to itself may have all its instances for callers, so that none of
// them is ever answered. Then they give up one at a time: the caller of the first ends,
// and its instance serves the others in turn.
func (p *Pool) mayKeepWaitingLocked(c *call, at int, now time.Time) bool {
	if !c.inside || at >= p.counts[stageBusy] {
		return false
	}
	if now.Sub(p.lastGaveUp) < p.cfg.QueueTimeout {
		return true
	}
	p.lastGaveUp = now
	return false
}

func (p *Pool) leaveQueue(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := slices.Index(p.queue, c); at >= 0 {
		p.queue = slices.Delete(p.queue, at, at+1)
	}
}

// settleAllLocked empties the queue with one and the same kind of outcome.
func (p *Pool) settleAllLocked(failed func(id string) outcome) {
	for _, c := range p.queue {
		c.outcome <- failed(c.id)
	}
	p.queue = nil
}

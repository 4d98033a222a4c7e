package function

import (
	"time"

	"teal/internal/function/runtimeapi"
)

var _ runtimeapi.Owner = (*instance)(nil)

// Idle implements runtimeapi.Owner.
func (i *instance) Idle() {
	p := i.pool
	now := time.Now()
	p.mu.Lock()
	first := i.stage == stageStarting
	switch i.stage {
	case stageStarting:
		i.init = now.Sub(i.began)
		p.readyLocked()
	case stageReturning:
		p.works = true
	default:
		p.mu.Unlock()
		return
	}
	i.disarmLocked()
	next := p.freeLocked(i, now)
	p.mu.Unlock()
	if next != nil {
		// From here, the goroutine of the connection: waking the one that waits
		// for the outcome just to write the event would cost more than the write.
		i.deliver(next)
	}
	if first {
		close(i.ready)
		p.log.Debug("function instance ready", "instance", i.name, "init", now.Sub(i.began))
		p.changed()
		p.nudge()
	}
}

// readyLocked notes that a start has worked; the starting instance is still
// counted as starting.
func (p *Pool) readyLocked() {
	ready := p.liveLocked() - p.counts[stageStarting] + 1
	p.proven = p.proven || ready >= p.cfg.Function.Concurrency.Min
	p.grown = p.grown || ready >= p.leastLocked()
	p.failing, p.failure = false, nil
}

// Lost implements runtimeapi.Owner.
func (i *instance) Lost() {
	p := i.pool
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if i.stage == stageIdle {
		p.moveLocked(i, stageReturning, now)
		i.armLocked(now, reconnect)
	}
}

// Replied implements runtimeapi.Owner.
func (i *instance) Replied(r runtimeapi.Reply) {
	p := i.pool
	now := time.Now()
	p.mu.Lock()
	c := i.call
	if i.stage == stageBusy {
		p.moveLocked(i, stageReturning, now)
	}
	p.mu.Unlock()
	c.duration = now.Sub(c.started)
	c.outcome <- c.replied(r)
}

// Acknowledged implements runtimeapi.Owner. What the function has printed belongs
// to the invocation that has just ended, as long as the next one has not begun.
func (i *instance) Acknowledged() {
	i.pool.mu.Lock()
	c := i.call
	i.pool.mu.Unlock()
	i.process.SettleOutput()
	i.report(c, "")
}

// InitFailed implements runtimeapi.Owner.
func (i *instance) InitFailed(f runtimeapi.InitFailure) { i.initFailed <- f }

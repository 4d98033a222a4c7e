package release

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"teal"
)

// worker is what one goroutine keeps in memory about the release that it runs.
// Everything in it can be lost: the record has what is needed to go on.
type worker struct {
	app  string
	wake chan struct{} // capacity 1: a wake-up that arrives during a tick is not lost

	lookedAt     time.Time     // when the last tick looked, by the clock that only goes on; zero before
	savedClock   teal.Duration // what the record said then of how long the release was observed
	unsavedClock teal.Duration // and how much longer this process has observed it

	release   teal.Release // as the last tick saw it
	feed      Feed
	judge     Judge
	opened    bool // a judge has been made
	outage    bool // neither version is healthy: what is measured says nothing
	resumed   bool // the release had moved traffic before this process met it
	judgement *teal.Judgement
	shown     atomic.Pointer[teal.Judgement] // judgement, for those who only look
	sampledAt time.Time
	unsaved   bool
}

// observe returns the release's clock. Between two looks it goes on by what the
// monotonic clock says, which does not jump and stands still while the machine
// sleeps; not by more than may lie between two looks.
func (w *worker) observe(r teal.Release) teal.Duration {
	now := time.Now()
	if r.Observed != w.savedClock { // another engine has noted more, or a write of ours arrived whose answer did not
		w.savedClock, w.unsavedClock = r.Observed, 0
	} else if !w.lookedAt.IsZero() {
		w.unsavedClock += teal.Duration(min(now.Sub(w.lookedAt), maxApart))
	}
	w.lookedAt = now
	return r.Observed + w.unsavedClock
}

// noted says that the record has learnt the clock.
func (w *worker) noted(r teal.Release) { w.savedClock, w.unsavedClock = r.Observed, 0 }

// isJudged reports whether what the two versions of a release do for users is
// looked at now.
func isJudged(r teal.Release) bool {
	return r.From != 0 && r.Policy.Judge.Judges() && (r.Phase == teal.PhaseShifting || r.Phase == teal.PhaseWatching)
}

// sample takes what has been measured since the last look and judges again. What
// cannot be measured is a verdict of its own, not an error of the release: a
// rollback that somebody asks for must not wait for a meter. In an outage what is
// measured is thrown away, and what the judge knew with it: the last of that was
// measured when the outage had begun and was not known yet.
func (w *worker) sample(ctx context.Context, e *Engine, r teal.Release, outage bool) {
	if w.outage = outage; outage {
		w.forget(ctx)
		return
	}
	if err := w.open(ctx, e, r); err != nil {
		w.measurementFailed(err)
		return
	}
	interval, err := w.feed.Take(ctx)
	if err != nil {
		w.measurementFailed(err)
		return
	}
	if w.resumed {
		interval.NewErrors = nil
	}
	w.judge.Begin(r.Step)
	if interval.Live.Received() > 0 || interval.Green.Received() > 0 || len(interval.NewErrors) > 0 {
		w.judge.Add(interval)
		w.unsaved = true
		if w.verdict() != teal.VerdictFail { // the sample that decided is the first one
			w.sampledAt = interval.At
		}
		if e.cfg.Measured != nil {
			e.cfg.Measured(r, interval)
		}
	}
	judgement := w.judge.Judgement(e.cfg.Now())
	w.judgement = &judgement
	w.shown.Store(&judgement)
}

func (w *worker) open(ctx context.Context, e *Engine, r teal.Release) (err error) {
	if w.judge == nil {
		if !w.opened { // what live had before a restart of the server is not known any more
			w.opened, w.resumed = true, r.Step > 0
		}
		if w.judge, err = e.newJudge(r); err != nil {
			return err
		}
		if e.cfg.Judging != nil {
			e.cfg.Judging(r)
		}
	}
	if w.feed == nil {
		w.feed, err = e.cfg.Meter.Follow(ctx, r.App, r.From, r.To)
	}
	return err
}

// newJudge returns the judge of a release. One that cannot go on from what the
// record holds, of another version of Teal perhaps, begins anew.
func (e *Engine) newJudge(r teal.Release) (Judge, error) {
	j, err := e.cfg.NewJudge(r)
	if err != nil && r.Judging != nil {
		e.cfg.Logger.Warn("the judge cannot go on from what it knew and begins anew", "release", r.ID, "error", err)
		r.Judging = nil
		j, err = e.cfg.NewJudge(r)
	}
	if err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	return j, nil
}

// forget throws away what has been measured and what was concluded from it.
func (w *worker) forget(ctx context.Context) {
	w.judge, w.unsaved = nil, false
	w.judgement = &teal.Judgement{Verdict: teal.VerdictInconclusive, Reason: "neither version is healthy"}
	w.shown.Store(w.judgement)
	if w.feed == nil {
		return
	}
	if _, err := w.feed.Take(ctx); err != nil {
		w.close() // the next look opens it again, or says what is wrong
	}
}

func (w *worker) measurementFailed(err error) {
	reason := "the traffic cannot be measured: " + err.Error()
	w.judgement = &teal.Judgement{Verdict: teal.VerdictError, Reason: reason, Findings: []teal.Finding{{
		Name: "measurement", Asked: "what do users get from the two versions?", Seen: reason, Verdict: teal.VerdictError,
	}}}
	w.shown.Store(w.judgement)
}

func (w *worker) verdict() teal.Verdict {
	if w.judgement == nil {
		return ""
	}
	return w.judgement.Verdict
}

// state returns what another judge needs to go on.
func (w *worker) state() json.RawMessage {
	if w.judge == nil {
		return nil
	}
	return w.judge.State()
}

// changed has a value when there is something new to look at; it is nil while
// nothing is followed.
func (w *worker) changed() <-chan struct{} {
	if w.feed == nil {
		return nil
	}
	return w.feed.Changed()
}

// close ends what the worker follows. It may be called again.
func (w *worker) close() {
	if w.feed != nil {
		w.feed.Close()
		w.feed = nil
	}
}

package trigger

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"teal"
	"teal/internal/backoff"
	"teal/internal/check"
	"teal/internal/event"
	"teal/internal/logs"
	"teal/internal/store"
)

// maxAge is how old the event of a POST or a command may be that is still begun, as that
// of an invocation unless its function says otherwise.
const maxAge = time.Duration(teal.DefaultAsyncMaxAge)

// Starter starts what does not run.
type Starter interface {
	// Ensure starts a version that does not run, and blocks until it can take a call or
	// is known to fail. It refuses what is stopped.
	Ensure(ctx context.Context, app string, version teal.VersionRef) error
}

// Environments reach the versions that run.
type Environments interface {
	// Address returns the URL, without a path, at which a component of a running
	// version answers its own environment and the server.
	Address(app string, version int, component string) (string, error)
	// StateDir returns the folder in which a component keeps what is to stay; "" is none.
	StateDir(app, component string) (string, error)
}

// Commands run programs.
type Commands interface {
	// Run runs a program until it ends or ctx does.
	Run(ctx context.Context, p check.Program) (check.Ended, error)
	// Clear removes what those of a server that died have left.
	Clear()
}

// Lines take what commands print.
type Lines interface{ Write(line logs.Line) }

// WorkerConfig is what a Worker needs.
type WorkerConfig struct {
	Scheduler    *Scheduler
	Functions    event.Worker // works on what is no firing, and on firings of functions
	Starter      Starter
	Environments Environments
	Commands     Commands
	Lines        Lines
	Logger       *slog.Logger
}

// Worker works on the events that firings are, and leaves all others to the one that works
// on those of functions. Safe for concurrent use.
type Worker struct {
	cfg      WorkerConfig
	versions Versions
	table    *store.Table[store.SideKey, Record]
	client   *http.Client
}

// NewWorker returns a worker for the events of a scheduler.
func NewWorker(cfg WorkerConfig) *Worker {
	return &Worker{cfg: cfg, versions: cfg.Scheduler.cfg.Versions, table: cfg.Scheduler.table, client: newClient()}
}

// Around returns a worker for the events of the scheduler that leaves all others to the
// given one.
func (c WorkerConfig) Around(functions event.Worker) event.Worker {
	c.Functions = functions
	c.Commands.Clear()
	return NewWorker(c)
}

var _ event.Worker = (*Worker)(nil)

// Work implements [event.Worker].
func (w *Worker) Work(ctx context.Context, e event.Event) (next event.Event, done bool) {
	if e.Trigger == "" || len(e.Report) > 0 { // what is left of a firing is a destination that is to be told
		return w.cfg.Functions.Work(ctx, e)
	}
	firing, err := w.begin(ctx, e)
	switch {
	case err != nil:
		return refused(e), false
	case firing.Ended():
		return e, true // an earlier server has ended before it could forget the event
	}
	next, done = w.run(ctx, e, firing)
	if next.Outcome == nil || ctx.Err() != nil {
		return next, done
	}
	w.end(ctx, e, *next.Outcome)
	return next, done
}

// refused is an event that is tried again in a while, which does not count as an attempt.
func refused(e event.Event) event.Event {
	e.Refusals++
	e.NotBefore = time.Now().Add(backoff.After(e.Refusals))
	return e
}

// begin notes that an attempt begins, and returns the firing as it was before; the zero
// one where nothing is known of it any more, which is run all the same.
func (w *Worker) begin(ctx context.Context, e event.Event) (firing teal.Firing, err error) {
	_, err = w.table.Modify(ctx, keyOf(e), func(r *Record) error {
		firing = teal.Firing{ID: e.ID, Version: e.Version, State: teal.FiringWaiting}
		if known := r.firing(e.ID); known != nil {
			firing = *known
		}
		return r.begin(e.ID, time.Now())
	})
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnreadable) {
		return teal.Firing{ID: e.ID, Version: e.Version, State: teal.FiringWaiting}, nil
	}
	return firing, err
}

func keyOf(e event.Event) store.SideKey { return store.SideKey{App: e.App, Name: e.Trigger} }

// end writes down what became of a firing before its event is forgotten, and tries until
// it can: what has been run must not be run again because the store fails.
func (w *Worker) end(ctx context.Context, e event.Event, o event.Outcome) {
	state, now := teal.FiringSucceeded, time.Now()
	if o.Failed {
		state = teal.FiringFailed
		w.cfg.Logger.Warn("a scheduled firing has failed", "app", e.App, "trigger", e.Trigger, "version", e.Version, "id", e.ID, "why", o.Why)
	}
	defer w.cfg.Scheduler.nudge()
	writing := context.WithoutCancel(ctx) // the store outlives the server's end
	for failures := 1; ; failures++ {
		_, err := w.table.Modify(writing, keyOf(e), func(r *Record) error { return r.end(e.ID, state, o.Why, now) })
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnreadable) {
			return
		}
		w.cfg.Logger.Error("what became of a firing cannot be written down; it is tried again", "app", e.App, "trigger", e.Trigger, "in", backoff.After(failures), "error", err)
		timer := time.NewTimer(backoff.After(failures))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// run makes one attempt at a firing.
func (w *Worker) run(ctx context.Context, e event.Event, f teal.Firing) (next event.Event, done bool) {
	job, err := w.job(ctx, e, f)
	switch {
	case ctx.Err() != nil:
		return e, false
	case err != nil && teal.CodeOf(err).Kind() == teal.KindNotFound:
		return ended(e, teal.MessageOf(err)), true
	case err != nil:
		return refused(e), false
	case job.isInvocation():
		return w.cfg.Functions.Work(ctx, e)
	case time.Since(e.AcceptedAt) > maxAge:
		return ended(e, "it could not be begun within "+teal.Duration(maxAge).String()), true
	}
	if err := job.do(ctx); err != nil {
		return w.failed(ctx, e, job, err)
	}
	e.Outcome = &event.Outcome{}
	return e, true
}

// failed is what follows an attempt that was in vain.
func (w *Worker) failed(ctx context.Context, e event.Event, j job, err error) (next event.Event, done bool) {
	if ctx.Err() != nil {
		return e, false
	}
	if var1 := (*attemptError)(nil); !errors.As(err, &var1) { // there was no room, or something here failed
		w.cfg.Logger.Warn("a firing cannot be run; it is tried again", "app", e.App, "trigger", e.Trigger, "error", err)
		return refused(e), false
	}
	e.Attempts, e.Refusals = e.Attempts+1, 0
	if e.Attempts > j.schedule().Retries {
		return ended(e, err.Error()), true
	}
	e.NotBefore = time.Now().Add(backoff.After(e.Attempts))
	return e, false
}

func ended(e event.Event, why string) event.Event {
	e.Outcome = &event.Outcome{Failed: true, Why: why}
	return e
}

// attemptError is why an attempt has failed, by its own fault, for people.
type attemptError struct{ why string }

func (e *attemptError) Error() string { return e.why }

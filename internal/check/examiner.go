package check

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"log/slog"
	"sync"
	"time"

	"teal"
	"teal/internal/process"
	"teal/internal/secret"
)

// Versions reaches the versions of apps.
type Versions interface {
	// Spec returns what a version is made of.
	Spec(ctx context.Context, app string, version int) (teal.Spec, error)
	// Address returns the URL, without a path, at which one component of a
	// running version answers; "" for the component is the whole app by its own
	// routes. Requests there never count as users.
	Address(app string, version int, component string) (string, error)
	// Invoke invokes a function of a running version.
	Invoke(ctx context.Context, app string, version int, component string, event []byte) (teal.Answer, error)
}

// Traffic knows what users have just asked of a version.
type Traffic interface {
	// Frequent returns at most n safe requests, the most frequent first.
	Frequent(app string, version, n int) []teal.Request
	// Latency95 returns the 95th percentile of the latency, if there is one.
	Latency95(app string, version int) (time.Duration, bool)
}

// Secrets give programs what their variables refer to.
type Secrets interface {
	Open(ctx context.Context, app string, refs map[string]teal.SecretRef) (*secret.Given, error)
}

// Config is what an Examiner needs to know.
type Config struct {
	Versions Versions
	// Traffic is asked for what warm-ups replay; nil knows of nothing.
	Traffic Traffic
	// Bundle returns the folder of a code bundle, which is only read.
	Bundle func(ctx context.Context, digest string) (string, error)
	// Secrets give commands what their variables refer to; nil: there are none.
	Secrets Secrets
	// Start starts a process, as process.Runner does.
	Start func(process.Spec) (*process.Process, error)
	// AnswerPath returns the path at the REST API below which, at its token, a
	// hook of the release sends its later answer; nil is not told to hooks.
	AnswerPath func(release string) string
	// Changed is called when a task of the app has something new to say.
	Changed func(app string)
	// WorkDir is a folder of the Examiner's own. Run empties it.
	WorkDir string
	Logger  *slog.Logger // nil discards
}

// Outcome is what is known of a task. The zero value is one that has not been
// begun.
type Outcome struct {
	Begun bool
	// Verdict is "" while the task runs. That of a TaskAsk is the newest answer,
	// and may change.
	Verdict teal.Verdict
	// Findings are the evidence; those of a TaskAsk are of the newest answer.
	// They must not be changed.
	Findings []teal.Finding
}

// Examiner does the tasks of releases. It is safe for concurrent use.
type Examiner struct {
	cfg      Config
	commands Commands

	mu       sync.Mutex
	running  context.Context // of Run; nil before it
	closed   bool            // Run's context has ended: nothing is started any more
	work     sync.WaitGroup  // one for each task that runs
	releases map[string]map[teal.TaskKey]*task
}

// task is one task of one release.
type task struct {
	job
	app    string
	cancel context.CancelFunc // nil before it has been started
	ended  chan struct{}
	// outcome is guarded by Examiner.mu.
	outcome Outcome
	answers *mailbox // nil for what is no hook
}

// New returns an Examiner whose tasks wait for Run.
func New(cfg Config) *Examiner {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Examiner{
		cfg: cfg, releases: map[string]map[teal.TaskKey]*task{},
		commands: Commands{Bundle: cfg.Bundle, Start: cfg.Start, Secrets: cfg.Secrets, WorkDir: cfg.WorkDir, Logger: cfg.Logger},
	}
}

// Run does the tasks that have been and will be begun, until ctx ends; then it
// ends all of them, without an outcome, and returns. It may be called once.
func (e *Examiner) Run(ctx context.Context) error {
	e.commands.Clear()
	e.mu.Lock()
	e.running = ctx
	for _, tasks := range e.releases {
		for _, t := range tasks {
			e.startLocked(t)
		}
	}
	e.mu.Unlock()
	<-ctx.Done()
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.work.Wait()
	return nil
}

// Begin starts a task of the release, unless this process is at it or knows its
// outcome. It does not wait for the task, which outlives ctx. A task that the
// release's policy does not have is an error with teal.CodeInvalidInput.
func (e *Examiner) Begin(ctx context.Context, r teal.Release, key teal.TaskKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := e.plan(r, key)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return teal.Errorf(teal.CodeUnavailable, "the server is shutting down and begins no more checks")
	}
	tasks := e.releases[r.ID]
	if tasks == nil {
		tasks = map[teal.TaskKey]*task{}
		e.releases[r.ID] = tasks
	}
	if tasks[key] != nil {
		return nil
	}
	tasks[key] = t
	e.startLocked(t)
	return nil
}

// plan finds out what a task is.
func (e *Examiner) plan(r teal.Release, key teal.TaskKey) (*task, error) {
	s := releaseTask{examiner: e, release: r, key: key}
	t := &task{app: r.App, ended: make(chan struct{}), outcome: Outcome{Begun: true}}
	if key.Kind == teal.TaskHook {
		s.token = rand.Text()
		if begun := r.Task(key); begun != nil && begun.Token != "" {
			s.token = begun.Token
		}
		t.answers = newMailbox(s.token)
		s.answers = t.answers
	}
	var found bool
	if t.job, found = s.job(); !found {
		return nil, teal.Errorf(teal.CodeInvalidInput, "release %s has no task %s", r.ID, key)
	}
	return t, nil
}

// startLocked starts a task if Run has begun.
func (e *Examiner) startLocked(t *task) {
	if e.running == nil {
		return
	}
	var ctx context.Context
	ctx, t.cancel = context.WithCancel(e.running)
	e.work.Go(func() {
		defer close(t.ended)
		defer t.cancel()
		e.do(ctx, t)
	})
}

// do does a task, again and again if it is one that does not end by itself.
// What comes of it after ctx has ended is nobody's answer.
func (e *Examiner) do(ctx context.Context, t *task) {
	for {
		began := time.Now()
		verdict, findings := t.once(ctx)
		if ctx.Err() != nil {
			return
		}
		e.tell(t, verdict, findings)
		if t.every <= 0 || pause(ctx, t.every-time.Since(began)) != nil {
			return
		}
	}
}

func (e *Examiner) tell(t *task, verdict teal.Verdict, findings []teal.Finding) {
	e.mu.Lock()
	fresh := t.outcome.Verdict != verdict
	t.outcome.Verdict, t.outcome.Findings = verdict, findings
	e.mu.Unlock()
	if fresh { // a question that is asked every second is not news every second
		for _, f := range findings {
			e.cfg.Logger.Info("a task of a release has an outcome", "app", t.app, "task", f.Name, "verdict", f.Verdict, "seen", f.Seen)
		}
	}
	if e.cfg.Changed != nil {
		e.cfg.Changed(t.app)
	}
}

// pause returns after d, or with an error when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Outcome returns what is known of a task. It does not block.
func (e *Examiner) Outcome(id string, key teal.TaskKey) Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.releases[id][key]; t != nil {
		return t.outcome
	}
	return Outcome{}
}

// Stop ends every task of a release and forgets it; it returns when nothing of
// it runs any more. Idempotent.
func (e *Examiner) Stop(id string) {
	e.mu.Lock()
	tasks := e.releases[id]
	delete(e.releases, id)
	var started []*task
	for _, t := range tasks {
		if t.cancel != nil {
			t.cancel()
			started = append(started, t)
		}
	}
	e.mu.Unlock()
	for _, t := range started {
		<-t.ended
	}
}

// Answer is a hook's later answer, a pass or a failure, with the token that the
// hook was told. An answer that repeats the first one changes nothing.
func (e *Examiner) Answer(id, token string, verdict teal.Verdict, why string) error {
	if verdict != teal.VerdictPass && verdict != teal.VerdictFail {
		return teal.Errorf(teal.CodeInvalidInput, "%q is not an answer; a hook answers %s or %s", verdict, teal.VerdictPass, teal.VerdictFail)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.releases[id] {
		if t.answers == nil || subtle.ConstantTimeCompare([]byte(t.answers.token), []byte(token)) != 1 {
			continue
		}
		return t.answers.put(answer{verdict, clip(why, maxWhy)}, t.outcome.Verdict != "")
	}
	return teal.Errorf(teal.CodeNotFound, "no hook of release %s waits for an answer with this token; use the token that the hook was told", id)
}

// mailbox takes a hook's later answer. It is guarded by Examiner.mu, but for
// fresh, which holds the answer until the hook takes it.
type mailbox struct {
	token string
	fresh chan answer
	first *answer
}

type answer struct {
	verdict teal.Verdict
	why     string
}

func newMailbox(token string) *mailbox { return &mailbox{token: token, fresh: make(chan answer, 1)} }

func (m *mailbox) put(a answer, over bool) error {
	switch {
	case m.first != nil && m.first.verdict == a.verdict:
		return nil
	case m.first != nil:
		return teal.Errorf(teal.CodeConflict, "the hook has answered %s already", m.first.verdict)
	case over:
		return teal.Errorf(teal.CodeConflict, "the hook is over; an answer changes nothing any more")
	}
	m.first = &a
	m.fresh <- a
	return nil
}

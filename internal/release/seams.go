package release

import (
	"context"
	"encoding/json"
	"time"

	"teal"
)

// Journal keeps the records of releases, and who may run one. Every write is a
// compare-and-swap; a lost one returns an error for which Conflict reports true.
type Journal interface {
	// Load returns a release and its revision; teal.CodeUnknownRelease when
	// there is none.
	Load(ctx context.Context, id string) (teal.Release, uint64, error)
	// Save replaces a release whose newest revision is the one given, and
	// returns the new revision. At revision 0 it creates the record: a lost
	// compare-and-swap when there is one already.
	Save(ctx context.Context, r teal.Release, revision uint64) (uint64, error)
	// Claim makes the release the app's active one, gives it its ID, and then
	// creates its record. previous is the ID that the app's record must still
	// hold as the active one ("" for none). A record that exists already is a
	// lost compare-and-swap: somebody took the claim for one of a server that
	// died between the two writes.
	Claim(ctx context.Context, r teal.Release, previous string) (teal.Release, error)
	// Active returns the app's active release ID, or ""; teal.CodeUnknownApp when
	// the app is gone.
	Active(ctx context.Context, app string) (string, error)
	// Unclaim takes the claim of a release that has ended, if it still has it,
	// and gives it to the first one in the app's queue. It returns the app's
	// active release, or "". Idempotent.
	Unclaim(ctx context.Context, app, id string) (next string, err error)
	// Enqueue gives a release its ID, puts it at the end of the app's queue, and
	// then creates its record. It reports whether it is the active release
	// already, because no other one is any more. A full queue is
	// teal.CodeReleaseInProgress.
	Enqueue(ctx context.Context, r teal.Release) (queued teal.Release, active bool, err error)
	// Standing returns what else the app's record says that releases look at.
	Standing(ctx context.Context, app string) (Standing, error)
	// Unfinished returns the active release IDs of all apps.
	Unfinished(ctx context.Context) ([]string, error)
	// Conflict reports whether err is a lost compare-and-swap.
	Conflict(err error) bool
}

// Orders are the news of records of releases that others have written.
type Orders interface {
	// Changed has a value when there may be something to take.
	Changed() <-chan struct{}
	// Take returns the releases since the last Take, by ID. It does not block.
	Take() []string
	Stop()
}

// Standing is what an app's record says beside its active release.
type Standing struct {
	Waiting bool           // a release is in the app's queue
	Frozen  *teal.AppOrder // the newest freeze that somebody has ordered; it may be over
}

// Runner runs environments. Its methods are idempotent: each may be called
// again after a crash that hid its answer.
type Runner interface {
	// Provision returns once it is durable that the version is to run; its
	// instances start in the background.
	Provision(ctx context.Context, app string, version int) error
	// Observe does not block on the instances.
	Observe(ctx context.Context, app string, version int) (Health, error)
	// Recheck has the health of an environment looked at now, in the background,
	// and starts at once what waits to be started again. The engine must be woken
	// when a check has passed. An environment that does not run is left alone.
	Recheck(ctx context.Context, app string, version int) error
	// Retire returns once no new request reaches the environment and it
	// is durable that it is to stop; it finishes what it has within drain in the
	// background. An environment that another alias of the app uses is left
	// running; one that the live alias uses is refused with
	// teal.CodeVersionInUse.
	Retire(ctx context.Context, app string, version int, drain time.Duration) error
	// Size makes an environment keep as many instances of every component ready
	// as the environment of model needs for the load that it has now; with the
	// version itself as model it keeps what it has. It returns once that is
	// durable; the instances start in the background, and Observe says when they
	// are ready. A model that does not run changes nothing; the model 0 lifts
	// what was kept.
	Size(ctx context.Context, app string, version, model int) error
}

// Router moves aliases.
type Router interface {
	// Observe returns the alias and whether it is in force; a zero Alias at
	// revision 0 when there is none yet.
	Observe(ctx context.Context, app, alias string) (Route, error)
	// Set replaces the alias whose newest revision is the one given. A router
	// whose Set returns before the alias is in force everywhere says so in
	// Observe. An error with teal.CodeRouteTaken says that nothing has changed
	// and that trying again will not help: another app has the routes.
	Set(ctx context.Context, alias teal.Alias, revision uint64) error
}

// Meter measures what versions do for users.
type Meter interface {
	// Baseline returns what a version did lately, in at most the window given.
	Baseline(ctx context.Context, app string, version int, window time.Duration) (teal.Measurement, error)
	// Follow begins to measure the two versions of a release side by side. The
	// caller must close the feed.
	Follow(ctx context.Context, app string, live, green int) (Feed, error)
}

// Feed is what a Meter measures of two versions from Follow on.
type Feed interface {
	// Changed has a value soon after something has been measured. A built-in
	// meter takes milliseconds, one that has to ask somebody may take a minute.
	Changed() <-chan struct{}
	// Take returns what has been measured since the last Take; an interval
	// without requests when there was nothing. An error says that nothing is
	// known, which is not the same as nothing.
	Take(ctx context.Context) (teal.Interval, error)
	Close()
}

// Judge turns what a Feed measures into a verdict on green. It is deterministic
// and does no I/O: the same intervals give the same judgement.
type Judge interface {
	// Begin says that a step begins, from 1: the least number of requests that a
	// pass needs counts from here. Saying it again changes nothing.
	Begin(step int)
	Add(interval teal.Interval)
	// Judgement is the verdict on everything so far.
	Judgement(now time.Time) teal.Judgement
	// State is what another Judge needs to go on from here.
	State() json.RawMessage
}

// Judges returns what makes the judge of a release, as the engine asks for it, of the
// constructor of a kind of judge, and of what that takes of a release.
func Judges[J Judge, B any](beginning func(teal.Release) B, construct func(B) (J, error)) func(teal.Release) (Judge, error) {
	return func(r teal.Release) (Judge, error) { return construct(beginning(r)) }
}

// Examiner does the tasks of releases: hooks, warm-ups, checks, and questions to
// judges outside. Tasks run in the background; when one has something new to
// say, the engine must be woken.
type Examiner interface {
	// Begin starts a task of the release, unless this process is at it or knows
	// its outcome. It does not wait for the task.
	Begin(ctx context.Context, r teal.Release, key teal.TaskKey) error
	// Outcome does not block.
	Outcome(id string, key teal.TaskKey) Outcome
	// Stop ends every task of a release and forgets it; it returns when nothing
	// of it runs any more. Idempotent.
	Stop(id string)
}

// Outcome is what is known of a task. The zero value is one that this process
// has not begun.
type Outcome struct {
	Begun bool
	// Verdict is "" while the task runs. That of a TaskAsk is the newest answer,
	// and may change.
	Verdict teal.Verdict
	// Findings are the evidence; those of a TaskAsk are of the newest answer.
	Findings []teal.Finding
}

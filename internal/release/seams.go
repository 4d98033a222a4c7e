package release

import (
	"context"
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
	// Active returns the app's active release ID, or "".
	Active(ctx context.Context, app string) (string, error)
	// Unclaim clears the app's active release if it is still id. Idempotent.
	Unclaim(ctx context.Context, app, id string) error
	// Unfinished returns the active release IDs of all apps.
	Unfinished(ctx context.Context) ([]string, error)
	// Conflict reports whether err is a lost compare-and-swap.
	Conflict(err error) bool
}

// Runner runs environments. Its methods are idempotent: each may be called
// again after a crash that hid its answer.
type Runner interface {
	// Provision returns once the wish to run the version is durable; its
	// instances start in the background.
	Provision(ctx context.Context, app string, version int) error
	// Observe does not block on the instances.
	Observe(ctx context.Context, app string, version int) (Health, error)
	// Retire returns once no new request reaches the environment and the wish
	// to stop it is durable; it finishes what it has within drain in the
	// background. An environment that another alias of the app uses is left
	// running; one that the live alias uses is refused with
	// teal.CodeVersionInUse.
	Retire(ctx context.Context, app string, version int, drain time.Duration) error
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

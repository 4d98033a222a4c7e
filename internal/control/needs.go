package control

import (
	"context"
	"io"

	"teal"
	"teal/internal/gateway"
)

// Known is what is in memory of the records, never behind a write that has returned.
type Known interface {
	// Apps returns all apps, those that are being deleted among them; one that cannot
	// be understood has no name.
	Apps() []teal.App
	Environments() map[string][]teal.Environment
	EnvironmentsOf(app string) []teal.Environment
	// Release returns a release that has not ended or is the newest of its app.
	Release(id string) (teal.Release, bool)
	// NewestRelease returns an app's newest release; false when none is recorded.
	NewestRelease(app string) (teal.Release, bool)
}

// Traffic is what users ask of versions, and how that goes.
type Traffic interface {
	// Lately reads memory alone: whoever shows all apps asks for each of them, again
	// and again.
	Lately(app string, versions []teal.VersionRef) teal.AppTraffic
}

// Bundles is the code that has been uploaded.
type Bundles interface{ Has(digest string) bool }

// Hooks takes the answers of hooks that come later.
type Hooks interface {
	Answer(release, token string, verdict teal.Verdict, why string) error
}

// Drafts are what apps are at the moment, which runs only for those who call it.
type Drafts interface {
	// ClaimDraft claims a function of an app's $LATEST, and waits until it runs.
	ClaimDraft(ctx context.Context, app, component string) (gateway.Claim, error)
}

// Recordings is what was kept of what releases were judged by.
type Recordings interface {
	// Read returns nothing, and no error, for a release of which nothing was kept.
	Read(release string) (io.ReadCloser, error)
}

// Reservations keep code that somebody is about to need.
type Reservations interface {
	// HoldFor keeps the code of a version and of how it is released until the
	// returned function is called. It waits for those pieces of it that are being
	// removed.
	HoldFor(spec teal.Spec, policy teal.Policy) (release func())
}

// Numbers are the last ones that deleted apps have given out.
type Numbers interface {
	Numbers(ctx context.Context, app string) (version, release int, err error)
}

// Alerts is what is wrong with the server.
type Alerts interface{ List() []teal.Alert }

// Garbage removes code that nothing needs.
type Garbage interface {
	// Nudge has it look again. It does not block.
	Nudge()
}

// Deletions are the apps that are on their way out.
type Deletions interface {
	// Await blocks while an app of that name is being deleted.
	Await(ctx context.Context, app string) error
	// Begin deletes an app, and unless keepState says otherwise what its components
	// have stored: when it returns without an error, nothing of it takes a request.
	Begin(ctx context.Context, app string, keepState bool) error
	// State returns the folder with what the components of an app have stored; ""
	// when there is none.
	State(app string) string
	// RemoveState removes that folder of an app that was deleted, and reports whether
	// there was one.
	RemoveState(ctx context.Context, app string) (removed bool, err error)
}

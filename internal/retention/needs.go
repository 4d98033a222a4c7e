package retention

import (
	"context"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/environment"
	"teal/internal/store"
)

// Aliases are the app's aliases.
type Aliases interface {
	Aliases(app string) []store.Record[teal.Alias]
	// Forget deletes all aliases of an app.
	Forget(ctx context.Context, app string) error
}

// Environments is what runs on this machine.
type Environments interface {
	Running(app string) []environment.Running
	// Specs returns what everything is made of that runs, draining or not.
	Specs() []teal.Spec
	Retire(ctx context.Context, app string, version teal.VersionRef, drain time.Duration) error
	// AwaitStopped blocks until nothing of the app runs or drains any more.
	AwaitStopped(ctx context.Context, app string) error
	// WhileNothingStarts runs f while no environment of the app is begun or retired.
	WhileNothingStarts(app string, f func() error) error
}

// Events are the invocations that wait for functions.
type Events interface {
	// Needs returns the versions of an app that events need.
	Needs(app string) []int
	// Leave has a version go, unless an event needs it or may need it: then ok is
	// false. Until left is called no event is accepted for it.
	Leave(version store.VersionKey) (left func(), ok bool)
	// Forget drops the events of an app.
	Forget(ctx context.Context, app string) error
}

// Waiting is several sorts of what waits for versions.
type Waiting []Events

var _ Events = Waiting{}

// Needs implements [Events].
func (w Waiting) Needs(app string) (numbers []int) {
	for _, sort := range w {
		numbers = append(numbers, sort.Needs(app)...)
	}
	return numbers
}

// Leave implements [Events].
func (w Waiting) Leave(version store.VersionKey) (left func(), ok bool) {
	var all []func()
	left = func() {
		for _, f := range all {
			f()
		}
	}
	for _, sort := range w {
		one, ok := sort.Leave(version)
		if !ok {
			left()
			return nil, false
		}
		all = append(all, one)
	}
	return left, true
}

// Forget implements [Events].
func (w Waiting) Forget(ctx context.Context, app string) error {
	for _, sort := range w {
		if err := sort.Forget(ctx, app); err != nil {
			return err
		}
	}
	return nil
}

// Unversioned is what names code besides the versions of apps: drafts and layers.
type Unversioned interface {
	DraftSpecs() []teal.Spec
	Layers() []awslambda.Layer
	// StoredDraft returns what the record of an app's draft says.
	StoredDraft(ctx context.Context, app string) (teal.Spec, bool)
	// WhileUnchanged runs f while nobody changes any of them for an app.
	WhileUnchanged(app string, f func() error) error
	// ForgetApp drops what is held in memory of an app whose records are gone.
	ForgetApp(app string)
}

// Zips are the zips that code was sent in, by their SHA-256.
type Zips interface {
	List() ([]string, error)
	Path(sum string) string
	// Remove deletes a zip; one that is not there is no error.
	Remove(sum string) error
}

// Logs is what components have printed.
type Logs interface {
	// Remove deletes the log of a version, or with 0 those of all the app's.
	Remove(app string, version teal.VersionRef) error
}

// Meter is what has been measured of versions.
type Meter interface {
	Forget(app string, version int)
	ForgetApp(app string)
}

// Recordings is what was kept of what releases were judged by.
type Recordings interface {
	Forget(release string) error
	// ForgetApp deletes what was kept of an app's releases up to a number.
	ForgetApp(app string, lastRelease int) error
}

// Secrets are those of apps.
type Secrets interface {
	// Forget deletes all secrets of an app.
	Forget(ctx context.Context, app string) error
	// Sweep removes the revisions of an app's secrets that nothing is bound to.
	Sweep(ctx context.Context, app string) error
}

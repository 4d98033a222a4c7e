package lambda

import (
	"context"
	"io"
	"iter"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/api/awslambda"
	"teal/internal/gateway"
	"teal/internal/logs"
	"teal/internal/store"
)

// Apps are the records of apps.
type Apps interface {
	// App returns an app; teal.CodeUnknownApp for one that is being deleted, too.
	App(ctx context.Context, name string) (store.Record[teal.App], error)
	// CheckNoRelease returns teal.CodeReleaseInProgress while a release of the app
	// has not ended.
	CheckNoRelease(ctx context.Context, app string) error
	// CheckStarted returns teal.CodeConflict, and who it was, for an app that somebody
	// has stopped.
	CheckStarted(ctx context.Context, app string) error
}

// Orders are what can be ordered of apps beside what is Lambda's alone.
type Orders interface {
	// CreateApp returns the record of an app, a new one if there is none. The
	// numbers of a deleted app of that name are not given out again.
	CreateApp(ctx context.Context, name string, policy teal.Policy) (store.Record[teal.App], error)
	// Record returns the version that has the spec's content, a new one if there is
	// none.
	Record(ctx context.Context, d api.Deploy) (version teal.Version, created bool, err error)
	// CheckAlias refuses what no alias can point to, and returns how long the app's
	// versions may take to become healthy.
	CheckAlias(ctx context.Context, set api.SetAlias) (patience time.Duration, err error)
	// EnsureReady starts a version that does not run and blocks until it is ready.
	// One that it has started in vain is stopped again.
	EnsureReady(ctx context.Context, set api.SetAlias, version teal.VersionRef, patience time.Duration) error
}

// Deletions delete apps.
type Deletions interface {
	// Await blocks while an app of that name is being deleted, but not for ever.
	Await(ctx context.Context, app string) error
	// Begin deletes an app, and unless keepState says otherwise what its components
	// have stored: when it returns without an error, nothing of it takes a request.
	Begin(ctx context.Context, app string, keepState bool) error
}

// Alias reads one alias.
type Alias interface {
	// Alias returns an alias and its revision; a zero record when there is none.
	Alias(app, name string) store.Record[teal.Alias]
}

// Aliases are those of all apps.
type Aliases interface {
	Alias
	// Aliases returns the stored aliases of an app and, derived, its preview.
	Aliases(app string) []store.Record[teal.Alias]
	// Stored returns the stored aliases of an app, by name.
	Stored(app string) []store.Record[teal.Alias]
	// SetDescribed writes a whole alias at a revision, 0 for a new one. When it
	// returns without an error, every request that starts follows it.
	SetDescribed(ctx context.Context, alias teal.Alias, revision uint64) error
	// Remove deletes an alias: when it returns without an error, no request that
	// starts follows it.
	Remove(ctx context.Context, app, name string) error
}

// Usage says who needs a version to run.
type Usage interface {
	// InUse reports whether an alias or a release uses a version.
	InUse(ctx context.Context, app string, version teal.VersionRef) (bool, error)
}

// Environments run versions.
type Environments interface {
	// ProvisionUnslotted starts a version that does not run, outside the two slots.
	ProvisionUnslotted(ctx context.Context, app string, version teal.VersionRef) error
	// Started blocks until a version is ready, or is known to fail.
	Started(ctx context.Context, app string, version teal.VersionRef) error
	// Retire has a version finish what it has, and stop.
	Retire(ctx context.Context, app string, version teal.VersionRef, drain time.Duration) error
	// Runs reports whether a version runs, or is starting.
	Runs(app string, version teal.VersionRef) bool
}

// Instances are the warm ones.
type Instances interface {
	// Instances returns how many instances of a function of a version there are.
	Instances(app string, version teal.VersionRef, component string) int
	// Rewarm has the running versions of an app ask [MinInstances] again.
	Rewarm(app string)
}

// Claimer counts calls in.
type Claimer interface {
	// ClaimQualifier counts a call to a component in. The claim names the version
	// also with an error, where that is about one version.
	ClaimQualifier(app, qualifier, component string, point teal.Weight) (gateway.Claim, error)
}

// Bundles are the unpacked code.
type Bundles interface {
	Put(ctx context.Context, zip io.Reader, expected string) (digest string, err error)
	Dir(ctx context.Context, digest string) (string, error)
	Size(ctx context.Context, digest string) (int64, error)
	Stack(ctx context.Context, digests []string) (string, error)
}

// Code removes what nothing needs, and keeps what something is about to need.
type Code interface {
	// Keep keeps all code until release is called.
	Keep() (release func())
	// Drop says that specs do not need their code any more. It does not block.
	Drop(specs ...teal.Spec)
	// DropLayer says the same of a version of a layer.
	DropLayer(l awslambda.Layer)
	// IsBlind reports whether there is a record that cannot be understood: it may
	// be the one that seems to be missing.
	IsBlind() bool
}

// Logs are what components have printed.
type Logs interface {
	Read(ctx context.Context, q logs.Query) iter.Seq2[logs.Line, error]
	// Stalled reports whether the lines of a version do not get to the disk.
	Stalled(app string, version teal.VersionRef) bool
}

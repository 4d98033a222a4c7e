package lambda

import (
	"cmp"
	"context"
	"maps"
	"sync"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/gateway"
	"teal/internal/store"
)

// Activator leads calls to versions, and starts a version that does not run for the
// call that needs it: the draft, and versions that no alias points to, run only for
// those who call them. It is safe for concurrent use.
type Activator struct {
	gateway      Claimer
	aliases      Alias
	environments Environments

	mu     sync.Mutex
	usedAt map[store.EnvironmentKey]time.Time // when an environment was last called
}

// NewActivator returns an activator that has started nothing.
func NewActivator(gateway Claimer, aliases Alias, environments Environments) *Activator {
	return &Activator{gateway: gateway, aliases: aliases, environments: environments, usedAt: map[store.EnvironmentKey]time.Time{}}
}

// claimTries bounds how often a version is started for one call: each further
// try means that somebody has stopped it in between.
const claimTries = 5

// startPatience is how long a call waits for a version that does not run yet.
const startPatience = 60 * time.Second

// claim finds the version for a call, starts it where it does not run, and
// counts the call in. The draft, and versions that no alias points to, run only
// for those who call them.
func (a *Activator) claim(ctx context.Context, ref awslambda.Ref, qualifier string) (gateway.Claim, error) {
	point := gateway.RandomPoint()
	qualifier = cmp.Or(qualifier, teal.DraftName)
	var claim gateway.Claim
	var err error
	for range claimTries {
		claim, err = a.gateway.ClaimQualifier(ref.App, qualifier, ref.Component, point)
		version := claim.Version
		switch {
		case err == nil:
			return whenStarted(ctx, claim)
		case teal.IsCode(err, teal.CodeUnknownApp), teal.IsCode(err, teal.CodeVersionNotRunning), teal.IsCode(err, teal.CodeUnavailable):
		default:
			return claim, err
		}
		if version == 0 { // the gateway does not say which one does not run
			followed, err := a.follow(ref.App, qualifier, point)
			if err != nil {
				return claim, err
			}
			version = followed
		}
		if err := a.startForCall(ctx, ref.App, version); err != nil {
			return claim, err
		}
		qualifier = version.String() // an alias has been followed once; that counts
	}
	// There is such a version: it could be started. An event of it is kept.
	return claim, teal.Errorf(teal.CodeUnavailable, "%s of %s is stopped each time that it has been started; try again: %w", qualifier, ref.App, err)
}

// ClaimDraft claims a function of an app's $LATEST, which it starts where it does not
// run: it blocks until that is ready, a minute at most, and returns why it is not. The
// component is "" for the app's only function.
func (a *Activator) ClaimDraft(ctx context.Context, app, component string) (gateway.Claim, error) {
	claim, err := a.claim(ctx, awslambda.Ref{App: app, Component: component}, teal.DraftName)
	if err == nil {
		a.touch(app, teal.Draft)
	}
	return claim, err
}

// claimRunning is claim where the version runs, and an error where it does not. It does
// not block.
func (a *Activator) claimRunning(ref awslambda.Ref, qualifier string) (gateway.Claim, error) {
	claim, err := a.gateway.ClaimQualifier(ref.App, cmp.Or(qualifier, teal.DraftName), ref.Component, gateway.RandomPoint())
	if err == nil && !claim.Env.HasStarted() {
		claim.Release()
		return gateway.Claim{Version: claim.Version}, teal.Errorf(teal.CodeUnavailable, "version %s of %s is starting", claim.Version, ref.App)
	}
	return claim, err
}

// whenStarted returns the claim when its environment can take a call: an alias may
// lead to one that is starting, and so may a second call to what the first one starts.
// It blocks for startPatience at most.
func whenStarted(ctx context.Context, claim gateway.Claim) (gateway.Claim, error) {
	if claim.Env.HasStarted() {
		return claim, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	select {
	case <-claim.Env.Started():
		return claim, nil
	case <-ctx.Done():
		claim.Release()
		return gateway.Claim{Version: claim.Version}, teal.Errorf(teal.CodeUnavailable, "version %s of %s has not started within %s: %w", claim.Version, claim.Env.App(), startPatience, ctx.Err())
	}
}

// follow returns the version that a qualifier leads to at a point.
func (a *Activator) follow(app, qualifier string, point teal.Weight) (teal.VersionRef, error) {
	if version, ok := teal.ParseVersionRef(qualifier); ok {
		return version, nil
	}
	targets := a.aliases.Alias(app, qualifier).Value.Targets
	if len(targets) == 0 {
		return 0, teal.Errorf(teal.CodeUnknownAlias, "app %s has no alias %s", app, qualifier)
	}
	return gateway.Pick(targets, point), nil
}

// startForCall starts a version and waits until it can take a call: until it is
// ready, or is known to fail, which the call is then told.
func (a *Activator) startForCall(ctx context.Context, app string, version teal.VersionRef) error {
	if err := a.environments.ProvisionUnslotted(ctx, app, version); err != nil {
		return err
	}
	a.touch(app, version)
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	return a.environments.Started(ctx, app, version)
}

// Ensure starts a version that does not run, for a call of its own, and waits until it can
// take one, or is known to fail: a minute at most. What runs for nothing else is stopped
// when it has not been called for a while.
func (a *Activator) Ensure(ctx context.Context, app string, version teal.VersionRef) error {
	return a.startForCall(ctx, app, version)
}

// touch notes that an environment was of use just now.
func (a *Activator) touch(app string, version teal.VersionRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.usedAt[store.EnvironmentKey{App: app, Version: version}] = time.Now()
}

// lastUse returns when an environment was last of use; zero when it was not, or so
// long ago that it has been forgotten.
func (a *Activator) lastUse(key store.EnvironmentKey) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.usedAt[key]
}

// forgetBefore drops what has not been of use since a time.
func (a *Activator) forgetBefore(limit time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.usedAt, func(_ store.EnvironmentKey, at time.Time) bool { return at.Before(limit) })
}

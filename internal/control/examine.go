package control

import (
	"context"
	"strconv"

	"teal"
	"teal/internal/check"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/release"
	"teal/internal/store"
)

// Examiner returns what the engine asks to do the tasks of releases.
func Examiner(e *check.Examiner) release.Examiner { return examiner{e} }

type examiner struct{ *check.Examiner }

// Outcome implements [release.Examiner].
func (e examiner) Outcome(id string, key teal.TaskKey) release.Outcome {
	return release.Outcome(e.Examiner.Outcome(id, key))
}

// Versions is how checks and hooks reach a version.
type Versions struct {
	store   *store.Store
	manager *environment.Manager
	gateway *gateway.Gateway
}

// NewVersions returns how checks and hooks reach the versions in a store.
func NewVersions(s *store.Store, m *environment.Manager, g *gateway.Gateway) Versions {
	return Versions{store: s, manager: m, gateway: g}
}

var _ check.Versions = Versions{}

// Spec implements [check.Versions].
func (v Versions) Spec(ctx context.Context, app string, version int) (teal.Spec, error) {
	record, err := v.store.Versions.Get(ctx, store.VersionKey{App: app, Number: version})
	return record.Value.Spec, err
}

// Address implements [check.Versions].
func (v Versions) Address(app string, version int, component string) (string, error) {
	return v.manager.Address(app, version, component)
}

// Invoke implements [check.Versions]. The version is asked for by number, so the
// invocation does not count as a user's.
func (v Versions) Invoke(ctx context.Context, app string, version int, component string, event []byte) (teal.Answer, error) {
	claim, err := v.gateway.ClaimQualifier(app, strconv.Itoa(version), component, 0)
	if err != nil {
		return teal.Answer{}, err
	}
	defer claim.Release()
	ctx, done := claim.Env.Bind(ctx)
	defer done()
	return claim.Component.Function.Invoke(ctx, teal.Invocation{Event: event})
}

// AnswerPath is where a hook of a release sends its later answer, with its token
// behind it.
func AnswerPath(id string) string { return "/v1/releases/" + id + "/hooks" }

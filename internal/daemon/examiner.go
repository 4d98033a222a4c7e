package daemon

import (
	"context"
	"strconv"
	"time"

	"teal"
	"teal/internal/check"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/release"
	"teal/internal/store"
)

// examiner is what the engine asks to do the tasks of releases.
type examiner struct{ *check.Examiner }

var _ release.Examiner = examiner{}

// Outcome implements [release.Examiner].
func (e examiner) Outcome(id string, key teal.TaskKey) release.Outcome {
	return release.Outcome(e.Examiner.Outcome(id, key))
}

// versions is how checks and hooks reach a version.
type versions struct {
	store   *store.Store
	manager *environment.Manager
	gateway *gateway.Gateway
}

var _ check.Versions = versions{}

// Spec implements [check.Versions].
func (v versions) Spec(ctx context.Context, app string, version int) (teal.Spec, error) {
	record, err := v.store.Versions.Get(ctx, store.VersionKey{App: app, Number: version})
	return record.Value.Spec, err
}

// Address implements [check.Versions].
func (v versions) Address(app string, version int, component string) (string, error) {
	return v.manager.Address(app, version, component)
}

// Invoke implements [check.Versions]. The version is asked for by number, so the
// invocation does not count as a user's.
func (v versions) Invoke(ctx context.Context, app string, version int, component string, event []byte) (teal.Answer, error) {
	claim, err := v.gateway.ClaimQualifier(app, strconv.Itoa(version), component, 0)
	if err != nil {
		return teal.Answer{}, err
	}
	defer claim.Release()
	ctx, done := claim.Env.Bind(ctx)
	defer done()
	return claim.Component.Function.Invoke(ctx, teal.Invocation{Event: event})
}

var _ check.Traffic = traffic{}

// traffic is what users have just asked of a version.
type traffic struct{ meters }

// Latency95 implements [check.Traffic].
func (t traffic) Latency95(app string, version int) (time.Duration, bool) {
	return t.Meter.Latency95(app, version)
}

// answerPath is where a hook of a release sends its later answer, with its token
// behind it.
func answerPath(id string) string { return "/v1/releases/" + id + "/hooks" }

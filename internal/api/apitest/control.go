package apitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing/iotest"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/freeze"
)

var _ api.Control = (*Teal)(nil)

// find returns an app; the caller holds the lock.
func (t *Teal) find(name string) (*app, error) {
	if a, ok := t.apps[name]; ok {
		return a, nil
	}
	return nil, teal.Errorf(teal.CodeUnknownApp, "there is no app %q", name)
}

func (a *app) active() *teal.Release {
	if n := len(a.releases); n > 0 && !a.releases[n-1].Phase.Ended() {
		return &a.releases[n-1]
	}
	return nil
}

// Deploy implements api.Deployer.
func (t *Teal) Deploy(_ context.Context, d api.Deploy) (api.Deployed, error) {
	if t.RefuseDeploy != nil {
		if err := t.RefuseDeploy(); err != nil {
			return api.Deployed{}, err
		}
	}
	t.mu.Lock()
	a := t.create(d.Spec.App)
	if stopped := a.record.Stopped; stopped != nil {
		t.mu.Unlock()
		return api.Deployed{}, teal.Errorf(teal.CodeConflict, "%s was stopped by %s; start it first with `teal start %s`", d.Spec.App, stopped.By, d.Spec.App)
	}
	version, created := t.version(a, d.Spec)
	out := api.Deployed{Version: version, Created: created}
	out.Live = a.aliases[teal.AliasLive].IsOnly(version.Number)
	if out.Live || !d.Release {
		if !out.Live {
			t.setEnvironment(a, version.Number, teal.EnvironmentReady, "", "")
			t.setAlias(a, teal.AliasPreview, teal.Only(version.Number), "deploy")
		}
		t.mu.Unlock()
		return out, nil
	}
	if holding, frozen := freeze.InForce(d.Policy.Freeze, a.record.Frozen, t.now); frozen && d.Unfreeze == "" {
		t.mu.Unlock()
		return api.Deployed{}, teal.Errorf(teal.CodeFrozen, "%s", holding.Refusal(d.Spec.App))
	}
	release, err := t.start(a, version.Number, d.Policy, d.By)
	if err == nil {
		release = t.overrides(a, d)
	}
	t.mu.Unlock()
	if err != nil {
		return api.Deployed{}, err
	}
	out.Release = &release
	t.script(release)
	return out, nil
}

// overrides records the reasons for which a new release stops for less.
func (t *Teal) overrides(a *app, d api.Deploy) teal.Release {
	r := a.active()
	if d.Force != "" {
		r.Commands.Force = &teal.Command{Kind: teal.CommandForce, By: d.By, Why: d.Force, At: t.now}
	}
	if d.Unfreeze != "" {
		r.Commands.Unfreeze = &teal.Command{Kind: teal.CommandUnfreeze, By: d.By, Why: d.Unfreeze, At: t.now}
	}
	return *r
}

func (t *Teal) script(r teal.Release) {
	if t.Script != nil {
		t.Script(t, r)
	}
}

func (t *Teal) create(name string) *app {
	a, ok := t.apps[name]
	if !ok {
		a = &app{
			record:  teal.App{Name: name, CreatedAt: t.now},
			aliases: map[string]teal.Alias{}, revisions: map[string]uint64{}, environments: map[int]teal.Environment{},
		}
		t.apps[name] = a
		t.tell(api.EventApp, name, "", a.record)
	}
	return a
}

func (t *Teal) version(a *app, spec teal.Spec) (teal.Version, bool) {
	for _, v := range a.versions {
		if v.Digest == spec.Digest() {
			return v, false
		}
	}
	v := teal.Version{App: a.record.Name, Number: len(a.versions) + 1, Digest: spec.Digest(), Spec: spec, CreatedAt: t.now}
	a.versions = append(a.versions, v)
	t.tell(api.EventVersion, v.App, strconv.Itoa(v.Number), v)
	return v, true
}

func (t *Teal) start(a *app, to int, policy teal.Policy, by string) (teal.Release, error) {
	if active := a.active(); active != nil && active.Phase != teal.PhaseWatching {
		return teal.Release{}, teal.Errorf(teal.CodeReleaseInProgress, "release %s (v%d → v%d) is %s; wait for it, or end it with `teal abort %s`",
			active.ID, active.From, active.To, active.Phase, active.App)
	} else if active != nil {
		t.enter(a, active, teal.PhaseCompleted, "superseded by the release of another version")
	}
	from, _ := a.aliases[teal.AliasLive].Primary().Number()
	r := teal.Release{
		ID: fmt.Sprintf("%s-%d", a.record.Name, len(a.releases)+1), App: a.record.Name, Alias: teal.AliasLive,
		From: from, To: to, Policy: policy, Phase: teal.PhaseQueued, Reason: "release created",
		CreatedAt: t.now, CreatedBy: by, ReadyBy: t.now.Add(policy.ReadyWithin.Std()),
		Phases: []teal.PhaseEntry{{Phase: teal.PhaseQueued, At: t.now, Reason: "release created"}},
	}
	a.releases = append(a.releases, r)
	t.tell(api.EventRelease, r.App, r.ID, r)
	return r, nil
}

func (t *Teal) enter(a *app, r *teal.Release, next teal.Phase, reason string) {
	if err := r.Enter(next, t.now, reason); err != nil {
		panic(err)
	}
	if next == teal.PhaseCompleted && r.From != 0 {
		t.dropEnvironment(a, r.From)
	}
	t.tell(api.EventRelease, r.App, r.ID, *r)
}

// Promote implements api.Releaser.
func (t *Teal) Promote(_ context.Context, name, by string) (teal.Release, error) {
	t.mu.Lock()
	a, err := t.find(name)
	if err != nil {
		t.mu.Unlock()
		return teal.Release{}, err
	}
	if r := a.active(); r != nil && r.Phase == teal.PhaseShifting {
		r.Commands.Give(teal.Command{Kind: teal.CommandPromote, By: by, At: t.now})
		t.tell(api.EventRelease, name, r.ID, *r)
		release := *r
		t.mu.Unlock()
		return release, nil
	}
	live, candidate := a.aliases[teal.AliasLive], a.aliases[teal.AliasPreview].Primary()
	if len(live.Targets) == 2 {
		candidate = live.Targets[1].Version
	}
	to, _ := candidate.Number()
	if to == 0 || live.IsOnly(to) {
		t.mu.Unlock()
		return teal.Release{}, teal.Errorf(teal.CodeNothingToPromote, "%s has no preview version to promote; deploy one with `teal deploy --no-release`", name)
	}
	release, err := t.start(a, to, teal.DefaultPolicy(), by)
	t.mu.Unlock()
	if err == nil {
		t.script(release)
	}
	return release, err
}

// Rollback implements api.Releaser.
func (t *Teal) Rollback(_ context.Context, name string, to int, by, why string) (teal.Release, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(name)
	if err != nil {
		return teal.Release{}, err
	}
	r := a.active()
	switch {
	case r != nil && r.Phase.BeforeTraffic() && (to == 0 || to == r.From):
		return t.abort(a, r, by, why), nil
	case r == nil || r.From == 0 || (to != 0 && to != r.From):
		return teal.Release{}, teal.Errorf(teal.CodeNothingToRollBackTo, "%s has no version to go back to", name)
	}
	reason := "requested by " + by
	if why != "" {
		reason += fmt.Sprintf(" (%q)", why)
	}
	r.Commands.Give(teal.Command{Kind: teal.CommandRollback, By: by, Why: why, At: t.now})
	t.enter(a, r, teal.PhaseRollingBack, reason)
	t.setAlias(a, teal.AliasLive, teal.Only(r.From), "release "+r.ID)
	t.enter(a, r, teal.PhaseRolledBack, reason)
	t.dropEnvironment(a, r.To)
	return *r, nil
}

// Abort implements api.Releaser.
func (t *Teal) Abort(ctx context.Context, name, by, why string) (teal.Release, error) {
	t.mu.Lock()
	a, err := t.find(name)
	if err != nil {
		t.mu.Unlock()
		return teal.Release{}, err
	}
	r := a.active()
	if r == nil {
		t.mu.Unlock()
		return teal.Release{}, teal.Errorf(teal.CodeNoActiveRelease, "no release of %s is running; there is nothing to abort", name)
	}
	if !r.Phase.BeforeTraffic() {
		t.mu.Unlock()
		return t.Rollback(ctx, name, 0, by, why)
	}
	defer t.mu.Unlock()
	return t.abort(a, r, by, why), nil
}

// abort ends a release that has moved nothing.
func (t *Teal) abort(a *app, r *teal.Release, by, why string) teal.Release {
	if r.Phase == teal.PhaseQueued {
		t.enter(a, r, teal.PhaseProvisioning, "starting")
	}
	r.Commands.Give(teal.Command{Kind: teal.CommandRollback, By: by, Why: why, At: t.now})
	t.enter(a, r, teal.PhaseAborted, "requested by "+by)
	t.dropEnvironment(a, r.To)
	return *r
}

// Command implements api.Releaser. An approval approves the step that green has.
func (t *Teal) Command(_ context.Context, name string, order teal.Command) (teal.Release, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(name)
	if err != nil {
		return teal.Release{}, err
	}
	r := a.active()
	if r == nil {
		return teal.Release{}, teal.Errorf(teal.CodeNoActiveRelease, "no release of %s is running; there is nothing to %s", name, order.Kind)
	}
	order.At = t.now
	if order.Kind == teal.CommandApprove {
		if order.Step == 0 {
			order.Step = r.Step
		}
		if order.Step == 0 || order.Step != r.Step || !r.Policy.Steps[r.Step-1].Approval {
			return teal.Release{}, teal.Errorf(teal.CodeConflict, "release %s is %s and not waiting for approval", r.ID, r.Phase)
		}
	}
	if !r.Commands.Give(order) && order.Kind == teal.CommandResume {
		return teal.Release{}, teal.Errorf(teal.CodeConflict, "release %s is %s, not paused", r.ID, r.Phase)
	}
	r.WaitsSince = nil
	if order.Kind == teal.CommandPause {
		r.WaitsSince = &order.At
	}
	t.tell(api.EventRelease, name, r.ID, *r)
	return *r, nil
}

// AnswerHook implements api.Releaser.
func (t *Teal) AnswerHook(_ context.Context, id, token string, verdict teal.Verdict, why string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.apps[teal.AppOfRelease(id)]; a != nil && a.active() != nil && a.active().ID == id {
		r := a.active()
		for _, task := range r.Tasks {
			if task.Token == token && token != "" && (!task.Ended() || task.Verdict == verdict) {
				t.end(a, r, task.Key, verdict, teal.Finding{Asked: "answer of the hook", Seen: why})
				return nil
			}
		}
	}
	return teal.Errorf(teal.CodeNotFound, "no hook of release %s waits for an answer under this token", id)
}

// Intervals implements api.Catalog. Those of a release whose ID ends in -13
// break off after the first line.
func (t *Teal) Intervals(_ context.Context, id string) (io.ReadCloser, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apps[teal.AppOfRelease(id)]
	if a == nil || !slices.ContainsFunc(a.releases, func(r teal.Release) bool { return r.ID == id }) {
		return nil, teal.Errorf(teal.CodeUnknownRelease, "there is no release %q", id)
	}
	if strings.HasSuffix(id, "-13") {
		return io.NopCloser(io.MultiReader(strings.NewReader("{}\n"), iotest.ErrReader(errors.New("the disk is broken")))), nil
	}
	return io.NopCloser(bytes.NewReader(a.intervals[id])), nil
}

// OrderApp implements api.Operator. What it starts is healthy at once.
func (t *Teal) OrderApp(_ context.Context, name string, given api.OrderApp) (api.Status, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(name)
	if err != nil {
		return api.Status{}, err
	}
	if r := a.active(); r != nil && given.Kind == teal.OrderStop {
		return api.Status{}, settled(*r)
	}
	if a.record.Give(given.At(t.now)) {
		t.tell(api.EventApp, name, "", a.record)
		switch given.Kind {
		case teal.OrderStop:
			for version := range a.environments {
				t.dropEnvironment(a, version)
			}
		case teal.OrderStart:
			for _, target := range a.aliases[teal.AliasLive].Targets {
				t.setEnvironment(a, int(target.Version), teal.EnvironmentReady, "", "")
			}
		case teal.OrderFreeze, teal.OrderUnfreeze:
		}
	}
	return a.status(t.now), nil
}

func settled(r teal.Release) error {
	return teal.Errorf(teal.CodeReleaseInProgress, "release %s of %s is %s; end it first with `teal abort %s`, or wait for it", r.ID, r.App, r.Phase, r.App)
}

// DeleteApp implements api.Operator.
func (t *Teal) DeleteApp(_ context.Context, name string, d api.DeleteApp) (api.DeletedApp, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := api.DeletedApp{App: name}
	a, err := t.find(name)
	if err != nil {
		if out.Already = t.deleted[name]; out.Already {
			return out, nil
		}
		return out, err
	}
	if r := a.active(); r != nil {
		return out, settled(*r)
	}
	delete(t.apps, name)
	t.deleted[name] = true
	if !d.WithState {
		out.KeptState = "/var/lib/teal/state/" + name
	}
	return out, nil
}

// SetAlias implements api.Aliaser.
func (t *Teal) SetAlias(_ context.Context, set api.SetAlias) (api.AliasView, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(set.App)
	if err != nil {
		return api.AliasView{}, err
	}
	for _, target := range set.Targets {
		if int(target.Version) > len(a.versions) {
			return api.AliasView{}, teal.Errorf(teal.CodeUnknownVersion, "%s has no version %d", set.App, target.Version)
		}
	}
	if set.Revision != nil && *set.Revision != a.revisions[set.Alias] {
		return api.AliasView{}, teal.Errorf(teal.CodeConflict, "the alias %s has revision %d, not %d; read it again", set.Alias, a.revisions[set.Alias], *set.Revision)
	}
	before := a.aliases[set.Alias]
	t.setAlias(a, set.Alias, set.Targets, set.By)
	a.aliases[set.Alias] = a.aliases[set.Alias].Noted(before)
	return api.ViewAlias(a.aliases[set.Alias], a.revisions[set.Alias]), nil
}

// AliasChanges implements api.Aliaser.
func (t *Teal) AliasChanges(_ context.Context, app string) ([]teal.AliasChange, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(app)
	if err != nil {
		return nil, err
	}
	return a.record.AliasChanges(slices.Collect(maps.Values(a.aliases)), func(name string) uint64 { return a.revisions[name] }, 100), nil
}

// SetSchedules says what Schedules returns, of all apps.
func (t *Teal) SetSchedules(list ...api.ScheduleView) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.schedules = list
}

// Schedules implements api.Catalog.
func (t *Teal) Schedules(_ context.Context, app string) ([]api.ScheduleView, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []api.ScheduleView{}
	for _, s := range t.schedules {
		if app == "" || s.App == app {
			list = append(list, s)
		}
	}
	if app == "" {
		return list, nil
	}
	_, err := t.find(app)
	return list, err
}

// Status implements api.Catalog.
func (t *Teal) Status(_ context.Context, name string) (api.Status, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(name)
	if err != nil {
		return api.Status{}, err
	}
	return a.status(t.now), nil
}

func (a *app) status(now time.Time) api.Status {
	r := api.Records{
		App: a.record.Name, Revisions: a.revisions, Active: a.active(), Judgement: a.judgement,
		Aliases:      slices.Collect(maps.Values(a.aliases)),
		Environments: slices.Collect(maps.Values(a.environments)),
		Stopped:      a.record.Stopped, Frozen: a.record.FrozenAt(now), Orders: a.record.Orders,
	}
	if n := len(a.releases); n > 0 {
		last := a.releases[n-1]
		r.Last = &last
	}
	r.Traffic, r.Running = a.traffic, a.running
	return api.NewStatus(r)
}

// Apps implements api.Catalog.
func (t *Teal) Apps(context.Context) ([]api.Status, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := []api.Status{}
	for _, name := range slices.Sorted(maps.Keys(t.apps)) {
		all = append(all, t.apps[name].status(t.now))
	}
	return all, nil
}

// Versions implements api.Catalog.
func (t *Teal) Versions(_ context.Context, name string) ([]teal.Version, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(a.versions), nil
}

// Releases implements api.Catalog.
func (t *Teal) Releases(_ context.Context, name string) ([]teal.Release, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(a.releases), nil
}

// Release implements api.Catalog.
func (t *Teal) Release(_ context.Context, id string) (teal.Release, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.apps {
		for _, r := range a.releases {
			if r.ID == id {
				return r, nil
			}
		}
	}
	return teal.Release{}, teal.Errorf(teal.CodeUnknownRelease, "there is no release %q", id)
}

// Invoke implements api.Invoker: it answers with the event. An event that
// contains "fail" is answered as a handler that raised an exception.
func (t *Teal) Invoke(_ context.Context, call api.Invoke) (api.Invoked, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(call.App)
	if err != nil {
		return api.Invoked{}, err
	}
	if call.Component != "" && call.Component != "hello" {
		return api.Invoked{}, teal.Errorf(teal.CodeUnknownComponent, "%s has no function %q", call.App, call.Component)
	}
	version, err := strconv.Atoi(call.Qualifier)
	if err != nil {
		alias := call.Qualifier
		if alias == "" {
			alias = teal.AliasLive
		}
		if version, _ = a.aliases[alias].Primary().Number(); version == 0 {
			return api.Invoked{}, teal.Errorf(teal.CodeUnknownAlias, "%s has no alias %q", call.App, alias)
		}
	}
	answer := teal.Answer{RequestID: "req-1", Payload: call.Event}
	if bytes.Contains(call.Event, []byte("fail")) {
		answer.FunctionError = "Unhandled"
		answer.Payload = []byte(`{"errorMessage":"it failed","errorType":"ValueError"}`)
	}
	return api.Invoked{Version: teal.VersionRef(version), Answer: answer}, nil
}

package routing

import (
	"context"
	"fmt"
	"testing"
	"time"

	"teal"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/release"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// leaving is a store whose caller goes away in the middle of every write: like
// one behind a connection, it then does not know what became of the write.
type leaving struct {
	store.KV
	leave context.CancelFunc
}

func (l leaving) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	revision, err := l.KV.Create(ctx, key, value)
	return l.answer(ctx, revision, err)
}

func (l leaving) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	revision, err := l.KV.Update(ctx, key, value, revision)
	return l.answer(ctx, revision, err)
}

func (l leaving) answer(ctx context.Context, revision uint64, err error) (uint64, error) {
	l.leave()
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrOutcomeUnknown, ctx.Err())
	}
	return revision, err
}

// twoRun is a fleet in which versions 1 and 2 run.
type twoRun struct{ envs []environment.Running }

func newTwoRun() twoRun {
	var f twoRun
	for version := 1; version <= 2; version++ {
		f.envs = append(f.envs, environment.Running{Version: teal.VersionRef(version), Handle: gateway.NewEnvironment(gateway.EnvironmentConfig{
			App: "shop", Version: teal.VersionRef(version), Routes: []teal.Route{{Path: "/", To: "web"}},
			Components: map[string]*gateway.Component{"web": {Name: "web"}},
		})})
	}
	return f
}

func (f twoRun) Running(string) []environment.Running        { return f.envs }
func (f twoRun) Runs(_ string, version teal.VersionRef) bool { return version == 1 || version == 2 }

// A caller who goes away in the middle of a switch leaves requests where the
// Stored alias says.
func TestSwitchWhoseCallerGoesAway(t *testing.T) {
	for version := 1; version <= 2; version++ {
		kv := memkv.New()
		ctx, leave := context.WithCancel(t.Context())
		caller := &leaving{kv, leave}
		r := newNodeWith(t, "only", caller, memkv.New(), newTwoRun())
		r.start(t)
		revision := uint64(0)
		if version == 2 { // the alias exists
			if err := r.Set(t.Context(), teal.Alias{App: "shop", Name: teal.AliasLive, Targets: teal.Only(1)}, 0); err != nil {
				t.Fatal(err)
			}
			revision = r.Alias("shop", teal.AliasLive).Revision
			ctx, leave = context.WithCancel(t.Context())
			caller.leave = leave
		}
		err := r.Set(ctx, teal.Alias{App: "shop", Name: teal.AliasLive, Targets: teal.Only(version)}, revision)
		stored, getErr := store.New(kv).Aliases.Get(t.Context(), store.AliasKey{App: "shop", Name: teal.AliasLive})
		if getErr != nil {
			t.Fatal(getErr)
		}
		claim, claimErr := r.table.gateway.Claim(gateway.Head{Host: "shop", Path: "/"}, 0)
		if claimErr != nil || claim.Version != stored.Value.Primary() {
			t.Errorf("the store says version %d, requests get version %d (%v); Set: %v", stored.Value.Primary(), claim.Version, claimErr, err)
			continue
		}
		claim.Release()
	}
}

// A release whose record was written is begun, whoever has gone away meanwhile; so is
// the next one. Seen red with Unclaim keeping its caller's context: nobody learned
// that the place was shop-2's.
func TestClaimWhoseCallerGoesAway(t *testing.T) {
	kv := memkv.New()
	if _, err := store.New(kv).Apps.Create(t.Context(), teal.App{Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	var j release.Journal = Journal{store.New(leaving{kv, leave})}
	r, err := j.Claim(ctx, teal.Release{App: "shop", Alias: teal.AliasLive, To: 1, Phase: teal.PhaseQueued}, "")
	if err != nil || r.ID != "shop-1" {
		t.Fatalf("claimed %q: %v", r.ID, err)
	}
	ctx, leave = context.WithCancel(t.Context())
	j = Journal{store.New(leaving{kv, leave})}
	_, revision, err := j.Load(ctx, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Save(ctx, r, revision); err != nil {
		t.Errorf("saved: %v", err)
	}
	if _, active, err := j.Enqueue(t.Context(), teal.Release{App: "shop", Alias: teal.AliasLive, To: 2, Phase: teal.PhaseQueued}); err != nil || active {
		t.Fatalf("enqueued: %v %v", active, err)
	}
	ctx, leave = context.WithCancel(t.Context())
	j = Journal{store.New(leaving{kv, leave})}
	if next, err := j.Unclaim(ctx, "shop", r.ID); next != "shop-2" || err != nil {
		t.Errorf("the place went to %q: %v", next, err)
	}
}

func TestPreviewFollowsTheNewestVersionThatIsNotLive(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC) }
	older := environment.Running{Version: 1, Since: at(1)}
	live := environment.Running{Version: 2, Since: at(2)}
	newer := environment.Running{Version: 3, Since: at(3)}
	newest := environment.Running{Version: 1, Since: at(4)} // old content, released again
	alias := teal.Alias{Targets: teal.Only(2)}
	for _, c := range []struct {
		name    string
		alias   teal.Alias
		running []environment.Running
		want    int
	}{
		{"nothing beside live", alias, []environment.Running{live}, 0},
		{"a standby is no preview", alias, []environment.Running{older, live}, 0},
		{"green before the switch", alias, []environment.Running{live, newer}, 3},
		{"newest, not highest", alias, []environment.Running{newest, live, newer}, 1},
		{"what runs for an alias is no preview", alias, []environment.Running{live, newer, {Version: 1, Since: at(4), Unslotted: true}}, 3},
		{"nothing is live yet", teal.Alias{}, []environment.Running{older}, 1},
		{"a version in a split is live", teal.Alias{Targets: []teal.Target{{Version: 2, Weight: teal.Percent(90)}, {Version: 3, Weight: teal.Percent(10)}}},
			[]environment.Running{live, newer}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := preview(c.alias, c.running); got != c.want {
				t.Errorf("preview %d, want %d", got, c.want)
			}
		})
	}
}

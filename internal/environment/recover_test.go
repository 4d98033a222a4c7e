package environment

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal"
)

// ledger is the records and the aliases of one app, which outlive a manager. The
// next write fails as it is told to.
type ledger struct {
	world

	aliases map[string]int // the version of each
	fault   fault
}

type fault int

const (
	faultNone fault = iota
	faultRefused
	faultAnswerLost
)

var errStore = errors.New("the store does not answer")

// write does a write, or does as if.
func (l *ledger) write(do func()) error {
	l.mu.Lock()
	now := l.fault
	l.fault = faultNone
	l.mu.Unlock()
	if now != faultRefused {
		do()
	}
	if now != faultNone {
		return errStore
	}
	return nil
}

func (l *ledger) SetDesired(ctx context.Context, e teal.Environment) error {
	return l.write(func() { _ = l.world.SetDesired(ctx, e) })
}

func (l *ledger) Note(ctx context.Context, app string, version teal.VersionRef, note func(*teal.Environment)) error {
	return l.write(func() { _ = l.world.Note(ctx, app, version, note) })
}

func (l *ledger) Forget(ctx context.Context, app string, version teal.VersionRef) error {
	return l.write(func() { _ = l.world.Forget(ctx, app, version) })
}

func (l *ledger) Targets() []Target {
	l.mu.Lock()
	defer l.mu.Unlock()
	var targets []Target
	for name, version := range l.aliases {
		targets = append(targets, Target{App: shop, Version: teal.VersionRef(version), Live: name == teal.AliasLive})
	}
	return targets
}

func (l *ledger) use(version teal.VersionRef) Use {
	use := Use{}
	for name, target := range l.aliases {
		use.Live = use.Live || target == int(version) && name == teal.AliasLive
		use.Alias = use.Alias || target == int(version) && name != teal.AliasLive
	}
	return use
}

// wanted reports whether every version that an alias points to has a record that
// does not drain.
func (l *ledger) wanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, version := range l.aliases {
		if e, ok := l.envs[teal.VersionRef(version)]; !ok || e.State == teal.EnvironmentDraining {
			return false
		}
	}
	return true
}

// life runs a manager over the ledger until stop is called.
func (l *ledger) life(t *rapid.T, dir string) (m *Manager, stop func()) {
	m = New(Config{
		Records: l, Bundles: l, Processes: l, Siblings: l, Logs: l, Usage: l, DataPlane: l,
		WorkDir: filepath.Join(dir, "work"), Logger: slog.New(slog.DiscardHandler), Changed: func(string) {},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	select {
	case <-m.Recovered():
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	}
	return m, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// Every version that an alias points to runs and is recorded as wanted: at once
// after a start, and soon whatever writes have failed or lost their answers, in
// any order of starts, retirements, moves of aliases, and crashes.
//
// Seen red without the targets in planRecovery (live pointed to a version that
// nobody had started: "draining" was written, its answer lost, the alias given back
// and the server started again), and without reclaim (the record of what live
// points to said "draining" for good), also not where the write of a start fails.
func TestWhatAnAliasPointsToRuns(t *testing.T) {
	code, dir := t.TempDir(), t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		l := &ledger{aliases: map[string]int{}}
		l.world = world{code: code, envs: map[teal.VersionRef]teal.Environment{}, uses: l.use}
		m, stop := l.life(t, dir)
		defer func() { stop() }()
		version := rapid.IntRange(1, 3)
		settle := func() {
			for deadline := time.Now().Add(20 * time.Second); !l.wanted(); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("aliases %v, records %+v", l.aliases, l.envs)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"start": func(t *rapid.T) { _ = m.Provision(context.Background(), shop, version.Draw(t, "version")) },
			"aside": func(t *rapid.T) {
				_ = m.ProvisionUnslotted(context.Background(), shop, teal.VersionRef(version.Draw(t, "version")))
			},
			"retire": func(t *rapid.T) {
				_ = m.Retire(context.Background(), shop, teal.VersionRef(version.Draw(t, "version")), 0)
			},
			"fail": func(t *rapid.T) {
				next := rapid.SampledFrom([]fault{faultRefused, faultAnswerLost}).Draw(t, "fault")
				l.mu.Lock()
				defer l.mu.Unlock()
				l.fault = next
			},
			"alias": func(t *rapid.T) {
				v := version.Draw(t, "version")
				if !m.Runs(shop, teal.VersionRef(v)) {
					return // the router refuses that
				}
				l.mu.Lock()
				defer l.mu.Unlock()
				l.aliases[rapid.SampledFrom([]string{teal.AliasLive, "stable"}).Draw(t, "alias")] = v
			},
			"crash": func(t *rapid.T) {
				stop()
				m, stop = l.life(t, dir)
				for _, target := range l.Targets() {
					if !m.Runs(shop, target.Version) {
						t.Fatalf("an alias points to version %d, which was not started: %+v", target.Version, l.envs)
					}
				}
			},
			"": func(*rapid.T) {},
		})
		l.mu.Lock()
		l.fault = faultNone
		l.mu.Unlock()
		settle()
	})
}

// A start makes of the records and the aliases what is to run: live first, no slot
// twice, nothing of what was deleted.
func TestPlanRecovery(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	env := func(app string, version int, slot teal.Slot, state teal.EnvironmentState) teal.Environment {
		return teal.Environment{App: app, Version: teal.VersionRef(version), Slot: slot, State: state}
	}
	plans := planRecovery([]teal.Environment{
		env("a", 1, teal.SlotBlue, teal.EnvironmentDraining),
		env("a", 2, teal.SlotGreen, teal.EnvironmentReady),
		env("b", 7, teal.SlotBlue, teal.EnvironmentDraining),
		env("gone", 1, teal.SlotBlue, teal.EnvironmentReady),
	}, []Target{{App: "b", Version: 7, Live: true}, {App: "b", Version: 6}, {App: "c", Version: 1, Live: true}, {App: "a", Version: 3, Live: true}},
		func(app string) bool { return app == "gone" }, now)
	type outcome struct {
		app     string
		version int
		slot    teal.Slot
		state   teal.EnvironmentState
		aside   bool
		forget  bool
		record  bool
	}
	want := []outcome{
		{"b", 7, teal.SlotBlue, teal.EnvironmentStarting, false, false, true},
		{"c", 1, teal.SlotBlue, teal.EnvironmentStarting, false, false, true},
		{"a", 3, teal.SlotBlue, teal.EnvironmentStarting, false, false, true},
		{"a", 1, teal.SlotBlue, teal.EnvironmentDraining, false, true, false},
		{"a", 2, teal.SlotGreen, teal.EnvironmentReady, false, false, false},
		{"gone", 1, teal.SlotBlue, teal.EnvironmentReady, false, true, false},
		{"b", 6, teal.SlotNone, teal.EnvironmentStarting, true, false, true},
	}
	var got []outcome
	for _, p := range plans {
		got = append(got, outcome{p.env.App, int(p.env.Version), p.env.Slot, p.env.State, p.env.Unslotted, p.forget, p.record})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// What one record or one folder can do keeps nothing else down: a version that
// cannot be read is reported, and the others run.
//
// Seen red when recover returned the error: Run ended; and when retire did not resolve
// the alert.
func TestOneVersionThatCannotBeReadKeepsNothingDown(t *testing.T) {
	w := &world{code: t.TempDir(), envs: map[teal.VersionRef]teal.Environment{1: {App: shop, Version: 1}, 2: {App: shop, Version: 2}}, uses: func(teal.VersionRef) Use { return Use{} }}
	told := &alerts{}
	m := New(Config{
		Records: torn{w}, Bundles: w, Processes: w, Siblings: w, Logs: w, Usage: w, DataPlane: w, Alerts: told,
		WorkDir: filepath.Join(t.TempDir(), "work"), Logger: slog.New(slog.DiscardHandler), Changed: func(string) {},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { defer close(ended); ended <- m.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	select {
	case <-m.Recovered():
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	}
	if m.Runs(shop, 1) || !m.Runs(shop, 2) {
		t.Error("version 2 alone can be started")
	}
	if list := told.open(); len(list) != 1 || list[0].Code != teal.AlertAppIncomplete || list[0].Subject != "shop v1" {
		t.Errorf("told: %+v", list)
	}
	if err := m.Retire(ctx, shop, 1, time.Second); err != nil || len(told.open()) > 0 {
		t.Errorf("when nobody wants it any more: %v, told %+v", err, told.open())
	}
}

// torn has no version 1 that can be read.
type torn struct{ *world }

func (r torn) Version(ctx context.Context, app string, number teal.VersionRef) (teal.Version, error) {
	if number == 1 {
		return teal.Version{}, errStore
	}
	return r.world.Version(ctx, app, number)
}

type alerts struct {
	mu   sync.Mutex
	list []teal.Alert
}

func (a *alerts) Report(found teal.Alert) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, found)
}

func (a *alerts) Resolve(code teal.AlertCode, subject string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = slices.DeleteFunc(a.list, func(found teal.Alert) bool { return found.Code == code && found.Subject == subject })
}

func (a *alerts) open() []teal.Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list)
}

// An environment that is built again and again, because something is missing,
// leaves one folder at most, and none when it has ended.
//
// Seen red when makeWork forgot the folder of the try before.
func TestAnEnvironmentThatCannotBeBuiltLeavesNoFolders(t *testing.T) {
	t.Parallel()
	r := &running{manager: New(Config{WorkDir: filepath.Join(t.TempDir(), "work"), Logger: slog.New(slog.DiscardHandler)}), version: teal.Version{App: shop, Number: 1}}
	folders := func() int {
		entries, err := os.ReadDir(r.manager.cfg.WorkDir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for range 3 {
		if err := r.makeWork(); err != nil {
			t.Fatal(err)
		}
		if n := folders(); n != 1 {
			t.Errorf("%d folders of one environment", n)
		}
	}
	if r.removeWork(); folders() != 0 {
		t.Error("its folder is left")
	}
}

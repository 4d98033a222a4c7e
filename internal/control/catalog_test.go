package control

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/api"
	"teal/internal/environment"
	"teal/internal/release"
	"teal/internal/routing"
	"teal/internal/store"
	"teal/internal/store/index"
	"teal/internal/store/memkv"
	"teal/internal/store/natskv"
)

// counted is a store that counts how often it is read.
type counted struct {
	store.KV
	reads atomic.Int64
}

func (c *counted) Get(ctx context.Context, key string) (store.Entry, error) {
	c.reads.Add(1)
	return c.KV.Get(ctx, key)
}

func (c *counted) List(ctx context.Context, pattern string) ([]store.Entry, error) {
	c.reads.Add(1)
	return c.KV.List(ctx, pattern)
}

func (c *counted) Scan(ctx context.Context, pattern string, visit func(store.Entry) error) error {
	c.reads.Add(1)
	return c.KV.Scan(ctx, pattern, visit)
}

// newCatalog returns what answers about a store that has so many apps, each with two
// versions that run and three releases, and the index through which it is written.
func newCatalog(t testing.TB, kv store.KV, apps int) (*Control, *store.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	known := index.New(kv, func(teal.Spec) []string { return nil })
	if err := known.Load(ctx); err != nil {
		t.Fatal(err)
	}
	followed := make(chan error, 1)
	go func() { followed <- known.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-followed; err != nil {
			t.Error(err)
		}
	})
	s := known.Store()
	for n := range apps {
		if err := addApp(ctx, s, fmt.Sprintf("app-%04d", n)); err != nil {
			t.Fatal(err)
		}
	}
	journal := routing.NewJournal(s)
	router := routing.New(routing.Config{Known: known, Aliases: s.Aliases, Journal: journal, Fleet: environment.NewFleet(), Logger: slog.New(slog.DiscardHandler)})
	return New(Config{Store: s, Known: known, Journal: journal, Router: router, Engine: release.New(release.Config{})}), s
}

func addApp(ctx context.Context, s *store.Store, app string) error {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if _, err := s.Apps.Create(ctx, teal.App{Name: app, LastVersion: 2, LastRelease: 3, Policy: teal.DefaultPolicy()}); err != nil {
		return err
	}
	if _, err := s.Aliases.Create(ctx, teal.Alias{App: app, Name: teal.AliasLive, Targets: teal.Only(2)}); err != nil {
		return err
	}
	for version := 1; version <= 2; version++ {
		if _, err := s.Environments.Create(ctx, teal.Environment{App: app, Version: teal.VersionRef(version), State: teal.EnvironmentReady, StateAt: at}); err != nil {
			return err
		}
	}
	for n := 1; n <= 3; n++ {
		r := teal.Release{ID: teal.ReleaseID(app, n), App: app, From: n - 1, To: n, Phase: teal.PhaseCompleted, Policy: teal.DefaultPolicy(), CreatedAt: at}
		for range 10 {
			r.Note(teal.Finding{At: at, Name: "error rate", Asked: "whether green fails more often than live", Seen: "0 of 1000 requests failed", Verdict: teal.VerdictPass})
		}
		if _, err := s.Releases.Create(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkApps(b *testing.B) {
	db, err := natskv.Open(b.Context(), natskv.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	c, _ := newCatalog(b, db, 1000)
	b.ReportAllocs()
	for b.Loop() {
		list, err := c.Apps(b.Context())
		if err != nil || len(list) != 1000 || list[0].Release == nil {
			b.Fatal(len(list), err)
		}
	}
}

// All apps cost no read of the store, with whatever was written before the question:
// the list is what each app's own status is. Seen red with the environments listed from
// the store (a read for each app).
func TestAppsReadNothingFromTheStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv := &counted{KV: memkv.New()}
	c, s := newCatalog(t, kv, 20)
	shifting := teal.Release{ID: "app-0003-4", App: "app-0003", From: 2, To: 1, Phase: teal.PhaseShifting}
	queued := teal.Release{ID: "app-0003-5", App: "app-0003", From: 2, To: 1, Phase: teal.PhaseQueued}
	for _, r := range []teal.Release{shifting, queued} {
		if _, err := s.Releases.Create(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []struct {
		app string
		do  func(*teal.App) error
	}{
		{"app-0003", func(a *teal.App) error {
			a.Active, a.Queue, a.LastRelease = shifting.ID, []string{queued.ID}, 5
			return nil
		}},
		{"app-0004", func(a *teal.App) error { a.Deleting = true; return nil }},
	} {
		if _, err := s.Apps.Modify(ctx, change.app, change.do); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Environments.Create(ctx, teal.Environment{App: "app-0005", Version: teal.Draft, State: teal.EnvironmentReady}); err != nil {
		t.Fatal(err)
	}
	kv.reads.Store(0)
	list, err := c.Apps(ctx)
	if reads := kv.reads.Load(); err != nil || reads > 0 {
		t.Errorf("%d reads, %v", reads, err)
	}
	if len(list) != 19 || list[3].App != "app-0003" || list[4].App != "app-0005" {
		t.Fatalf("%d apps: %+v", len(list), list)
	}
	for _, status := range list {
		alone, err := c.Status(ctx, status.App)
		if diff := cmp.Diff(alone, status); err != nil || diff != "" {
			t.Errorf("%s: %v %s", status.App, err, diff)
		}
		if len(status.Environments) != 2 || status.Aliases[teal.AliasLive].Versions[0].Version != 2 {
			t.Errorf("%s: %+v", status.App, status)
		}
		want := status.App + "-3"
		if status.App == "app-0003" {
			want = shifting.ID
		}
		if status.Release == nil || status.Release.ID != want {
			t.Errorf("%s: release %+v, want %s", status.App, status.Release, want)
		}
	}
}

// beforeCreate is a store that calls look before it creates a record.
type beforeCreate struct {
	store.KV
	look func(key string)
}

func (b beforeCreate) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	b.look(key)
	return b.KV.Create(ctx, key, value)
}

// A release has its number before it has a record: until then the status tells of the
// one before, and a queued one takes nobody's place. Seen red when the release was
// looked for by the last number that was given out: there was none.
func TestStatusWhileAReleaseIsBegun(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const app = "app-0000"
	var looks []string
	var c *Control
	kv := beforeCreate{KV: memkv.New(), look: func(key string) {
		if c == nil || !strings.Contains(key, ".release.") {
			return
		}
		said := "none"
		if status, err := c.Status(ctx, app); err == nil && status.Release != nil {
			said = status.Release.ID
		}
		looks = append(looks, said)
	}}
	c, s := newCatalog(t, kv, 1)
	journal := routing.NewJournal(s)
	r := teal.Release{App: app, From: 2, To: 1, Phase: teal.PhaseQueued}
	if _, err := journal.Claim(ctx, r, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := journal.Enqueue(ctx, r); err != nil {
		t.Fatal(err)
	}
	status, err := c.Status(ctx, app)
	if err != nil || status.Release == nil {
		t.Fatalf("%+v, %v", status, err)
	}
	looks = append(looks, status.Release.ID)
	if want := []string{app + "-3", app + "-4", app + "-4"}; !slices.Equal(looks, want) {
		t.Errorf("the status told of %v, want %v", looks, want)
	}
}

// The events of all apps are those of each. Seen red when Watch asked for the record of
// an app without a name.
func TestWatchOfAllApps(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, s := newCatalog(t, memkv.New(), 2)
	all, err := c.Watch(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]<-chan api.Event{}
	for _, app := range []string{"app-0000", "app-0001"} {
		if next[app], err = c.Watch(ctx, app); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Apps.Modify(ctx, "app-0001", func(a *teal.App) error { a.LastVersion++; return nil }); err != nil {
		t.Fatal(err)
	}
	for range 2*7 + 1 {
		event := <-all
		if diff := cmp.Diff(<-next[event.App], event); diff != "" {
			t.Errorf("an event of %s: %s", event.App, diff)
		}
	}
}

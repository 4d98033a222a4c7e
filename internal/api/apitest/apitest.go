// Package apitest is a small Teal in memory for tests of whatever talks to the
// REST API: it keeps versions, aliases, environments and releases as the real
// one does, runs nothing, and moves a release only when it is told to.
package apitest

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"teal"
	"teal/internal/access"
	"teal/internal/api"
	"teal/internal/doctor"
	"teal/internal/secret"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// Token is the bearer token of every server that Serve starts.
const Token = "correct-horse-battery-staple"

// Teal implements api.Control and api.Logs. Its clock stands still except
// through Advance.
type Teal struct {
	// OnWatch, when set, is called for every watch after its snapshot.
	OnWatch func(app string)
	// RefuseWatch, when set, is asked before every watch and says why it is refused; nil
	// for not.
	RefuseWatch func() error
	// RefuseDeploy, when set, is asked before every deploy and says why it is refused; nil
	// for not.
	RefuseDeploy func() error
	// Script moves a release as soon as it is recorded; nil leaves it queued.
	Script func(t *Teal, r teal.Release)

	mu       sync.Mutex
	now      time.Time
	revision uint64
	apps     map[string]*app
	deleted  map[string]bool // apps
	// schedules are those of all apps.
	schedules []api.ScheduleView
	lines     []api.LogLine
	more      chan struct{} // closed when a line is added
	watchers  map[*watcher]bool
	queues    *Queues
}

type app struct {
	record       teal.App
	versions     []teal.Version
	aliases      map[string]teal.Alias
	revisions    map[string]uint64
	environments map[int]teal.Environment
	releases     []teal.Release
	judgement    *teal.Judgement
	intervals    map[string][]byte // JSON Lines, by release
	traffic      *teal.AppTraffic
	running      []teal.RunningVersion
}

// New returns an empty Teal. Its clock says 10:32 on 2 January 2026, UTC.
func New() *Teal {
	return &Teal{
		now:      time.Date(2026, 1, 2, 10, 32, 0, 0, time.UTC),
		apps:     map[string]*app{},
		deleted:  map[string]bool{},
		more:     make(chan struct{}),
		watchers: map[*watcher]bool{},
		queues:   newQueues(),
	}
}

// Now returns the time of the clock.
func (t *Teal) Now() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

// Advance moves the clock.
func (t *Teal) Advance(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = t.now.Add(d)
}

// Tokens returns tokens in memory, of which Token is the server's own. Fields of cfg
// that are not set get a working value.
func Tokens(tb testing.TB, cfg access.Config) *access.Tokens {
	tb.Helper()
	cfg.KV, cfg.Admin, cfg.KeySecret = memkv.New(), Token, "of-access-keys"
	tokens := access.New(cfg)
	if err := tokens.Load(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return tokens
}

// Secrets returns secrets in memory, on the clock of t, that nothing refers to.
func Secrets(tb testing.TB, t *Teal) *secret.Secrets {
	tb.Helper()
	kv := memkv.New()
	made := secret.New(secret.Config{
		KV: kv, Keys: secret.NewKeys(secret.KeysConfig{File: filepath.Join(tb.TempDir(), "secrets.key")}), Folders: secret.FoldersIn(tb.TempDir()),
		Users: secret.Recorded{Store: store.New(kv)}, Alerts: doctor.New(slog.New(slog.DiscardHandler), nil), Now: t.Now,
	})
	if err := made.Load(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return made
}

// audit is an empty audit on the clock of t.
func audit(tb testing.TB, t *Teal) *access.Audit {
	tb.Helper()
	made, err := access.OpenAudit(access.AuditConfig{Dir: tb.TempDir(), Now: t.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := made.Close(); err != nil {
			tb.Error(err)
		}
	})
	return made
}

// Serve runs the API over a socket of the kernel's choice until the test ends,
// and returns its address. Fields of cfg that are not set get a working value.
func Serve(tb testing.TB, t *Teal, cfg api.Config) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ServeOn(tb, t, cfg, ln)
	return ln.Addr().String()
}

// ServeOn is Serve on a listener, which it closes.
func ServeOn(tb testing.TB, t *Teal, cfg api.Config, ln net.Listener) {
	tb.Helper()
	if cfg.Control == nil {
		cfg.Control = t
	}
	if cfg.Logs == nil {
		cfg.Logs = t
	}
	if cfg.Bundles == nil {
		cfg.Bundles = NewBundles()
	}
	if cfg.Access == nil {
		cfg.Access = Tokens(tb, access.Config{Now: t.Now})
	}
	if cfg.Queues == nil {
		cfg.Queues = t.queues
	}
	if cfg.Secrets == nil {
		cfg.Secrets = Secrets(tb, t)
	}
	if cfg.Audit == nil {
		cfg.Audit = audit(tb, t)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.New(cfg).Run(ctx, ln) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("serve: %v", err)
		}
	})
}

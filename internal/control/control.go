package control

import (
	"log/slog"

	"teal/internal/api"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/keylock"
	"teal/internal/release"
	"teal/internal/routing"
	"teal/internal/store"
)

// Control answers the REST API: it turns orders into records, releases and
// aliases. Safe for concurrent use.
type Control struct {
	cfg Config
	// halting is held for an app while it is stopped or started: what one of these
	// takes down the other does not put up at the same time.
	halting keylock.Locks[string]
}

// Config is what a Control needs.
type Config struct {
	KV      store.KV // what Store is over
	Store   *store.Store
	Known   Known
	Journal routing.Journal
	Router  *routing.Router
	Gateway *gateway.Gateway
	Manager *environment.Manager
	Engine  *release.Engine
	Logger  *slog.Logger
	// Writable returns why nothing can be recorded at the moment. What begins
	// something asks before it changes anything.
	Writable     func() error
	Bundles      Bundles
	Drafts       Drafts
	Hooks        Hooks
	Recordings   Recordings
	Reservations Reservations
	Numbers      Numbers
	Deletions    Deletions
	Garbage      Garbage
	Alerts       Alerts
	Schedules    Schedules
	Traffic      Traffic // nil: nothing is measured
	Secrets      Secrets // nil: there are none
	// Boundary, where set, is called between the steps of a stop and a start with a
	// name for where it is: a test dies there.
	Boundary func(name string)
}

// New returns what takes orders.
func New(cfg Config) *Control {
	if cfg.Boundary == nil {
		cfg.Boundary = func(string) {}
	}
	return &Control{cfg: cfg}
}

var _ api.Control = (*Control)(nil)

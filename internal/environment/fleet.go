package environment

import (
	"sync"
	"time"

	"teal"
	"teal/internal/gateway"
)

// Fleet is what runs on this machine, for whoever routes to it or counts it. It is
// made before the [Manager], which alone changes it. Safe for concurrent use; its
// methods block on no I/O.
type Fleet struct {
	mu      sync.Mutex
	envs    map[key]*running  // not draining
	alive   map[*running]bool // that have not ended, draining or not
	changed chan struct{}     // closed and replaced when a health or envs has changed
}

type key struct {
	app     string
	version teal.VersionRef
}

// NewFleet returns a fleet in which nothing runs.
func NewFleet() *Fleet {
	return &Fleet{envs: map[key]*running{}, alive: map[*running]bool{}, changed: make(chan struct{})}
}

// Running is one environment that has been provisioned and not retired.
type Running struct {
	Version   teal.VersionRef
	Since     time.Time // when it was desired
	Unslotted bool      // for a user's alias alone
	Routes    []teal.Route
	Handle    *gateway.Environment // nil while it is being built
}

// Running returns the app's environments.
func (f *Fleet) Running(app string) []Running {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Running
	for k, r := range f.envs {
		if k.app == app {
			list = append(list, Running{Version: k.version, Since: r.since, Unslotted: r.unslotted, Routes: r.version.Spec.Routes, Handle: r.currentHandle()})
		}
	}
	return list
}

// Runs reports whether the version has been provisioned and not retired.
func (f *Fleet) Runs(app string, version teal.VersionRef) bool { return f.find(app, version) != nil }

// Slot returns the slot of a version, and whether it runs.
func (f *Fleet) Slot(app string, version teal.VersionRef) (teal.Slot, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.envs[key{app, version}]; r != nil {
		return r.slot, true
	}
	return teal.SlotNone, false
}

func (f *Fleet) find(app string, version teal.VersionRef) *running {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.envs[key{app, version}]
}

func (f *Fleet) hide(app string, version teal.VersionRef) *running {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.envs[key{app, version}]
	delete(f.envs, key{app, version})
	return r
}

func (f *Fleet) show(r *running) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.envs[key{r.version.App, r.ref}] = r
}

// announce wakes everybody who awaits an environment.
func (f *Fleet) announce() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	f.changed = make(chan struct{})
}

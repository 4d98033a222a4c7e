package meter

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"teal"
)

// Config is what a Meter needs.
type Config struct {
	// Slot returns the slot of a version, and whether it runs. Nil: none does.
	Slot func(app string, version teal.VersionRef) (teal.Slot, bool)
	// Role returns what a version is to the users of its app. Nil: nothing.
	Role func(app string, version teal.VersionRef) teal.VersionRole
	// Running returns what runs, for metrics. Nil: it is not shown.
	Running func() []teal.RunningVersion
	// Releases returns one release of each app that has had any, for metrics: the
	// active one, else the newest. Nil: none is shown.
	Releases func() []teal.Release
	// Alerts returns what is wrong with the server, for its metrics. Nil:
	// nothing.
	Alerts func() []teal.Alert
	// Lost returns how much of what is told about requests could not be kept, by
	// kind. Nil: nothing.
	Lost func() map[string]int64
	// Disk returns how the disk of the store is. Nil: it is not shown.
	Disk func() Disk
	// Queues returns what waits in queues. Nil: nothing is shown.
	Queues func() []Queue
}

// Disk is how the disk is that records are kept on; sizes are in bytes.
type Disk struct {
	Writable bool  // ordinary records are taken
	Free     int64 // and may be written
	Size     int64
	Reserve  int64 // set aside for the time when it is full
	Reopened int64 // how often the store was opened again
}

// Meter measures all versions on this machine. It is safe for concurrent use.
type Meter struct {
	cfg    Config
	picker *shardPicker
	wake   chan struct{} // capacity 1: a feed is dirty

	mu       sync.Mutex
	versions map[key]*version
	feeds    map[*Feed]struct{}
}

type key struct {
	app    string
	number teal.VersionRef
}

// version is what is known of one version, across all times that it runs.
type version struct {
	key
	wake     chan<- struct{}
	feeds    atomic.Pointer[[]*Feed] // those that follow it; nil for none
	errors   errorGroups
	frequent frequencySketch

	mu        sync.Mutex
	recorders []*Recorder // only ever grows
	window    window
	rolled    time.Time // the end of the window
	requests  int       // since the last tick
	active    time.Time // when something was last found to be recorded
	slot      teal.Slot // the last one that it ran in

	// What Lately last told, of the window as it was rolled at summarized.
	lastSummary summary
	lastTraffic teal.VersionTraffic
	summarized  time.Time
}

// New returns a meter that has measured nothing.
func New(cfg Config) *Meter {
	if cfg.Slot == nil {
		cfg.Slot = func(string, teal.VersionRef) (teal.Slot, bool) { return teal.SlotNone, false }
	}
	if cfg.Role == nil {
		cfg.Role = func(string, teal.VersionRef) teal.VersionRole { return teal.VersionOther }
	}
	return &Meter{
		cfg: cfg, picker: newShardPicker(min(runtime.GOMAXPROCS(0), maxShards)), wake: make(chan struct{}, 1),
		versions: map[key]*version{}, feeds: map[*Feed]struct{}{},
	}
}

// Recorder returns the recorder of a component that is being started: the same one
// for as long as the meter lives, so that a version which is started again goes on
// counting. What [Meter.Lately] tells begins anew.
func (m *Meter) Recorder(app string, number teal.VersionRef, component string) *Recorder {
	v := m.version(app, number)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range v.recorders {
		if r.component == component {
			r.since = time.Now()
			return r
		}
	}
	r := newRecorder(component, v, m.picker)
	r.number, r.since = uint16(len(v.recorders)), time.Now()
	v.recorders = append(slices.Clip(v.recorders), r)
	return r
}

// version returns what is known of a version, and begins to know it.
func (m *Meter) version(app string, number teal.VersionRef) *version {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := key{app, number}
	v := m.versions[at]
	if v == nil {
		now := time.Now()
		v = &version{key: at, wake: m.wake, rolled: now, active: now}
		v.frequent.open()
		m.versions[at] = v
	}
	return v
}

// known returns a version, or nil.
func (m *Meter) known(app string, number teal.VersionRef) *version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.versions[key{app, number}]
}

// list returns all versions in a stable order.
func (m *Meter) list() []*version {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*version, 0, len(m.versions))
	for _, v := range m.versions {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b *version) int { return cmp.Or(cmp.Compare(a.app, b.app), cmp.Compare(a.number, b.number)) })
	return all
}

// Forget drops everything about a version that has been deleted. It must not run.
func (m *Meter) Forget(app string, number int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.versions, key{app, teal.VersionRef(number)})
}

// ForgetApp drops everything about all versions of an app that has been deleted.
// None may run.
func (m *Meter) ForgetApp(app string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.versions, func(k key, _ *version) bool { return k.app == app })
}

// Run rolls the windows and wakes the feeds until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	ticker := time.NewTicker(fineSlice)
	defer ticker.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	wake := (<-chan struct{})(nil) // nil while the feeds rest
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			m.roll(now)
		case <-pause.C:
			wake = m.wake
		case <-wake:
			m.announce()
			wake = nil
			pause.Reset(rest)
		}
	}
}

// roll ends a slice of every window.
func (m *Meter) roll(now time.Time) {
	for _, v := range m.list() {
		v.tick(now)
	}
}

func (v *version) tick(now time.Time) {
	v.mu.Lock()
	v.roll(now)
	requests := v.requests
	v.requests = 0
	v.mu.Unlock()
	v.frequent.tick(requests)
}

// roll moves what has been recorded into the window. The lock must be held.
func (v *version) roll(now time.Time) {
	var cells []cell
	for _, r := range v.recorders {
		// What is recorded from here on sets the mark again.
		if r.changed.Load() && r.changed.Swap(false) {
			cells = r.rolled.take(r, cells)
		}
		r.routes.roll(now)
	}
	for _, c := range cells {
		v.requests += int(c.n)
	}
	if len(cells) > 0 {
		v.active = now
	}
	if len(cells) > 0 || len(v.window) > 0 {
		v.window = v.window.add(slice{v.rolled, now, merge(cells)})
	}
	v.rolled = now
}

// lately returns what was measured in at most the time given, until now.
func (v *version) lately(within time.Duration) teal.Measurement {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.roll(now)
	return measurement(v.window.since(now.Add(-within)))
}

// Baseline returns what a version usually did lately, in at most the window given,
// of which ten minutes are remembered: teal.Usual says what is left out. Of a
// version that is not known that is nothing. It never fails.
func (m *Meter) Baseline(_ context.Context, app string, number int, window time.Duration) (teal.Measurement, error) {
	v := m.known(app, teal.VersionRef(number))
	if v == nil {
		return teal.Measurement{}, nil
	}
	now := time.Now()
	v.mu.Lock()
	v.roll(now)
	spans := v.window.spans(now.Add(-window))
	v.mu.Unlock()
	return teal.Usual(spans), nil
}

// enoughFor95 is the least number of requests of which one in twenty is slower
// than the 95th percentile.
const enoughFor95 = 20

// Latency95 returns the latency that 95 % of the requests of the last minute did
// not exceed; of the last ten minutes when a minute has too few. It reports false
// when those have fewer than twenty.
func (m *Meter) Latency95(app string, number int) (time.Duration, bool) {
	v := m.known(app, teal.VersionRef(number))
	if v == nil {
		return 0, false
	}
	for _, within := range []time.Duration{fineHistory, keptHistory} {
		if lately := v.lately(within); lately.Requests >= enoughFor95 {
			return quantile(lately, 0.95), true
		}
	}
	return 0, false
}

// Frequent returns the at most n safe requests, GET and HEAD, that the version
// has served most often lately, the most frequent first. Their only header is
// Host.
func (m *Meter) Frequent(app string, number, n int) []teal.Request {
	v := m.known(app, teal.VersionRef(number))
	if v == nil {
		return nil
	}
	return v.frequent.top(n)
}

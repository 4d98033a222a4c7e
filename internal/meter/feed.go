package meter

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"teal"
)

// rest is the least time between two announcements to the feeds.
const rest = 2 * time.Millisecond

// Feed is what is measured of two versions side by side.
type Feed struct {
	meter   *Meter
	changed chan struct{}
	dirty   atomic.Bool // something was recorded that has not been announced

	mu    sync.Mutex // one Take at a time
	live  follower
	green follower
	told  map[fingerprint]bool
	// searched is what green had when new errors were last looked for.
	searched *map[fingerprint]teal.ErrorGroup
}

// follower reads one version. Recorders that it meets for the first time are
// newer than the feed, and read from their beginning.
type follower struct {
	version *version
	seen    map[*Recorder]*counts
}

// Follow begins to measure two versions of an app side by side, also such as do
// not run yet. The caller must close the feed. Run must be running for Changed
// to fire. It never fails.
func (m *Meter) Follow(_ context.Context, app string, live, green int) (*Feed, error) {
	f := &Feed{
		meter: m, changed: make(chan struct{}, 1), told: map[fingerprint]bool{},
		live:  follower{m.version(app, teal.VersionRef(live)), map[*Recorder]*counts{}},
		green: follower{m.version(app, teal.VersionRef(green)), map[*Recorder]*counts{}},
	}
	f.live.take()
	f.green.take()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feeds[f] = struct{}{}
	m.subscribe(f.live.version)
	m.subscribe(f.green.version)
	return f, nil
}

// subscribe makes a version tell those of the meter's feeds that follow it. The
// meter's lock must be held.
func (m *Meter) subscribe(v *version) {
	var list []*Feed
	for f := range m.feeds {
		if f.live.version == v || f.green.version == v {
			list = append(list, f)
		}
	}
	if list == nil {
		v.feeds.Store(nil)
		return
	}
	v.feeds.Store(&list)
}

// tell says that something was recorded. It costs a load when nobody follows,
// and another when it has been said already.
func (v *version) tell() {
	feeds := v.feeds.Load()
	if feeds == nil {
		return
	}
	for _, f := range *feeds {
		if !f.dirty.Load() && !f.dirty.Swap(true) {
			select {
			case v.wake <- struct{}{}:
			default:
			}
		}
	}
}

// announce wakes those who wait for a feed that is dirty.
func (m *Meter) announce() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for f := range m.feeds {
		if f.dirty.Swap(false) {
			f.fire()
		}
	}
}

func (f *Feed) fire() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Changed has a value at most a few milliseconds after something has been
// recorded, and not more often than every two.
func (f *Feed) Changed() <-chan struct{} { return f.changed }

// Take returns what has been measured since the last Take, or since Follow. Each
// sample is in exactly one interval. Each error that green had and live never had
// is in one too. It never fails.
func (f *Feed) Take(context.Context) (teal.Interval, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return teal.Interval{
		Live: measurement(f.live.take()), Green: measurement(f.green.take()),
		NewErrors: f.newErrors(), At: time.Now(),
	}, nil
}

// newErrors returns the groups that green has and live never had, each once.
// Live's are looked at after green's: what both have must not look new.
func (f *Feed) newErrors() []teal.ErrorGroup {
	known := f.green.version.errors.known.Load()
	if known == f.searched {
		return nil // what was not new then is not new now
	}
	f.searched = known
	var news []teal.ErrorGroup
	for print, g := range *known {
		if !f.told[print] && !f.live.version.errors.mayHave(print) {
			f.told[print] = true
			news = append(news, g)
		}
	}
	slices.SortFunc(news, func(a, b teal.ErrorGroup) int { return cmp.Compare(a.Fingerprint, b.Fingerprint) })
	return news
}

// Close ends the feed.
func (f *Feed) Close() {
	m := f.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.feeds, f)
	m.subscribe(f.live.version)
	m.subscribe(f.green.version)
}

func (f *follower) take() []cell {
	f.version.mu.Lock()
	recorders := f.version.recorders
	f.version.mu.Unlock()
	var cells []cell
	for _, r := range recorders {
		seen := f.seen[r]
		if seen == nil {
			seen = &counts{}
			f.seen[r] = seen
		}
		cells = seen.take(r, cells)
	}
	return cells
}

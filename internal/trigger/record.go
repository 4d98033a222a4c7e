package trigger

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"teal"
	"teal/internal/store"
)

// Limits on what is recorded of one trigger.
const (
	MaxFirings     = 20 // that have ended
	MaxOpenFirings = 20 // that have not; with overlap: queue or allow
)

// Record is what is known of the schedule of one trigger.
type Record struct {
	App, Name string
	// Cron and TimeZone are those that Last is about: a schedule that is changed begins
	// anew.
	Cron, TimeZone string
	// Last is the latest time about which has been decided. No earlier time is ever
	// fired.
	Last    time.Time
	Firings []teal.Firing // oldest first
}

func (r Record) key() store.SideKey { return store.SideKey{App: r.App, Name: r.Name} }

func newTable(kv store.KV) *store.Table[store.SideKey, Record] {
	return store.NewSide(kv, "trigger", "schedule", Record.key)
}

// firingSpace is the namespace of the IDs of firings.
var firingSpace = uuid.MustParse("5ef37b04-5c5a-4f0f-9b1f-6d7a0f8c2c11")

// FiringID returns the ID of the firing of a trigger at a time.
func FiringID(app, trigger string, at time.Time) string {
	return uuid.NewSHA1(firingSpace, []byte(app+"\x00"+trigger+"\x00"+at.UTC().Format(time.RFC3339))).String()
}

// open returns the firings that have not ended, oldest first.
func (r Record) open() []teal.Firing {
	return slices.DeleteFunc(slices.Clone(r.Firings), teal.Firing.Ended)
}

// firing returns a firing that is still recorded, for whoever changes it; nil when there
// is none of the ID.
func (r *Record) firing(id string) *teal.Firing {
	for i := range r.Firings {
		if r.Firings[i].ID == id {
			return &r.Firings[i]
		}
	}
	return nil
}

// add appends a firing, and forgets the oldest of those that have ended. What it replaces
// must not be shared.
func (r *Record) add(f teal.Firing) {
	r.Firings = append(slices.Clip(r.Firings), f)
	over := -MaxFirings
	for _, f := range r.Firings {
		if f.Ended() {
			over++
		}
	}
	r.Firings = slices.DeleteFunc(slices.Clone(r.Firings), func(f teal.Firing) bool {
		if !f.Ended() || over <= 0 {
			return false
		}
		over--
		return true
	})
}

// begin notes that an attempt at a firing begins.
func (r *Record) begin(id string, now time.Time) error {
	f := r.firing(id)
	if f == nil || f.Ended() {
		return store.ErrUnchanged
	}
	f.State, f.Started, f.Attempts = teal.FiringRunning, &now, f.Attempts+1
	return nil
}

// end notes what became of a firing. One that has ended stays as it is.
func (r *Record) end(id string, state teal.FiringState, why string, now time.Time) error {
	f := r.firing(id)
	if f == nil || f.Ended() {
		return store.ErrUnchanged
	}
	f.State, f.EndedAt = state, &now
	if why != "" {
		f.Why = why
	}
	return nil
}

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// status is what `teal status --json` holds at least. What it does not hold is the
// zero value: there is no pointer that a test could follow to nowhere.
type status struct {
	App          string
	Aliases      map[string]aliasStatus
	Environments []environmentStatus
	Release      releaseStatus // without an ID when the app has none
	text         string        // all of it, for whom it fails
}

type aliasStatus struct {
	Revision uint64
	Versions []struct {
		Version int
		Weight  float64
	}
}

type environmentStatus struct {
	Version int
	Slot    string
	State   string
	Reason  string
}

type releaseStatus struct {
	ID, Phase, Reason string
	From, To          int
	Step              int
	Phases            []struct{ Phase, Reason string }
	Rollback          struct {
		DecidedAt time.Time `json:"decided_at"`
		BackAt    time.Time `json:"back_at"`
	}
	OutageSince time.Time `json:"outage_since"`
	Evidence    []struct{ Name, Seen, Verdict string }
	WatchUntil  time.Time `json:"watch_until"`
}

// phases writes the phases that a release has had, in their order.
func (r releaseStatus) phases() string {
	var names []string
	for _, step := range r.Phases {
		names = append(names, step.Phase)
	}
	return strings.Join(names, " ")
}

// hasBeen reports whether a release is or was in a phase.
func (r releaseStatus) hasBeen(phase string) bool {
	return slices.Contains(strings.Fields(r.phases()), phase)
}

// live returns the one version that has all traffic; 0 when there is none, or not
// one alone.
func (st status) live() int {
	if live := st.Aliases["live"].Versions; len(live) == 1 {
		return live[0].Version
	}
	return 0
}

// environment returns what runs of a version; nothing, without a state, when it
// does not run.
func (st status) environment(version int) environmentStatus {
	for _, e := range st.Environments {
		if e.Version == version {
			return e
		}
	}
	return environmentStatus{}
}

// summary is the end state of an app in one line, for comparing.
func (st status) summary() string {
	var b strings.Builder
	for _, t := range st.Aliases["live"].Versions {
		fmt.Fprintf(&b, "live %d=%v ", t.Version, t.Weight)
	}
	for _, e := range st.Environments {
		fmt.Fprintf(&b, "environment %d %s ", e.Version, e.State)
	}
	if st.Release.ID != "" {
		fmt.Fprintf(&b, "release %s %s", st.Release.ID, st.Release.Phase)
	}
	return b.String()
}

// environments writes what runs of an app: "1 blue serving, 2 green standby".
func (st status) environments() string {
	var list []string
	for _, e := range st.Environments {
		list = append(list, strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", e.Version, e.Slot, e.State)), " "))
	}
	return strings.Join(list, ", ")
}

func (s *server) status(app string) status {
	s.t.Helper()
	st := status{text: s.ok("status", app, "--json").stdout}
	if err := json.Unmarshal([]byte(st.text), &st); err != nil {
		s.t.Fatalf("status --json: %v\n%s", err, st.text)
	}
	return st
}

// awaitStatus waits until the status of an app is as ok wants it, and returns it.
func (s *server) awaitStatus(app, what string, ok func(status) bool) (st status) {
	s.t.Helper()
	waitUntil(s.t, what, func() (bool, string) {
		st = s.status(app)
		return ok(st), st.text
	})
	return st
}

// awaitPhase waits until the app's newest release is in one of the phases.
func (s *server) awaitPhase(app string, phases ...string) status {
	s.t.Helper()
	return s.awaitStatus(app, fmt.Sprintf("the release of %s to be %v", app, phases), func(st status) bool {
		return slices.Contains(phases, st.Release.Phase)
	})
}

// awaitReached waits until a release is, or has been, in a phase: one that ends by
// itself may be over before anybody looks.
func (s *server) awaitReached(app, id, phase string) status {
	s.t.Helper()
	return s.awaitStatus(app, fmt.Sprintf("release %s to be %s", id, phase), func(st status) bool {
		return st.Release.ID == id && st.Release.hasBeen(phase)
	})
}

// awaitEnvironments waits until exactly that runs of an app.
func (s *server) awaitEnvironments(app, want string) {
	s.t.Helper()
	s.awaitStatus(app, fmt.Sprintf("the environments of %s to be %s", app, want), func(st status) bool { return st.environments() == want })
}

// awaitOne waits until one version of an app runs alone.
func (s *server) awaitOne(app string) {
	s.t.Helper()
	s.awaitStatus(app, "one version alone to run", func(st status) bool { return len(st.Environments) == 1 })
}

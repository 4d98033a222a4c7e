package e2e

import (
	"testing"
)

// boundaries are the places between the steps of a release at which the server
// can be told to die: before the intent is recorded, after that, after the act,
// and after the outcome is recorded.
func boundaries(acts ...string) []string {
	var names []string
	for _, act := range acts {
		for _, step := range []string{":decided", ":intended", ":acted", ":recorded"} {
			names = append(names, act+step)
		}
	}
	return names
}

// changes are the boundaries of a step that changes nothing but the record.
func changes(phases ...string) []string {
	var names []string
	for _, phase := range phases {
		names = append(names, phase+":decided", phase+":recorded")
	}
	return names
}

// C9: kill -9 at every step boundary of a release, start again: the release goes
// on and ends once, always in the same state.
func TestCrashInARelease(t *testing.T) {
	defer contained(t)
	names := append([]string{"start:recorded"}, boundaries("provision", "size", "shift", "retire")...)
	names = append(names, changes("verifying", "shifting")...)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			defer contained(t)
			t.Parallel()
			s := startServer(t)
			blue, green := newApp(t, manifestWith("0s"), "blue"), newApp(t, manifestWith("0s"), "green")
			s.ok("deploy", blue.dir)
			s.stop()
			s.start("TEAL_CRASH_AT=" + name)
			s.tealUntilDeath("deploy", green.dir)
			s.start()
			s.awaitPhase("web", "completed")
			s.awaitOne("web")
			const want = "live 2=100 environment 2 serving release web-2 completed"
			if got := s.status("web").summary(); got != want {
				t.Errorf("end state:\n got %s\nwant %s", got, want)
			}
			if _, version, _ := s.get("/"); version != "2" {
				t.Errorf("version %s answers", version)
			}
			if got := s.status("web").Release.phases(); got != "queued provisioning warming verifying shifting completed" {
				t.Errorf("phases: %s", got)
			}
		})
	}
}

// The same while a release is rolled back.
func TestCrashInARollback(t *testing.T) {
	defer contained(t)
	names := append(boundaries("shift", "retire"), "order:recorded")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			defer contained(t)
			t.Parallel()
			s := startServer(t)
			blue, green := newApp(t, manifestWith("10m"), "blue"), newApp(t, manifestWith("10m"), "green")
			s.ok("deploy", blue.dir)
			s.ok("deploy", green.dir)
			s.stop()
			s.start("TEAL_CRASH_AT=" + name)
			if st := s.status("web"); st.Release.Phase != "watching" {
				t.Fatalf("after a restart the release is %s, not watching", st.Release.Phase)
			}
			s.tealUntilDeath("rollback", "web")
			s.start()
			s.awaitPhase("web", "rolled-back")
			s.awaitOne("web")
			const want = "live 1=100 environment 1 serving release web-2 rolled-back"
			if got := s.status("web").summary(); got != want {
				t.Errorf("end state:\n got %s\nwant %s", got, want)
			}
			if _, version, _ := s.get("/"); version != "1" {
				t.Errorf("version %s answers", version)
			}
		})
	}
}

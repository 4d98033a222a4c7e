package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What both versions need goes away while the new one is watched, with users and
// without: nobody is blamed, nothing is completed, and the release goes on when it
// is back. A process of the new version that ends by itself still costs it the
// traffic at once. Seen red when green's loss of health alone was enough, and, with
// users, when what they got was enough.
func TestAnOutageOfBothVersionsIsNotBlamedOnOne(t *testing.T) {
	for _, n := range []int{0, 3} {
		t.Run(fmt.Sprint(n, " users"), func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			database := filepath.Join(t.TempDir(), "database")
			create := func() {
				if err := os.WriteFile(database, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			create()
			env := "DATABASE: " + database
			s.ok("deploy", newApp(t, judged(env, "[]", "10m"), "").dir)
			l := startLoad(s.url(""), users(n))
			defer func() { l.stop() }()
			s.ok("deploy", newApp(t, judged(env+", OTHER: 1", "[]", "10m"), "").dir)
			s.awaitPhase("web", "watching")
			for range 2 { // once more: the second one is judged anew
				if err := os.Remove(database); err != nil {
					t.Fatal(err)
				}
				waitFor(t, 30*time.Second, "the release to be on hold", func() bool {
					r := s.status("web").Release
					if r.Phase != "watching" {
						t.Fatalf("%s: %s", r.Phase, r.Reason)
					}
					return r.OutageSince != nil
				})
				if said := s.ok("status", "web").stdout; !strings.Contains(said, "on hold since") {
					t.Errorf("status does not say so:\n%s", said)
				}
				create()
				waitFor(t, 30*time.Second, "the release to go on", func() bool { return s.status("web").Release.OutageSince == nil })
			}
			st := s.awaitPhase("web", "watching", "rolling-back", "rolled-back", "completed")
			if got := st.summary(); !strings.HasPrefix(got, "live 2=100 ") || !strings.HasSuffix(got, "watching") {
				t.Fatalf("%s: %s", got, st.Release.Reason)
			}
			s.ok("rollback", "web")
			s.awaitPhase("web", "rolled-back")
		})
	}
}

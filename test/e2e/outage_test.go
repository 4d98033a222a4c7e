package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What both versions need goes away while the new one is watched, with users and
// without: nobody is blamed, nothing is completed, and the release goes on when it
// is back. A process of the new version that ends by itself still costs it the
// traffic at once. Seen red when green's loss of health alone was enough, and, with
// users, when what they got was enough.
func TestAnOutageOfBothVersionsIsNotBlamedOnOne(t *testing.T) {
	defer contained(t)
	for _, n := range []int{0, 3} {
		t.Run(fmt.Sprint(n, " users"), func(t *testing.T) {
			defer contained(t)
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
			startLoad(t, s.url(""), users(n))
			s.ok("deploy", newApp(t, judged(env+", OTHER: 1", "[]", "10m"), "").dir)
			s.awaitPhase("web", "watching")
			for range 2 { // once more: the second one is judged anew
				if err := os.Remove(database); err != nil {
					t.Fatal(err)
				}
				s.awaitStatus("web", "the release to be on hold", func(st status) bool {
					if st.Release.Phase != "watching" {
						t.Fatalf("%s: %s", st.Release.Phase, st.Release.Reason)
					}
					return !st.Release.OutageSince.IsZero()
				})
				if said := s.ok("status", "web").stdout; !strings.Contains(said, "on hold since") {
					t.Errorf("status does not say so:\n%s", said)
				}
				create()
				s.awaitStatus("web", "the release to go on", func(st status) bool { return st.Release.OutageSince.IsZero() })
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

const upstreamManifest = `
app: legacy
upstreams:
  old: {urls: [%s], health: {path: %s, interval: 50ms}}
routes:
  - {path: /, to: old}
release:
  ready_within: %s
  watch: {confidence: 0s}
`

// One dead address of two keeps no version from being released, as long as the
// current one has no more; it is named in the status and in the evidence. Seen red
// when an upstream was ready only once every address had been.
func TestAnUpstreamWithADeadAddressIsReleased(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	serve := func() *httptest.Server {
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "old") }))
		t.Cleanup(up.Close)
		return up
	}
	one, two, gone := serve(), serve(), serve()
	gone.Close()
	deploy := func(path, within string, urls ...string) result {
		return s.teal("deploy", newFiles(t, files{"teal.yaml": fmt.Sprintf(upstreamManifest, `"`+strings.Join(urls, `", "`)+`"`, path, within)}).dir)
	}
	deploy("/", "30s", one.URL, gone.URL).expect(t, 0)
	s.ok("status", "legacy").expect(t, 0, gone.URL, "refused")
	deploy("/a", "30s", one.URL, gone.URL).expect(t, 0) // it is down for both
	st := s.awaitPhase("legacy", "completed")
	if said := fmt.Sprint(st.Release.Evidence); !strings.Contains(said, "1 of 2 addresses healthy; down: "+gone.URL) {
		t.Errorf("evidence: %s", said)
	}
	deploy("/b", "30s", one.URL, two.URL).expect(t, 0)
	deploy("/c", "8s", one.URL, gone.URL).expect(t, 1, "1 of 2 addresses healthy, current (v3) has 2", gone.URL)
	if code, version, _ := s.get("/"); code != http.StatusOK || version != "3" {
		t.Errorf("status %d, version %s", code, version)
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// awaitAlias waits until a version answers for an alias: a start opens the port when
// what is live can answer; others may take longer.
func (s *server) awaitAlias(alias, want string) {
	s.t.Helper()
	waitUntil(s.t, fmt.Sprintf("alias %s to lead to version %s", alias, want), func() (bool, string) {
		code, version, body := s.get("/", "Teal-Alias", alias)
		return code == http.StatusOK && version == want, fmt.Sprintf("%d, version %s: %s", code, version, body)
	})
}

// answers fails the test unless the version answers a request with the headers.
func (s *server) answers(version string, header ...string) {
	s.t.Helper()
	if code, got, body := s.get("/", header...); code != http.StatusOK || got != version || body != "version "+version {
		s.t.Errorf("with %v: %d, version %s, %s; want version %s", header, code, got, body, version)
	}
}

// count asks n times over one connection and returns how often each version
// answered.
func (s *server) count(n int) map[string]int {
	s.t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	counts := map[string]int{}
	for range n {
		resp, err := client.Get(s.url("/"))
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		version := resp.Header.Get("Teal-Version")
		if err != nil || resp.StatusCode != http.StatusOK || string(body) != "version "+version {
			s.t.Fatalf("%d, version %s, %s: %v", resp.StatusCode, version, body, err)
		}
		counts[version]++
	}
	return counts
}

func newWeb(t testing.TB, confidence, mark string) string {
	return newApp(t, manifestWith(confidence), mark).dir
}

// A version that is not released is there for those who ask for it by header,
// and for nobody else.
func TestPreview(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "10m", "one"))
	if code, _, body := s.get("/", "Teal-Alias", "preview"); code != http.StatusNotFound || !strings.Contains(body, "preview") {
		t.Errorf("a preview before there is one: %d %s", code, body)
	}
	s.teal("deploy", newWeb(t, "10m", "two"), "--no-release").expect(t, 0, "without traffic", "Teal-Version: 2", "teal promote web")
	s.awaitEnvironments("web", "1 blue serving, 2 green preview")
	if counts := s.count(300); counts["1"] != 300 {
		t.Errorf("without a header: %v", counts)
	}
	s.answers("2", "Teal-Version", "2")
	s.answers("2", "Teal-Alias", "preview")
	s.answers("1", "Teal-Alias", "live")
	s.answers("1", "Teal-Version", "1")
	for _, header := range [][2]string{{"Teal-Version", "3"}, {"Teal-Alias", "nope"}} {
		if code, _, body := s.get("/", header[0], header[1]); code != http.StatusNotFound || !strings.Contains(body, header[1]) {
			t.Errorf("%v: %d %s", header, code, body)
		}
	}
	for _, header := range [][]string{{"Teal-Version", "x"}, {"Teal-Version", "0"}, {"Teal-Version", "1", "Teal-Alias", "live"}} {
		if code, _, body := s.get("/", header...); code != http.StatusBadRequest {
			t.Errorf("%v: %d %s", header, code, body)
		}
	}
	// A newer preview takes the older one's place.
	s.ok("deploy", newWeb(t, "10m", "three"), "--no-release")
	s.awaitEnvironments("web", "1 blue serving, 3 green preview")
	s.answers("3", "Teal-Alias", "preview")
	s.answers("1")

	s.ok("promote", "web")
	s.answers("3")
	s.awaitEnvironments("web", "1 blue standby, 3 green serving")
	if code, _, _ := s.get("/", "Teal-Alias", "preview"); code != http.StatusNotFound {
		t.Errorf("a standby, or what is live, is a preview: %d", code)
	}
	s.teal("promote", "web").expect(t, 2, "no version beside the live one")
}

// Weights of 0 and 100 are exact, others hold within what chance allows.
func TestWeights(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "0s", "one"))
	s.ok("deploy", newWeb(t, "0s", "two"), "--no-release")
	for _, c := range []struct{ one, two string }{{"100", "0"}, {"0", "100"}} {
		s.ok("alias", "set", "web", "live", "1="+c.one, "2="+c.two)
		want := map[string]string{"100": "1", "0": "2"}[c.one]
		if counts := s.count(2000); counts[want] != 2000 {
			t.Errorf("at %s/%s: %v", c.one, c.two, counts)
		}
	}
	s.ok("alias", "set", "web", "live", "1=90", "2=10")
	// 2000 draws at 10 %: 200 on average, and a standard deviation of 13.4. Six of
	// those are passed once in half a billion runs.
	if counts := s.count(2000); counts["2"] < 200-80 || counts["2"] > 200+80 || counts["1"]+counts["2"] != 2000 {
		t.Errorf("at 90/10: %v", counts)
	}
	s.awaitEnvironments("web", "1 blue serving, 2 green serving")
}

// A rollback out of a split leads to all of its primary version, promote to all
// of the other one.
func TestWaysOutOfASplit(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "10m", "one"))
	s.ok("deploy", newWeb(t, "10m", "two"), "--no-release")
	s.ok("alias", "set", "web", "live", "1=90", "2=10")
	s.ok("rollback", "web")
	if counts := s.count(500); counts["1"] != 500 {
		t.Errorf("after the rollback: %v", counts)
	}
	s.awaitEnvironments("web", "1 blue serving")

	s.ok("deploy", newWeb(t, "10m", "two"), "--no-release")
	s.ok("alias", "set", "web", "live", "1=50", "2=50")
	s.ok("promote", "web")
	if counts := s.count(500); counts["2"] != 500 {
		t.Errorf("after the promotion: %v", counts)
	}
	s.awaitEnvironments("web", "1 blue standby, 2 green serving")
	// And back from there.
	s.ok("rollback", "web")
	s.answers("1")
	s.awaitEnvironments("web", "1 blue serving")
}

// runAlone reports whether a status says that those versions run and no others.
func runAlone(versions ...int) func(status) bool {
	return func(st status) bool {
		var running []int
		for _, e := range st.Environments {
			running = append(running, e.Version)
		}
		return slices.Equal(running, versions)
	}
}

// C11: what a user's alias points to goes on running through later releases, and
// stops some time after the alias has gone elsewhere. Seen red with a Retire that
// does not look at aliases.
func TestAliasKeepsItsVersion(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "0s", "v1"))
	s.ok("alias", "set", "web", "keep", "1")
	for version := 2; version <= 4; version++ {
		s.ok("deploy", newWeb(t, "0s", fmt.Sprint("v", version)))
		s.answers(fmt.Sprint(version))
		s.answers("1", "Teal-Alias", "keep")
		s.answers("1", "Teal-Version", "1")
	}
	s.awaitStatus("web", "versions 1 and 4 alone to run", runAlone(1, 4))
	s.kill()
	s.start()
	s.awaitAlias("keep", "1")
	s.answers("4")

	// An alias starts what it points to, and two of them may split.
	s.ok("alias", "set", "web", "keep", "2=50", "3=50")
	seen := map[string]bool{}
	for range 60 {
		_, version, _ := s.get("/", "Teal-Alias", "keep")
		seen[version] = true
	}
	if len(seen) != 2 || !seen["2"] || !seen["3"] {
		t.Errorf("the alias led to %v", seen)
	}
	s.answers("4")
	s.ok("alias", "set", "web", "keep", "4")
	s.ok("deploy", newWeb(t, "0s", "v5"))
	s.ok("deploy", newWeb(t, "0s", "v6"))
	s.awaitStatus("web", "versions 4 and 6 alone to run", runAlone(4, 6))
	s.answers("6")
	s.answers("4", "Teal-Alias", "keep")
}

// Starting an old version for an alias takes nothing away from the preview. Seen
// red when it did: promote then released the old version.
func TestAliasLeavesThePreviewAlone(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "0s", "one"))
	s.ok("deploy", newWeb(t, "0s", "two"))
	s.awaitEnvironments("web", "2 green serving")
	s.ok("deploy", newWeb(t, "0s", "three"), "--no-release")
	s.answers("3", "Teal-Alias", "preview")
	s.ok("alias", "set", "web", "keep", "1")
	s.answers("1", "Teal-Alias", "keep")
	s.answers("3", "Teal-Alias", "preview")
	s.answers("2")
	s.ok("promote", "web")
	s.answers("3")
	s.answers("1", "Teal-Alias", "keep")
	// Nor is an old version, kept by an alias, the one to promote.
	s.teal("promote", "web").expect(t, 2, "no version beside the live one")
}

// live may be given by hand to versions that do not run: both are started. While
// a release watches, live is the release's.
func TestLiveSetByHand(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	for _, mark := range []string{"one", "two", "three"} {
		s.ok("deploy", newWeb(t, "0s", mark))
	}
	s.awaitEnvironments("web", "3 blue serving")
	s.ok("alias", "set", "web", "live", "1=50", "2=50")
	if counts := s.count(200); counts["1"]+counts["2"] != 200 || counts["1"] < 50 || counts["2"] < 50 {
		t.Errorf("after the split: %v", counts)
	}
	revision := s.status("web").Aliases["live"].Revision
	s.ok("alias", "set", "web", "live", "2", "--revision", fmt.Sprint(revision))
	s.answers("2")
	s.teal("alias", "set", "web", "live", "1", "--revision", fmt.Sprint(revision)).expect(t, 2, "changed")
	s.answers("2")

	s.ok("deploy", newWeb(t, "10m", "four"))
	s.teal("alias", "set", "web", "live", "2").expect(t, 4, "is watching", "teal rollback web")
	s.ok("alias", "set", "web", "keep", "2") // another one is free
	s.ok("rollback", "web")
	s.answers("2")
}

// Following the log or the events of an app shows what happens while it happens,
// until Ctrl-C, which is how that ends and no failure.
func TestFollowing(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newOdd(t, "odd", "").dir)
	follow := func(args ...string) (said *output, end func() int) {
		said = &output{}
		cmd := s.begin(said, args...)
		return said, func() int {
			_ = cmd.Process.Signal(syscall.SIGINT)
			_ = cmd.Wait()
			return cmd.ProcessState.ExitCode()
		}
	}
	logs, endLogs := follow("logs", "odd", "-f")
	events, endEvents := follow("watch", "odd", "--json")
	shows := func(o *output, text string) {
		t.Helper()
		o.await(t, text)
	}
	shows(logs, "INIT_START")
	shows(events, `"kind":"alias"`)
	s.ok("invoke", "odd", "--data", `{"do": "sleep", "n": 7}`)
	shows(logs, "slept for 7")
	second := newOdd(t, "odd", "")
	second.write("odd/mark", "two")
	s.ok("deploy", second.dir)
	shows(events, `"id":"odd-2"`)
	s.ok("invoke", "odd", "--data", `{"do": "sleep", "n": 8}`)
	shows(logs, "slept for 8")
	for name, end := range map[string]func() int{"logs -f": endLogs, "watch": endEvents} {
		if code := end(); code != 0 {
			t.Errorf("%s ended with %d", name, code)
		}
	}
	for line := range strings.Lines(events.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a document: %s", line)
		}
	}
}

// While blue stands by a rollback is at once; it may be asked for again, and by
// two at once, and leads to the same place.
func TestRollback(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "10m", "one"))
	s.ok("deploy", newWeb(t, "10m", "two"))
	s.awaitEnvironments("web", "1 blue standby, 2 green serving")
	s.ok("rollback", "web", "--reason", "it is worse")
	s.answers("1")
	s.awaitEnvironments("web", "1 blue serving")
	s.ok("rollback", "web") // again: it has happened
	s.answers("1")
	s.teal("history", "web").expect(t, 0, "rolled-back", "it is worse")

	s.ok("deploy", newWeb(t, "10m", "three"))
	s.answers("3")
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if r := s.teal("rollback", "web"); r.code != 0 {
				t.Errorf("one of two rollbacks: exit %d\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
	both.Wait()
	s.answers("1")
	if st := s.status("web"); st.Release.ID != "web-3" || st.Release.Phase != "rolled-back" {
		t.Errorf("two rollbacks have left release %+v", st.Release)
	}
}

// When nothing stands by any more, a rollback starts the old version first; live
// goes on serving until that is healthy.
func TestRollbackToAStoppedVersion(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	for _, mark := range []string{"one", "two", "three"} {
		s.ok("deploy", newWeb(t, "0s", mark))
	}
	s.awaitEnvironments("web", "3 blue serving")
	running := startLoad(t, s.url(""), []kind{{"request", 2, false, get("/", says)}})
	running.await(t, 20)
	s.ok("rollback", "web", "--to", "1")
	s.answers("1")
	s.awaitEnvironments("web", "1 green serving")
	s.ok("rollback", "web", "--to", "1") // it is there already
	s.answers("1")
	s.ok("rollback", "web", "--to", "3") // forwards is a way too
	s.answers("3")
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if r := s.teal("rollback", "web", "--to", "2"); r.code != 0 {
				t.Errorf("one of two rollbacks: exit %d\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
	both.Wait()
	s.answers("2")
	lost := 0
	samples := running.stop()
	for _, sample := range samples {
		if sample.err != nil {
			lost++
			t.Errorf("lost: %v", sample.err)
		}
	}
	t.Logf("%d requests, %d lost", len(samples), lost)
}

// The same content is the same version: deploying it again does nothing, going
// back to older content releases that version.
func TestSameContentIsTheSameVersion(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	one := newWeb(t, "0s", "one")
	s.ok("deploy", one)
	pids := s.status("web").environments()
	s.teal("deploy", one).expect(t, 0, "v1 is already live; nothing to do")
	s.teal("deploy", newWeb(t, "0s", "one"), "--no-release").expect(t, 0, "already live")
	if st := s.status("web"); st.Release.ID != "web-1" || st.environments() != pids {
		t.Errorf("a deploy that changes nothing has left release %s, %s", st.Release.ID, st.environments())
	}
	s.ok("deploy", newWeb(t, "0s", "two"))
	s.answers("2")
	s.teal("deploy", one).expect(t, 0, "same content as v1", "v1 is live")
	s.answers("1")
	// How to release is not what is released.
	s.teal("deploy", newWeb(t, "5m", "one")).expect(t, 0, "already live")
	if n := strings.Count(s.ok("versions", "web", "--json").stdout, `"number"`); n != 2 {
		t.Errorf("%d versions:\n%s", n, s.ok("versions", "web").stdout)
	}
}

// The slots take turns, and a deploy while blue stands by goes on without it.
func TestSlotsTakeTurns(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "10m", "v1"))
	s.awaitEnvironments("web", "1 blue serving")
	slots := []string{"blue", "green"}
	for version := 2; version <= 5; version++ {
		s.ok("deploy", newWeb(t, "10m", fmt.Sprint("v", version)))
		s.answers(fmt.Sprint(version))
		s.awaitEnvironments("web", fmt.Sprintf("%d %s standby, %d %s serving", version-1, slots[version%2], version, slots[1-version%2]))
		if st := s.status("web"); st.Release.Phase != "watching" || st.Release.From != version-1 {
			t.Errorf("release %+v", st.Release)
		}
	}
	s.teal("history", "web").expect(t, 0, "superseded by the release of v5")
	// One that fails costs the standby, which has made way, and not what is live.
	bad := newApp(t, strings.Replace(manifestWith("10m"), `["./web"]`, `["false"]`, 1), "bad").dir
	s.teal("deploy", bad).expect(t, 1, "v5 still has all traffic")
	s.answers("5")
	s.awaitEnvironments("web", "5 blue serving")
}

// Blue stands by across restarts of the server, gentle and not, and is as good
// for a rollback afterwards. Seen red with a recovery that leaves blue out.
func TestStandbySurvivesARestart(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "10m", "one"))
	s.ok("deploy", newWeb(t, "10m", "two"))
	until := s.status("web").Release
	for _, end := range []func(){s.stop, s.kill} {
		end()
		s.start()
		s.answers("2")
		s.awaitEnvironments("web", "1 blue standby, 2 green serving")
		if now := s.status("web").Release; now.ID != until.ID || now.Phase != "watching" || now.Reason != until.Reason {
			t.Errorf("the release is %+v, before it was %+v", now, until)
		}
	}
	s.ok("rollback", "web")
	s.answers("1")
	s.awaitEnvironments("web", "1 blue serving")
	s.kill()
	s.start()
	s.answers("1")
	s.awaitEnvironments("web", "1 blue serving")
}

// When green stops working while it is watched, and blue stands by, the release
// goes back by itself.
func TestGreenThatBreaksWhileItIsWatched(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newWeb(t, "10m", "one"))
	// Green works until the gate is opened and then never again.
	gate := newGate(t)
	command := strings.ReplaceAll(`["sh", "-c", "test -e GATE && exit 1; (until test -e GATE; do sleep 0.1; done; kill $$) & ./web & web=$!; trap 'kill $web; exit 1' TERM; wait"]`, "GATE", gate.path)
	bad := strings.Replace(manifestWith("10m"), `["./web"]`, command, 1)
	bad = strings.Replace(bad, "interval: 50ms", "interval: 50ms, failures: 1", 1)
	s.ok("deploy", newApp(t, bad, "two").dir)
	s.awaitPhase("web", "watching")
	gate.open()
	st := s.awaitPhase("web", "rolled-back")
	if !strings.Contains(st.Release.Reason, "no healthy instance") {
		t.Errorf("reason: %s", st.Release.Reason)
	}
	s.answers("1")
	s.awaitEnvironments("web", "1 blue serving")
}

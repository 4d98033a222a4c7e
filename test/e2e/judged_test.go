package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// judgedManifest is an app with one service that is released step by step. The
// service's environment says how well it answers.
const judgedManifest = `
app: web
services:
  web: {command: ["./web"], code: ./web, health: {path: /healthz, interval: 50ms}, grace: 2s, env: {%s}}
routes:
  - {path: /, to: web}
release:
  drain: 10s
  steps: %s
  checks: [{name: smoke, to: web, request: {path: /check}, timeout: 1m}]
  watch: {confidence: %s, min_requests: 30}
`

func judged(env, steps, confidence string) string {
	return fmt.Sprintf(judgedManifest, env, steps, confidence)
}

// users ask for the app's page; a 500 is an answer like any other.
func users(n int) []kind {
	return []kind{{name: "users", workers: n, request: get("/", func(string, string) error { return nil })}}
}

// tally counts what became of the users of each version, from a moment on.
func tally(samples []sample) (served, hurt map[string]int) {
	served, hurt = map[string]int{}, map[string]int{}
	for _, s := range samples {
		served[s.version]++
		if s.err != nil {
			hurt[s.version]++
		}
	}
	return served, hurt
}

// A green that fails a fifth of its users goes back by itself while it has a
// tenth of them. Seen red with a judge that is never asked.
func TestAGreenThatFailsGoesBackByItself(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	steps := "[{weight: 10, hold: 90s}]"
	s.ok("deploy", newApp(t, judged("", steps, "10m"), "").dir)
	l := startLoad(t, s.url(""), users(4))
	r := s.teal("deploy", newApp(t, judged("FAIL_PERCENT: 20", steps, "10m"), "").dir)
	samples := l.stop()
	r.expect(t, 1, "v1 has all traffic")
	st := s.awaitPhase("web", "rolled-back")
	served, hurt := tally(samples)
	t.Logf("%d users hurt of %d that green served; live served %d; %s", hurt["2"], served["2"], served["1"], st.Release.Reason)
	if hurt["1"] > 0 {
		t.Errorf("%d users of blue were hurt", hurt["1"])
	}
	if hurt["2"] > 60 {
		t.Errorf("%d users were hurt before green went back", hurt["2"])
	}
	if back := st.Release.Rollback; back.BackAt.IsZero() {
		t.Error("the release does not say how long the way back took")
	} else {
		t.Logf("from the deciding sample to nothing on green: %s", back.BackAt.Sub(back.DecidedAt))
	}
	evidence := ""
	for _, f := range st.Release.Evidence {
		evidence += f.Name + ": " + f.Seen + " " + f.Verdict + "\n"
	}
	if !strings.Contains(evidence, "error rate: ") || !strings.Contains(evidence, "fail") {
		t.Errorf("evidence:\n%s", evidence)
	}
	if got := s.status("web").summary(); !strings.HasPrefix(got, "live 1=100 ") {
		t.Errorf("afterwards: %s", got)
	}
	s.replays("web", "fail", st.Release.Reason)
}

// replays exports the newest release of an app and judges it again: the judge must
// say at some moment what the record says.
func (s *server) replays(app, verdict, reason string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "export.jsonl")
	if err := os.WriteFile(file, []byte(s.ok("history", app, "--export").stdout), 0o600); err != nil {
		s.t.Fatal(err)
	}
	out := s.teal("analyze", file, "--json").stdout
	for line := range strings.Lines(out) {
		var look struct{ Verdict, Reason string }
		if err := json.Unmarshal([]byte(line), &look); err != nil {
			s.t.Fatal(err)
		}
		if look.Verdict == verdict && strings.Contains(reason, look.Reason) {
			return
		}
	}
	s.t.Errorf("the record says %q; analyzed, it is\n%s", reason, out[max(0, len(out)-1000):])
}

// A green that answers nobody goes back by itself, all at once and compared with
// what live did before; with limits alone it is no pass, and its standby stays for
// longer than the confidence period. Seen red with clients that give up counted as
// requests that went well: the second release completed.
func TestAGreenThatAnswersNobodyDoesNotPass(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	impatient := []kind{{name: "impatient", workers: 6, fresh: true, request: func(ctx context.Context, client *http.Client, base string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		return get("/", func(string, string) error { return nil })(ctx, client, base)
	}}}
	s.ok("deploy", newApp(t, judged("", "[]", "2s"), "").dir)
	l := startLoad(t, s.url(""), impatient)
	l.await(t, 500)
	s.teal("deploy", newApp(t, judged("LATENCY_MS: 20000", "[]", "10m"), "").dir)
	st := s.awaitPhase("web", "rolled-back")
	t.Log(st.Release.Reason)
	if !strings.Contains(st.Release.Reason, "gave up on ") {
		t.Errorf("the reason is %q", st.Release.Reason)
	}
	s.replays("web", "fail", st.Release.Reason)

	limits := strings.Replace(judged("LATENCY_MS: 19999", "[]", "5s"), "min_requests: 30", "compare: none, min_requests: 30, error_rate: {max: 1%}", 1)
	s.ok("deploy", newApp(t, limits, "").dir)
	s.awaitPhase("web", "watching")
	waitFor(t, "the judge to have seen that nobody is answered", func() bool {
		return strings.Contains(s.ok("status", "web").stdout, "new (v3) has answered 0 of ")
	})
	waitFor(t, "the confidence period to be over", func() bool {
		until := s.status("web").Release.WatchUntil
		return !until.IsZero() && time.Now().After(until.Add(time.Second))
	})
	if st := s.status("web"); st.Release.Phase != "watching" {
		t.Errorf("the release is %s: %s", st.Release.Phase, st.Release.Reason)
	}
	s.ok("rollback", "web")
	s.awaitPhase("web", "rolled-back")
}

// A green that takes three times as long goes back by itself. Seen red with a
// judge that is never asked.
func TestAGreenThatIsSlowGoesBackByItself(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	steps := "[{weight: 50, hold: 90s}]"
	s.ok("deploy", newApp(t, judged("LATENCY_MS: 20", steps, "10m"), "").dir)
	l := startLoad(t, s.url(""), users(8))
	r := s.teal("deploy", newApp(t, judged("LATENCY_MS: 60", steps, "10m"), "").dir)
	samples := l.stop()
	r.expect(t, 1, "v1 has all traffic")
	st := s.awaitPhase("web", "rolled-back")
	served, hurt := tally(samples)
	t.Logf("green served %d users slowly; %s", served["2"], st.Release.Reason)
	if len(hurt) > 0 {
		t.Errorf("users were hurt: %v", hurt)
	}
	if !strings.Contains(st.Release.Reason, "exceeded current") {
		t.Errorf("the reason is %q", st.Release.Reason)
	}
}

// A green that is no different from blue is released, and nobody notices.
func TestAGreenThatIsTheSameCompletes(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	steps := "[{weight: 10, hold: 1s}, {weight: 50, hold: 1s}]"
	s.ok("deploy", newApp(t, judged("LATENCY_MS: 1", steps, "2s"), "").dir)
	l := startLoad(t, s.url(""), users(4))
	s.ok("deploy", newApp(t, judged("LATENCY_MS: 1, OTHER: 1", steps, "2s"), "").dir)
	st := s.awaitPhase("web", "completed")
	served, hurt := tally(l.stop())
	t.Logf("served %v; %s", served, st.Release.Reason)
	if len(hurt) > 0 || served["1"] == 0 || served["2"] == 0 {
		t.Errorf("served %v, lost %v", served, hurt)
	}
	if got := st.Release.phases(); got != "queued provisioning warming verifying shifting watching completed" {
		t.Errorf("phases: %s", got)
	}
}

// C6: while a check fails, no user meets green: green itself says whom it has
// served. Seen red with a check whose verdict is not waited for.
func TestACheckThatFailsKeepsUsersAway(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	steps := "[{weight: 50, hold: 1s}]"
	s.ok("deploy", newApp(t, judged("TELL: 1", steps, "0s"), "").dir)
	l := startLoad(t, s.url(""), users(2))
	r := s.teal("deploy", newApp(t, judged("TELL: 1, CHECK_STATUS: 503, CHECK_MS: 500", steps, "0s"), "").dir)
	served, hurt := tally(l.stop())
	r.expect(t, 1, "smoke", "503", "still has all traffic")
	if served["2"] > 0 || len(hurt) > 0 {
		t.Errorf("served %v, lost %v", served, hurt)
	}
	if said := s.ok("logs", "web", "--version", "1").stdout; !strings.Contains(said, "served a user") {
		t.Errorf("blue does not say whom it has served:\n%s", tail(said, 5))
	}
	if said := s.ok("logs", "web", "--version", "2").stdout; strings.Contains(said, "served a user") {
		t.Errorf("green has served users:\n%s", tail(said, 5))
	}
}

// C9: kill -9 in the middle of each phase: the release goes on where it was and
// ends well, once. Seen red with a release that is not taken up again.
func TestKillInTheMiddleOfAPhase(t *testing.T) {
	defer contained(t)
	for _, phase := range []string{"provisioning", "verifying", "shifting", "watching"} {
		t.Run(phase, func(t *testing.T) {
			defer contained(t)
			t.Parallel()
			s := startServer(t)
			steps := "[{weight: 10, hold: 1s}, {weight: 50, hold: 1s}]"
			s.ok("deploy", newApp(t, judged("CHECK_MS: 700", steps, "2s"), "").dir)
			green := newApp(t, judged("CHECK_MS: 700, START_MS: 700", steps, "2s"), "")
			startLoad(t, s.url(""), users(2))
			s.begin(io.Discard, "deploy", green.dir)
			s.awaitReached("web", "web-2", phase)
			address := s.addr("http.addr")
			s.kill()
			s.http = address // so that the users find it again
			s.start()
			st := s.awaitPhase("web", "completed", "rolled-back", "aborted")
			const want = "live 2=100 environment 2 serving release web-2 completed"
			s.awaitOne("web")
			if got := s.status("web").summary(); got != want {
				t.Errorf("end state:\n got %s\nwant %s\nbecause %s", got, want, st.Release.Reason)
			}
			if got := st.Release.phases(); got != "queued provisioning warming verifying shifting watching completed" {
				t.Errorf("phases: %s", got)
			}
			if code, version, _ := s.get("/"); code != http.StatusOK || version != "2" {
				t.Errorf("status %d, version %s", code, version)
			}
		})
	}
}

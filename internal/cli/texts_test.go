package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/analysis"
	"teal/internal/api"
	"teal/internal/api/apitest"
	"teal/internal/cli"
)

// texts says in which situations the texts of a command are shown in
// testdata/COMMAND.txt, beside its help: all that a person may read of Teal, to be
// read in one go. go test ./internal/cli -run TestTexts -update writes them.
var texts = map[string]func(*script){
	"teal": textsOfTeal, "deploy": textsOfDeploy, "promote": textsOfPromote, "rollback": textsOfRollback, "abort": textsOfAbort,
	"pause": textsOfPause, "resume": textsOfResume, "approve": textsOfApprove, "status": textsOfStatus, "watch": textsOfWatch,
	"history": textsOfHistory, "release": textsOfRelease, "analyze": textsOfAnalyze, "versions": textsOfVersions, "logs": textsOfLogs,
	"app": textsOfApp, "stop": textsOfStop, "start": textsOfStart, "freeze": textsOfFreeze, "unfreeze": textsOfUnfreeze,
	"alias": textsOfAlias, "invoke": textsOfInvoke, "doctor": textsOfDoctor, "validate": textsOfValidate, "init": textsOfInit, "import": textsOfImport,
	"token": textsOfToken, "secret": textsOfSecret, "audit": textsOfAudit, "schedule": textsOfSchedule, "schema": textsOfSchema, "version": textsOfVersion, "server": textsOfServer,
	"console": textsOfConsole, "login": textsOfLogin, "context": textsOfContext, "service": textsOfService, "completion": textsOfCompletion,
	"queue": textsOfQueue,
}

// Seen red with a sentence changed, and with a command of the program left out of
// texts.
func TestTexts(t *testing.T) {
	t.Parallel()
	for name, show := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{world: newWorld(t)}
			show(s)
			s.golden(name + ".txt")
		})
	}
	help := newWorld(t).run("--help").out
	for _, line := range regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`).FindAllStringSubmatch(help, -1) {
		if texts[line[1]] == nil && line[1] != "help" {
			t.Errorf("no text of teal %s is in testdata", line[1])
		}
	}
}

// People are told of current and new versions, by number; blue and green are names
// of slots, and stand where slots are meant. Seen red with "green" for the new
// version in an evidence sentence.
func TestTextsNameVersionsAndNotSlots(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) != len(texts) {
		t.Fatalf("%d files for %d commands: %v", len(files), len(texts), err)
	}
	slot := regexp.MustCompile(`\((current, |new, )?(blue|green)\)|blue-green|"side":"green"|"side" is|write "live" or "green"`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(slot.ReplaceAllString(string(text), "")) {
			if regexp.MustCompile(`\b(blue|green)\b`).MatchString(line) {
				t.Errorf("%s: %s", file, line)
			}
		}
	}
}

// scene begins a new world: a server that knows nothing and an app on disk.
func (s *script) scene(title string) {
	s.t.Helper()
	s.world = newWorld(s.t)
	s.title(title)
}

func (s *script) title(title string) {
	fmt.Fprintf(&s.text, "## %s\n\n", title)
}

// quietly runs commands that must succeed and whose texts are another command's.
func (s *script) quietly(commands ...string) {
	s.t.Helper()
	for _, command := range commands {
		if r := s.run(strings.Fields(strings.ReplaceAll(command, "DIR", s.dir))...); r.code != 0 {
			s.t.Fatalf("%s: %+v", command, r)
		}
	}
}

// started begins the release of the app as it is on disk, and does not follow it.
func (s *script) started() {
	s.t.Helper()
	watched := make(chan struct{})
	s.fake.OnWatch = func(string) { close(watched) }
	ctx, interrupt := context.WithCancel(s.t.Context())
	ended := make(chan result, 1)
	go func() { ended <- s.runWith(ctx, "", "deploy", s.dir) }()
	select {
	case <-watched:
		interrupt()
		<-ended
	case r := <-ended:
		s.t.Fatalf("%+v", r)
	}
	s.fake.OnWatch = nil
}

// canary is a release that waits at its first step, of version 2.
func (s *script) canary(title string) {
	s.t.Helper()
	s.scene(title)
	s.canaryApp("one")
	s.quietly("deploy DIR")
	s.canaryApp("two")
	s.started()
	verify(s.fake)
	s.fake.Step("hello")
	s.fake.Advance(time.Minute)
}

// interrupt shows a command that Ctrl-C ends when it has said something.
func (s *script) interrupt(text string, args ...string) {
	s.t.Helper()
	out, code := s.until([]string{text}, args...)
	if n := strings.LastIndex(out, "\x1b[H"); n >= 0 { // the last screen: how many there were depends on the time
		out = out[n:]
	}
	fmt.Fprintf(&s.text, "$ teal %s   # Ctrl-C\n%s(exit %d)\n\n", s.stable(strings.Join(args, " ")), s.stable(out), code)
}

// judged is what the real judge says after intervals, and what it found.
func judged(t *testing.T, policy teal.Judging, before *teal.Measurement, intervals ...teal.Interval) teal.Judgement {
	t.Helper()
	j, err := analysis.New(analysis.Beginning{Policy: policy, Baseline: before, Current: 1, New: 2})
	if err != nil {
		t.Fatal(err)
	}
	j.Begin(1)
	at := time.Date(2026, 1, 2, 10, 48, 0, 0, time.UTC)
	for n := range 60 {
		for _, i := range intervals {
			i.At = at.Add(time.Duration(n) * time.Second)
			j.Add(i)
		}
		if judgement := j.Judgement(at); judgement.Verdict == teal.VerdictFail { // a release has gone back by now
			return judgement
		}
	}
	return j.Judgement(at.Add(time.Minute))
}

// second is what a version did in a second: some of its requests failed, and all
// took as long as one.
func second(requests, errors int64, took time.Duration) teal.Measurement {
	return teal.Measurement{Requests: requests, Errors: errors, Latency: teal.Latencies{{UpTo: took, Count: requests}}}
}

func textsOfTeal(s *script) {
	s.title("Help")
	s.teal("--help")
	s.teal("frobnicate")
	s.teal("statsu")
	s.teal("--nope")
	s.scene("No server")
	s.env["TEAL_ADDR"] = "127.0.0.1:9"
	s.teal("status")
	s.scene("A server that says no")
	s.env["TEAL_TOKEN"] = "wrong"
	s.teal("status")
	s.scene("No token")
	s.env["TEAL_ADDR"] = s.addr
	if err := os.Remove(filepath.Join(s.env["TEAL_DATA"], "admin.token")); err != nil {
		s.t.Fatal(err)
	}
	s.teal("status")
	write(s.t, filepath.Join(s.env["TEAL_DATA"], "admin.token"), " \n")
	s.teal("status")
	delete(s.env, "TEAL_DATA")
	s.teal("status")
}

func textsOfDeploy(s *script) {
	s.title("Help")
	s.teal("deploy", "--help")
	s.scene("A first version, the same again, a second one")
	s.teal("deploy", s.dir)
	s.teal("deploy", s.dir)
	s.app("two")
	s.teal("deploy", s.dir)
	s.app("three")
	s.fake.OnWatch = func(app string) {
		s.fake.Provision(app)
		s.fake.GoLive(app)
		s.fake.Complete(app)
	}
	s.teal("deploy", s.dir, "--wait", "completed")
	s.app("four")
	s.fake.OnWatch = func(app string) { s.fake.Provision(app) }
	s.interrupt("starting", "deploy", s.dir)
	s.app("five")
	s.teal("deploy", s.dir)
	s.deployShips()
	s.deploySteps()
	s.deployFails()
	s.deployFrozen()
	s.deployRefused()
}

func (s *script) deployShips() {
	s.scene("What is shipped, and what the manifest takes from the environment")
	write(s.t, filepath.Join(s.dir, "code", ".env"), "SECRET=1\n")
	write(s.t, filepath.Join(s.dir, "code", ".tealignore"), "*.log\n")
	write(s.t, filepath.Join(s.dir, "code", "debug.log"), "x\n")
	manifest := filepath.Join(s.dir, "teal.yaml")
	text, err := os.ReadFile(manifest)
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, manifest, strings.Replace(string(text), "code: ./code", "code: ./code, env: {KEY: \"${SECRET_KEY}\"}", 1))
	s.teal("deploy", s.dir)
	write(s.t, filepath.Join(s.dir, "deploy.env"), "SECRET_KEY=s3cret\n")
	s.teal("deploy", s.dir, "--env-file", filepath.Join(s.dir, "deploy.env"))

	s.scene("A version that is not released")
	s.fake.OnWatch = nil
	s.teal("deploy", s.dir, "--no-release")
}

func (s *script) deploySteps() {
	s.scene("Step by step, with a hook, checks, a doubt and an approval")
	s.canaryApp("one")
	s.quietly("deploy DIR")
	s.canaryApp("two")
	s.fake.OnWatch = func(string) {
		verify(s.fake)
		s.fake.Step("hello")
		s.fake.Advance(5 * time.Minute)
		s.fake.Doubt("hello", "waiting for a verdict: too little traffic: 40 of 100 requests on new (v2) since step 1 began")
		s.fake.Step("hello")
		s.fake.Advance(10 * time.Minute)
		s.fake.Wait("hello")
		s.run("pause", "hello", "--reason", "what is this?")
		s.run("resume", "hello")
		s.run("approve", "hello", "--reason", "looks good")
		s.fake.Outage("hello", "on hold: neither v1 nor v2 is healthy, so v2 is not to blame; v1: hello is not healthy; v2: hello is not healthy")
		s.fake.EndOutage("hello", "continuing: v2 is healthy again after an outage of both versions of 12s")
		s.fake.GoLive("hello")
	}
	s.teal("deploy", s.dir)

	s.scene("After another release")
	s.quietly("deploy DIR")
	s.app("two")
	s.fake.OnWatch = func(string) {
		s.fake.Queue("hello")
	}
	s.interrupt("queued", "deploy", s.dir)
}

func (s *script) deployFails() {
	type ending struct {
		title string
		wait  string
		end   func()
	}
	scene := func(e ending, first bool) {
		s.scene(e.title)
		if !first {
			s.canaryApp("one")
			s.quietly("deploy DIR")
		}
		s.canaryApp("two")
		s.fake.OnWatch = func(string) {
			s.fake.OnWatch = nil
			e.end()
		}
		s.teal("deploy", s.dir, "--wait", e.wait)
	}
	crash := func() {
		s.fake.Provision("hello")
		s.fake.Trouble("hello", teal.EnvironmentStarting, "hello: exited with status 1", "Traceback (most recent call last):\n  NameError: handler\n")
		s.fake.Fail("hello", "hello: exited with status 1", "Traceback (most recent call last):\n  NameError: handler\n")
	}
	scene(ending{"The first version does not start", "live", crash}, true)
	for _, e := range []ending{
		{"A new version does not start", "live", crash},
		{"A check fails", "live", func() {
			s.fake.Provision("hello")
			s.fake.Begin("hello", smoke, "")
			s.fake.Advance(12 * time.Millisecond)
			s.fake.End("hello", smoke, teal.VerdictFail, teal.Finding{Asked: "GET / is answered with status 200", Seen: "status 500 in 12ms", Output: "Internal Server Error"})
			s.fake.Stop("hello", "check smoke failed for v2: status 500 in 12ms\nInternal Server Error")
		}},
		{"A hook cannot be run", "live", func() {
			s.fake.Provision("hello")
			s.fake.Begin("hello", ci, "token")
			s.fake.Advance(time.Hour)
			s.fake.End("hello", ci, teal.VerdictError, teal.Finding{Asked: "POST http://ci.example", Seen: "there was no answer within 1h"})
			s.fake.Stop("hello", "hook AfterInstall/ci could not be run for v2: there was no answer within 1h")
		}},
		{"The judge says fail", "live", func() {
			verify(s.fake)
			s.fake.Step("hello")
			s.fake.Advance(150 * time.Second)
			s.refused()
		}},
		{"A person rolls back", "live", func() {
			verify(s.fake)
			s.fake.Step("hello")
			s.run("rollback", "hello", "--reason", "no")
		}},
		{"It is unhealthy after the switch", "completed", func() {
			verify(s.fake)
			s.fake.GoLive("hello")
			s.fake.Degrade("hello", "v2 has no healthy instance left: hello: exited with status 1")
		}},
		{"There is no way back", "completed", func() {
			verify(s.fake)
			s.fake.GoLive("hello")
			s.fake.Keep("hello", 10*time.Second, "requested by ann", "cannot go back to v1, v2 keeps all traffic: hello: exited with status 1")
		}},
	} {
		scene(e, false)
	}
}

// refused rolls the release back for what the real judge says of a version that
// fails a twentieth of its requests.
func (s *script) refused() {
	s.t.Helper()
	j := judged(s.t, teal.DefaultPolicy().Judge, &teal.Measurement{Requests: 30000, Errors: 30},
		teal.Interval{Live: second(90, 0, 40*time.Millisecond), Green: second(10, 1, 44*time.Millisecond)})
	s.fake.Refuse("hello", j.Reason, j.Findings...)
}

func (s *script) deployFrozen() {
	s.scene("A freeze window")
	s.canaryApp("one")
	s.fake.Advance(8 * time.Hour) // it is Friday evening
	s.teal("deploy", s.dir)
	s.teal("deploy", s.dir, "--override-freeze", "the shop is down", "--force", "live is worse", "--strategy", "canary")
	s.scene("A freeze without an end")
	s.canaryApp("one")
	s.endlessFreeze()
	s.teal("deploy", s.dir)
	s.scene("A release that somebody freezes")
	s.canaryApp("one")
	s.quietly("deploy DIR")
	s.canaryApp("two")
	s.fake.OnWatch = func(string) {
		verify(s.fake)
		s.fake.Step("hello")
		s.run("freeze", "hello", "--for", "2h", "--reason", "database maintenance")
		s.fake.Advance(5 * time.Minute)
		s.run("freeze", "hello", "--reason", "and longer")
		s.run("unfreeze", "hello")
		s.fake.Step("hello")
		s.fake.GoLive("hello")
	}
	s.teal("deploy", s.dir)
}

// endlessFreeze writes the app with a freeze that never ends.
func (s *script) endlessFreeze() {
	name := filepath.Join(s.dir, "teal.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, name, strings.Replace(string(text), `{cron: "0 18 * * FRI", for: 62h, reason: nobody is here}`, `{cron: "0 0 * * *", for: 48h, reason: we are closed}`, 1))
}

func (s *script) deployRefused() {
	s.scene("What is wrong in the command or the manifest")
	s.teal("deploy", "--wait", "forever", s.dir)
	s.teal("deploy", "--strategy", "canery", s.dir)
	s.teal("deploy", "--force", "", s.dir)
	s.teal("deploy", "--override-freeze", " ", s.dir)
	s.teal("deploy", s.dir, s.dir)
	s.teal("deploy", filepath.Join(s.dir, "nowhere"))
	s.canaryApp("one")
	s.teal("deploy", "--strategy", "linear", s.dir)
	write(s.t, filepath.Join(s.dir, "teal.yaml"), "app: -hello\nfunctions:\n  hello: {runtime: cobol, code: ./nowhere}\nrouts: []\n")
	s.teal("deploy", s.dir)
}

func textsOfPromote(s *script) {
	s.title("Help")
	s.teal("promote", "--help")
	s.scene("The version in preview")
	s.teal("promote", "hello")
	s.quietly("deploy DIR")
	s.teal("promote", "hello")
	s.app("two")
	s.quietly("deploy DIR --no-release")
	s.teal("promote", "hello")
	s.canary("A release that runs")
	s.fake.OnWatch = func(string) { s.fake.GoLive("hello") }
	s.teal("promote", "hello")
	s.teal("promote")
	s.teal("promote", "hello", "--wait", "forever")
}

func textsOfRollback(s *script) {
	s.title("Help")
	s.teal("rollback", "--help")
	s.scene("A version that is live")
	s.quietly("deploy DIR")
	s.teal("rollback", "hello")
	s.app("two")
	s.quietly("deploy DIR")
	s.teal("rollback", "hello", "--to", "0")
	s.teal("rollback", "hello", "--to", "99")
	s.teal("rollback", "hello", "--reason", "it smells")
	s.rollbackOfAFirstRelease()
	s.canary("A release that runs")
	s.teal("rollback", "hello")
	s.teal("rollback", "nope")
}

// rollbackOfAFirstRelease is one that had moved nothing yet: the app is live nowhere.
func (s *script) rollbackOfAFirstRelease() {
	s.scene("A first release")
	s.started()
	s.teal("rollback", "hello")
}

func textsOfAbort(s *script) {
	s.title("Help")
	s.teal("abort", "--help")
	s.scene("Before it has traffic")
	s.quietly("deploy DIR")
	s.teal("abort", "nope")
	s.app("two")
	s.started()
	s.teal("abort", "hello", "--reason", "the wrong branch")
	s.teal("abort", "hello")
	s.canary("When it has traffic")
	s.teal("abort", "hello", "--reason", "the wrong branch")
	s.scene("A first release")
	s.started()
	s.teal("abort", "hello")
}

func textsOfApp(s *script) {
	s.title("Help")
	s.teal("app", "--help")
	s.teal("app", "delete", "--help")
	s.scene("An app that is live")
	s.teal("app", "delete", "hello")
	s.quietly("deploy DIR")
	s.teal("app", "delete", "hello")
	s.tty = true
	s.asked("jello\n", "app", "delete", "hello")
	s.asked("", "app", "delete", "hello", "--with-state")
	s.asked("hello\n", "app", "delete", "hello")
	s.tty = false
	s.teal("app", "delete", "hello", "--yes")
	s.teal("status", "hello")
	s.quietly("deploy DIR")
	s.teal("app", "delete", "hello", "--yes", "--with-state")
	s.teal("app", "delete", "nope", "--yes")
	s.canary("A release that runs")
	s.teal("app", "delete", "hello", "--yes")
}

// asked shows a command on a terminal on which somebody types an answer.
func (s *script) asked(answer string, args ...string) {
	s.t.Helper()
	r := s.runWith(s.t.Context(), answer, args...)
	fmt.Fprintf(&s.text, "$ teal %s   # typed: %q\n%s\n", s.stable(strings.Join(args, " ")), answer, s.stable(r.out))
	for line := range strings.Lines(s.stable(r.err)) {
		fmt.Fprintf(&s.text, "! %s", line)
	}
	if r.code != 0 {
		fmt.Fprintf(&s.text, "(exit %d)\n", r.code)
	}
	s.text.WriteString("\n")
}

func textsOfStop(s *script) {
	s.title("Help")
	s.teal("stop", "--help")
	s.scene("An app that is live")
	s.quietly("deploy DIR")
	s.teal("stop", "hello", "--reason", "too expensive")
	s.teal("stop", "hello")
	s.teal("status", "hello")
	s.teal("status")
	s.teal("deploy", s.dir)
	s.quietly("start hello")
	s.teal("history", "hello")
	s.teal("stop", "nope")
	s.canary("A release that runs")
	s.teal("stop", "hello")
}

func textsOfStart(s *script) {
	s.title("Help")
	s.teal("start", "--help")
	s.scene("An app that is stopped")
	s.quietly("deploy DIR", "stop hello")
	s.teal("start", "hello")
	s.teal("start", "hello")
	s.teal("status", "hello")
	s.teal("start", "nope")
}

func textsOfFreeze(s *script) {
	s.title("Help")
	s.teal("freeze", "--help")
	s.scene("An app that is live")
	s.quietly("deploy DIR")
	s.teal("freeze", "hello", "--for", "2h", "--reason", "database maintenance")
	s.teal("status", "hello")
	s.app("two")
	s.teal("deploy", s.dir)
	s.teal("freeze", "hello", "--reason", "we are at a fair")
	s.teal("status", "hello")
	s.teal("status")
	s.teal("deploy", s.dir)
	s.teal("deploy", s.dir, "--override-freeze", "the shop is down")
	s.teal("freeze", "hello")
	s.teal("freeze", "hello", "--for", "-1h", "--reason", "no")
	s.teal("freeze", "nope", "--reason", "no")
	s.canary("A release that runs")
	s.teal("freeze", "hello", "--for", "2h", "--reason", "database maintenance")
	s.teal("status", "hello")
	s.teal("history", "hello")
}

func textsOfUnfreeze(s *script) {
	s.title("Help")
	s.teal("unfreeze", "--help")
	s.scene("An app that is frozen")
	s.quietly("deploy DIR", "freeze hello --reason fair")
	s.teal("unfreeze", "hello", "--reason", "the fair is over")
	s.teal("unfreeze", "hello")
	s.canary("One whose policy freezes it, too")
	s.fake.Advance(8 * time.Hour) // it is Friday evening
	s.quietly("freeze hello --reason fair")
	s.teal("unfreeze", "hello")
}

func textsOfPause(s *script) {
	s.title("Help")
	s.teal("pause", "--help")
	s.canary("A release that runs")
	s.teal("pause", "hello", "--reason", "looking")
	s.teal("pause", "hello")
	s.scene("No release")
	s.quietly("deploy DIR")
	s.teal("pause", "hello")
	s.teal("pause", "nope")
}

func textsOfResume(s *script) {
	s.title("Help")
	s.teal("resume", "--help")
	s.canary("A release that is paused")
	s.quietly("pause hello")
	s.teal("resume", "hello")
	s.teal("resume", "hello")
}

func textsOfApprove(s *script) {
	s.title("Help")
	s.teal("approve", "--help")
	s.canary("A release with an approval")
	s.teal("approve", "hello")
	s.fake.Step("hello")
	s.fake.Wait("hello")
	s.teal("approve", "hello", "--reason", "looks good")
	s.teal("approve", "hello")
}

func textsOfStatus(s *script) {
	s.title("Help")
	s.teal("status", "--help")
	s.scene("Nothing, one version, two")
	s.teal("status")
	s.teal("status", "nope")
	s.quietly("deploy DIR")
	s.teal("status", "hello")
	s.app("two")
	s.quietly("deploy DIR")
	s.teal("status", "hello")
	s.teal("status")
	s.app("three")
	s.quietly("deploy DIR --no-release", "alias set hello stable 1")
	s.teal("status", "hello")
	s.statusOfTraffic()
	s.statusOfReleases()
	s.statusOfTrouble()
}

func (s *script) statusOfReleases() {
	s.scene("Queued")
	s.quietly("deploy DIR")
	s.app("two")
	s.started()
	s.fake.Queue("hello")
	s.teal("status", "hello")

	s.scene("Starting, checking")
	s.canaryApp("one")
	s.quietly("deploy DIR")
	s.canaryApp("two")
	s.started()
	s.fake.Provision("hello")
	s.teal("status", "hello")
	s.fake.Begin("hello", integration, "")
	s.fake.Advance(3 * time.Second)
	s.teal("status", "hello")

	s.canary("At a step")
	s.fake.Judge("hello", judged(s.t, teal.DefaultPolicy().Judge, nil, teal.Interval{Live: second(9, 0, time.Millisecond), Green: second(1, 0, time.Millisecond)}))
	s.teal("status", "hello")
	s.teal("status")
	s.teal("pause", "hello", "--reason", "looking")
	s.teal("status", "hello")
	s.run("resume", "hello")
	delete(s.env, "USER")
	s.teal("pause", "hello")
	s.teal("status", "hello")
	s.run("resume", "hello")
	s.fake.Advance(4 * time.Minute)
	s.fake.Doubt("hello", "waiting for a verdict: too little traffic: 40 of 100 requests on new (v2) since step 1 began")
	s.teal("status", "hello")
	s.fake.Step("hello")
	s.fake.Wait("hello")
	s.teal("status", "hello")

	s.scene("Frozen")
	s.canaryApp("one")
	s.quietly("deploy DIR")
	s.canaryApp("two")
	s.started()
	verify(s.fake)
	s.fake.Step("hello")
	s.fake.Advance(8 * time.Hour)
	s.teal("status", "hello")
}

// lately is what is measured of a version of one component in the last minute.
func lately(requests, errors int64, failing ...teal.RouteErrors) teal.VersionTraffic {
	t := teal.Traffic{
		Window: time.Minute, Requests: requests, Errors: errors, InFlight: 1, P50: 3100 * time.Microsecond, P99: 48 * time.Millisecond,
	}
	return teal.VersionTraffic{Traffic: t, Components: []teal.ComponentTraffic{{Component: "hello", Traffic: t, Failing: failing}}}
}

func (s *script) statusOfTraffic() {
	run := func(version teal.VersionRef, restarts int, memory teal.Bytes, last *teal.ErrorLine) teal.RunningVersion {
		u := teal.Usage{Memory: memory, CPU: 40 * time.Second, Load: 0.034}
		return teal.RunningVersion{App: "hello", Version: version, Components: []teal.RunningComponent{{
			Component: "hello", Kind: teal.KindFunction, Restarts: restarts, Usage: u, LastError: last,
			Instances: []teal.Instance{{Name: "hello/3", State: teal.InstanceIdle, Usage: u}},
		}}}
	}
	s.scene("What is measured, and a new version that fails")
	s.canaryApp("one")
	s.quietly("deploy DIR")
	good := lately(2160, 2, teal.RouteErrors{Route: "/", What: "status 500", Errors: 2})
	s.fake.Lately("hello", &teal.AppTraffic{Traffic: good.Traffic, Versions: map[teal.VersionRef]teal.VersionTraffic{1: good}}, run(1, 0, 43_000_000, nil))
	s.teal("status", "hello")
	s.canaryApp("two")
	s.started()
	verify(s.fake)
	s.fake.Step("hello")
	s.fake.Advance(time.Minute)
	bad := lately(240, 240, teal.RouteErrors{Route: "/", What: "function error", Errors: 238}, teal.RouteErrors{What: "timeout", Errors: 2})
	both := good.Traffic
	both.Requests, both.Errors = 2400, 242
	s.fake.Lately("hello", &teal.AppTraffic{Traffic: both, Versions: map[teal.VersionRef]teal.VersionTraffic{1: good, 2: bad}},
		run(1, 0, 43_000_000, nil), run(2, 3, 51_000_000, &teal.ErrorLine{At: s.fake.Now(), Instance: "hello/3", Text: "[ERROR] KeyError: 'price'"}))
	s.teal("status", "hello")
	s.teal("status")
}

func (s *script) statusOfTrouble() {
	const traceback = "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\n    import nope\nModuleNotFoundError: No module named 'nope'\n"
	s.scene("A new version that does not start")
	s.quietly("deploy DIR")
	s.app("two")
	s.started()
	s.fake.Provision("hello")
	s.fake.Trouble("hello", teal.EnvironmentStarting, "hello: exited with status 1", traceback)
	s.teal("status", "hello")
	s.fake.Trouble("hello", teal.EnvironmentFailed, "hello: exited with status 1\n"+traceback, "")
	s.teal("status", "hello")
	s.fake.Fail("hello", "hello: exited with status 1", traceback)
	s.teal("status", "hello")

	s.scene("A first version that does not start")
	s.started()
	s.fake.Provision("hello")
	s.fake.Fail("hello", "hello: exited with status 1", traceback)
	s.teal("status", "hello")
	s.teal("status")

	s.canary("Neither version is healthy")
	s.fake.Outage("hello", "on hold: neither v1 nor v2 is healthy, so v2 is not to blame; v1: hello is not healthy; v2: hello is not healthy")
	s.fake.Trouble("hello", teal.EnvironmentDegraded, "hello is not healthy: GET /health: status 500", "")
	s.teal("status", "hello")

	s.canary("Rolled back by the judge")
	s.refused()
	s.teal("status", "hello")

	s.scene("Rolled back by a person")
	s.quietly("deploy DIR")
	s.app("two")
	s.quietly("deploy DIR", "rollback hello --reason smells")
	s.teal("status", "hello")

	s.title("A server that takes no orders")
	s.world = newWorldWith(s.t, api.Config{Alerts: func() []teal.Alert {
		return []teal.Alert{{Code: teal.AlertStoreReadOnly, Subject: "store", Message: "The disk of /var/lib/teal is full: 3 MiB are free. What runs is served; nothing can be ordered.", Remedy: "Free space.", Blocking: true}}
	}})
	s.teal("status")
}

func textsOfWatch(s *script) {
	s.title("Help")
	s.teal("watch", "--help")
	s.teal("watch", "nope")
	s.scene("A release from its beginning to its end")
	s.canaryApp("one")
	s.quietly("deploy DIR")
	s.fake.Advance(time.Hour)
	s.canaryApp("two")
	s.started()
	s.fake.OnWatch = func(string) {
		s.fake.OnWatch = nil
		s.fake.Advance(time.Minute)
		verify(s.fake)
		s.fake.Step("hello")
		s.fake.Advance(time.Minute)
		s.refused()
	}
	s.interrupt("v2 has stopped", "watch", "hello")
	s.tty = true
	s.fake.OnWatch = nil
	s.interrupt("for all of it", "watch", "hello")
	s.canary("A release that somebody freezes")
	s.fake.OnWatch = func(string) {
		s.fake.OnWatch = nil
		s.run("freeze", "hello", "--for", "2h", "--reason", "database maintenance")
		s.fake.Doubt("hello", "too little traffic")
		s.fake.Step("hello")
		s.run("unfreeze", "hello")
		s.fake.GoLive("hello")
	}
	s.interrupt("points to v2", "watch", "hello")
}

func textsOfHistory(s *script) {
	s.title("Help")
	s.teal("history", "--help")
	s.scene("Releases of all kinds")
	s.canaryApp("one")
	s.quietly("deploy DIR")
	s.canaryApp("two")
	s.started()
	verify(s.fake)
	s.fake.Step("hello")
	s.teal("history", "hello")
	s.teal("history", "hello", "--export")
	s.fake.Measured("hello", teal.Interval{At: s.fake.Now(), Live: teal.Measurement{Requests: 4500, Errors: 5}, Green: teal.Measurement{Requests: 500, Errors: 26}})
	s.refused()
	s.app("three")
	s.started()
	s.fake.Provision("hello")
	s.fake.Fail("hello", "hello: exited with status 1", "Traceback (most recent call last):\n  NameError: handler\n")
	s.app("four")
	s.quietly("alias set hello live 1")
	s.started()
	s.quietly("abort hello")
	s.teal("history", "hello")
	s.teal("history", "hello", "hello-2", "--export")
	s.scene("What people did without a release")
	s.quietly("deploy DIR")
	s.app("two")
	s.quietly("deploy DIR --no-release")
	s.fake.Advance(time.Minute)
	s.quietly("alias set hello stable 1")
	s.fake.Advance(time.Minute)
	s.quietly("freeze hello --reason fair")
	s.fake.Advance(time.Minute)
	s.quietly("alias set hello stable 1=90 2=10")
	s.teal("history", "hello")
	s.teal("history", "hello", "--json")
	s.scene("What is wrong in the command")
	s.teal("history", "nope")
	s.quietly("deploy DIR --no-release")
	s.teal("history", "hello")
	s.teal("history", "hello", "--export")
	s.teal("history", "hello", "hello-1")
	s.teal("history", "hello", "other-1", "--export")
	s.teal("history", "hello", "hello-9", "--export")
}

func textsOfRelease(s *script) {
	s.title("Help")
	s.teal("release", "--help")
	s.teal("release", "show", "--help")
	s.teal("release", "show", "hello-9")
	s.scene("A first release")
	s.quietly("deploy DIR")
	s.teal("release", "show", "hello-1")
	s.canary("At a step, paused, forced")
	s.quietly("pause hello --reason lunch")
	s.teal("release", "show", "hello-2")
	s.quietly("resume hello")
	s.refused()
	s.teal("release", "show", "hello-2")

	s.canary("All steps, and the confidence period")
	s.fake.Advance(5 * time.Minute)
	s.fake.Step("hello")
	s.fake.Wait("hello")
	s.quietly("approve hello --reason ok")
	s.teal("release", "show", "hello-2")
	s.fake.GoLive("hello")
	s.teal("release", "show", "hello-2")
	s.fake.Complete("hello")
	s.teal("release", "show", "hello-2")
	s.releasesThatFail()
	s.releasesOfOrders()
}

func (s *script) releasesThatFail() {
	for _, e := range []struct {
		title string
		end   func()
	}{
		{"It does not start", func() {
			s.fake.Provision("hello")
			s.fake.Fail("hello", "hello: exited with status 1", "Traceback (most recent call last):\n  NameError: handler\n")
		}},
		{"A check fails", func() {
			s.fake.Provision("hello")
			s.fake.Begin("hello", smoke, "")
			s.fake.Advance(12 * time.Millisecond)
			s.fake.End("hello", smoke, teal.VerdictFail, teal.Finding{Asked: "GET / is answered with status 200", Seen: "status 500 in 12ms", Output: "Internal Server Error"})
			s.fake.Stop("hello", "check smoke failed for v2: status 500 in 12ms\nInternal Server Error")
		}},
		{"A hook cannot be run", func() {
			s.fake.Provision("hello")
			s.fake.Begin("hello", ci, "token")
			s.fake.Advance(time.Hour)
			s.fake.End("hello", ci, teal.VerdictError, teal.Finding{Asked: "POST http://ci.example", Seen: "there was no answer within 1h"})
			s.fake.Stop("hello", "hook AfterInstall/ci could not be run for v2: there was no answer within 1h")
		}},
		{"It is slower, has new errors, and clients give up", func() {
			verify(s.fake)
			s.fake.Step("hello")
			s.fake.Advance(time.Minute)
			green := second(10, 0, 400*time.Millisecond)
			green.Unanswered, green.Waited = 2, teal.Latencies{{UpTo: 5 * time.Second, Count: 2}}
			j := judged(s.t, teal.Judging{Compare: teal.AliasLive, NewErrors: teal.NewErrorsFail, Latency: teal.Percentiles{P95: teal.Duration(200 * time.Millisecond)}}, nil,
				teal.Interval{Live: second(90, 0, 40*time.Millisecond), Green: green, NewErrors: []teal.ErrorGroup{
					{Type: "KeyError", Message: "'id'", Component: "hello", Stack: "Traceback (most recent call last):\n  KeyError: 'id'\n", Fingerprint: "f"},
				}})
			s.fake.Refuse("hello", j.Reason, j.Findings...)
		}},
		{"It fails more than the limit, and was alone", func() {
			verify(s.fake)
			s.fake.GoLive("hello")
			s.fake.Advance(time.Minute)
			limit := teal.Percent(2)
			j := judged(s.t, teal.Judging{Compare: teal.AliasLive, ErrorRate: &limit}, &teal.Measurement{Requests: 1039}, teal.Interval{Green: second(10, 3, 40*time.Millisecond)})
			s.fake.Refuse("hello", j.Reason, j.Findings...)
		}},
	} {
		s.scene(e.title)
		s.canaryApp("one")
		s.quietly("deploy DIR")
		s.canaryApp("two")
		s.started()
		e.end()
		s.teal("release", "show", "hello-2")
	}
}

func (s *script) releasesOfOrders() {
	s.scene("Queued")
	s.quietly("deploy DIR")
	s.app("two")
	s.started()
	s.fake.Queue("hello")
	s.teal("release", "show", "hello-2")
	s.scene("Forced, in a freeze window")
	s.canaryApp("one")
	s.fake.Advance(8 * time.Hour)
	s.run("deploy", s.dir, "--override-freeze", "the shop is down", "--force", "live is worse")
	s.teal("release", "show", "hello-1")
	s.canary("Promoted by a person, then rolled back")
	s.fake.OnWatch = func(string) { s.fake.GoLive("hello") }
	s.quietly("promote hello", "rollback hello --reason smells")
	s.teal("release", "show", "hello-2")
	s.canary("There was no way back")
	s.fake.GoLive("hello")
	s.fake.Keep("hello", 10*time.Second, "requested by ann", "cannot go back to v1, v2 keeps all traffic: hello: exited with status 1")
	s.teal("release", "show", "hello-2")
}

func textsOfAnalyze(s *script) {
	s.title("Help")
	s.teal("analyze", "--help")
	s.title("A version that is fine, and one that is not")
	good, bad := recording(s.t, 0), recording(s.t, 4)
	s.recorded("good", good)
	s.recorded("bad", bad)
	lenient := filepath.Join(s.dir, "lenient")
	write(s.t, filepath.Join(lenient, "teal.yaml"), "app: hello\nfunctions: {f: {runtime: python3, handler: app.fn, code: ./nowhere}}\nrelease: {watch: {compare: none, error_rate: {max: 50%}}}\n")
	s.teal("analyze", filepath.Join(s.dir, "bad.jsonl"), "--policy", lenient)
	s.title("Clients that gave up")
	write(s.t, filepath.Join(s.dir, "gone.jsonl"), goneRecording())
	s.teal("analyze", filepath.Join(s.dir, "gone.jsonl"))
	s.title("What is wrong in the recording")
	s.teal("analyze", filepath.Join(s.dir, "nowhere.jsonl"))
	write(s.t, filepath.Join(s.dir, "empty.jsonl"), "")
	s.teal("analyze", filepath.Join(s.dir, "empty.jsonl"))
	for n, line := range []string{"nonsense", `{"at":"2026-01-02T10:00:00Z","side":"red","requests":1}`, `{"at":"2026-01-02T10:00:00Z","side":"green","requests":1,"errors":2}`, `{"at":"2026-01-02T10:00:00Z","step":1}`} {
		name := filepath.Join(s.dir, fmt.Sprintf("wrong%d.jsonl", n+1))
		write(s.t, name, line+"\n")
		s.teal("analyze", name)
	}
	s.teal("analyze", filepath.Join(s.dir, "bad.jsonl"), "--policy", "/nowhere")
}

// recorded analyzes a recording that is copied to where its name is stable.
func (s *script) recorded(name, file string) {
	s.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	place := filepath.Join(s.dir, name+".jsonl")
	write(s.t, place, string(text))
	s.teal("analyze", place)
}

func goneRecording() string {
	text := `{"at":"2026-01-02T10:00:00Z","judge":{"policy":{"compare":"live"},"baseline":{"requests":1000,"errors":0,"latency_ms":[[50,1000]]}}}` + "\n" +
		`{"at":"2026-01-02T10:00:00Z","step":1}` + "\n"
	for n := range 30 {
		text += fmt.Sprintf(`{"at":"2026-01-02T10:00:%02dZ","side":"green","requests":100,"errors":0,"latency_ms":[[50,100]],"unanswered":20,"waited_ms":[[5000,20]]}`+"\n", n)
	}
	return text
}

func textsOfVersions(s *script) {
	s.title("Help")
	s.teal("versions", "--help")
	s.scene("Three versions")
	s.teal("versions", "hello")
	s.quietly("deploy DIR")
	s.app("two")
	s.quietly("deploy DIR")
	s.app("three")
	s.quietly("deploy DIR --no-release")
	s.teal("versions", "hello")
}

func textsOfLogs(s *script) {
	s.title("Help")
	s.teal("logs", "--help")
	s.scene("Lines of two versions")
	s.teal("logs", "hello")
	s.quietly("deploy DIR")
	s.app("two")
	s.quietly("deploy DIR")
	s.app("three")
	s.quietly("deploy DIR")
	s.teal("logs", "hello")
	at := s.fake.Now()
	s.fake.Log(
		api.LogLine{At: at, App: "hello", Version: 1, Component: "hello", Stream: "stdout", Text: "from one"},
		api.LogLine{At: at, App: "hello", Version: 3, Component: "hello", Instance: "hello/4f2a", Stream: "platform", Text: "REPORT 3 ms"},
		api.LogLine{At: at, App: "hello", Version: teal.Draft, Component: "hello", Stream: "stderr", Text: "a draft"},
	)
	s.teal("logs", "hello")
	s.teal("logs", "hello", "--version", "3", "--tail", "1")
	s.teal("logs", "hello", "--version", "99")
	s.teal("logs", "hello", "--instance", "hello/4f2a", "--grep", "3 ms", "--since", "10m")
	s.teal("logs", "hello", "--since", "1ms")
	s.teal("logs", "hello", "--since", "2026-01-02", "--grep", "draft")
	s.teal("logs", "hello", "--since", "23:59")
	s.teal("logs", "hello", "--since", "-5m")
	s.teal("logs", "hello", "--since", "yesterday")
	s.teal("logs", "hello", "--grep", "")
	s.teal("logs", "hello", "--tail", "-1")
	s.teal("logs", "hello", "--version", "v1x")
	s.teal("logs", "hello", "--request", "broken")
}

func textsOfAlias(s *script) {
	s.title("Help")
	s.teal("alias", "--help")
	s.teal("alias", "list", "--help")
	s.teal("alias", "set", "--help")
	s.scene("Aliases")
	s.quietly("deploy DIR")
	s.app("two")
	s.quietly("deploy DIR --no-release")
	s.teal("alias", "set", "hello", "stable", "1")
	s.teal("alias", "set", "hello", "live", "1=90", "2=10")
	s.teal("alias", "list", "hello")
	s.teal("alias")
	s.teal("alias", "set", "hello", "live", "1=90", "2=20")
	s.teal("alias", "set", "hello", "live", "one")
	s.teal("alias", "set", "hello", "live", "9")
	s.teal("alias", "set", "hello", "live", "1", "--revision", "999")
	s.teal("alias", "list", "nope")
}

func textsOfInvoke(s *script) {
	s.title("Help")
	s.teal("invoke", "--help")
	s.scene("Answers and failures")
	s.quietly("deploy DIR")
	s.teal("invoke", "hello", "--data", `{"n":1}`)
	s.teal("invoke", "hello:1", "--component", "hello")
	s.teal("invoke", "hello", "--data", `"fail"`)
	s.teal("invoke", "nope")
	s.teal("invoke", "hello:nope")
	s.teal("invoke", "hello", "--component", "nope")
	s.teal("invoke", "hello", "--data", "{")
	s.teal("invoke", "hello", "--data", "@/nowhere")
}

func textsOfDoctor(s *script) {
	var found []teal.Alert
	s.world = newWorldWith(s.t, api.Config{
		Alerts: func() []teal.Alert { return found },
		SetAside: func(_ context.Context, key string) error {
			if key != "apps.shop.app" {
				return teal.Errorf(teal.CodeNotFound, "there is no record %s that cannot be understood", key)
			}
			return nil
		},
	})
	s.title("Help")
	s.teal("doctor", "--help")
	s.title("A server that is well, and one that is not")
	s.teal("doctor")
	found = []teal.Alert{
		{Code: teal.AlertStoreReadOnly, Subject: "store", Message: "the disk of /var/lib/teal is full; nothing can be ordered", Remedy: "free space on it; Teal goes on by itself", Blocking: true, Since: s.fake.Now()},
		{Code: teal.AlertRecordUnreadable, Subject: "apps/shop", Message: "the record is no JSON; the app shop is not served", Remedy: "deploy shop again", Since: s.fake.Now()},
	}
	s.teal("doctor")
	s.teal("doctor", "--json")
	s.teal("doctor", "--set-aside", "apps.shop.app")
	s.teal("doctor", "--set-aside", "apps.well.app")
}

// secrets are what a golden file cannot hold, because every run has others.
var secrets = regexp.MustCompile(`(teal_)[a-z0-9]{16}_[a-z0-9]{52}|(TEAL)[A-Z0-9]{16}|(SECRET_ACCESS_KEY=|secret_access_key": "|code=)[A-Za-z0-9_-]{32,43}`)

func textsOfConsole(s *script) {
	s.title("Help")
	s.teal("console", "--help")
	s.title("An address that is good for once")
	s.teal("console")
	s.teal("console", "--json")
}

// loggedIn makes the script's person one of another machine, and logs in to the server.
func (s *script) loggedIn() {
	s.t.Helper()
	s.env = map[string]string{"HOME": s.t.TempDir(), "USER": "ann"}
	s.say(apitest.Token+"\n", "login", "http://"+s.addr, "--name", "prod")
}

func textsOfLogin(s *script) {
	s.title("Help")
	s.teal("login", "--help")
	s.title("A server that is reached over this machine's loopback")
	s.loggedIn()
	s.title("What cannot be")
	s.say("wrong\n", "login", "http://"+s.addr)
	s.say("", "login", "http://"+s.addr)
	s.teal("login", "http://192.0.2.1:8081")
	s.teal("login", "teal.example.com")
	s.teal("login", "https://teal.example.com", "--fingerprint", "5f:0c")
	s.teal("login", "https://teal.example.com", "--name", "local")
}

func textsOfContext(s *script) {
	s.title("Help")
	for _, below := range []string{"list", "use", "rm"} {
		s.teal("context", below, "--help")
	}
	s.title("Another server")
	s.loggedIn()
	s.teal("context", "list")
	s.teal("context", "list", "--json")
	s.teal("context", "use", "local")
	s.env["TEAL_ADDR"] = s.addr
	s.teal("context", "use", "prod")
	s.teal("context", "list")
	s.teal("context", "rm", "prod")
	s.title("What cannot be")
	s.teal("context", "use", "stage")
	s.teal("context", "rm", "stage")
	s.teal("status", "--context", "stage")
}

func textsOfSecret(s *script) {
	s.title("Help")
	s.teal("secret", "--help")
	s.teal("secret", "set", "--help")
	s.title("What an app knows and nobody reads")
	s.teal("secret", "list", "shop")
	s.say("postgres://shop:canary@db/shop", "secret", "set", "shop", "database-url")
	s.say("postgres://shop:canary@db/shop", "secret", "set", "shop", "database-url")
	s.say("another", "secret", "set", "shop", "database-url", "--revision", "1", "--json")
	s.say("x", "secret", "set", "shop", "api-key", "--revision", "0")
	s.teal("secret", "list", "shop")
	s.teal("secret", "list", "shop", "--json")
	s.teal("secret", "rm", "shop", "api-key")
	s.title("What cannot be")
	s.say("", "secret", "set", "shop", "api-key")
	s.say("value", "secret", "set", "shop", "api key")
	s.say("late", "secret", "set", "shop", "database-url", "--revision", "1")
	s.teal("secret", "set", "shop", "api-key", "--file", "nowhere.pem")
	s.teal("secret", "set", "shop", "api-key", "the-value")
	s.teal("secret", "rm", "shop", "api-key")
}

func textsOfToken(s *script) {
	s.title("Help")
	s.teal("token", "--help")
	s.teal("token", "create", "--help")
	s.title("Tokens of programs and people")
	s.teal("token", "list")
	s.teal("token", "create", "ci", "--role", "deployer", "--app", "hello", "--expires", "90d")
	s.teal("token", "create", "terraform", "--role", "deployer", "--access-key")
	s.teal("token", "create", "grafana", "--role", "viewer", "--expires", "1h", "--json")
	s.fake.Advance(2 * time.Hour)
	s.teal("token", "list")
	s.teal("token", "list", "--json")
	s.teal("token", "revoke", "ci")
	s.title("What cannot be")
	s.teal("token", "create", "ops")
	s.teal("token", "create", "ops", "--role", "root")
	s.teal("token", "create", "ops", "--role", "admin", "--app", "hello")
	s.teal("token", "create", "terraform", "--role", "viewer")
	s.teal("token", "create", "admin", "--role", "admin")
	s.teal("token", "create", "ops", "--role", "viewer", "--expires", "soon")
	s.teal("token", "create", "o/ps", "--role", "viewer")
	s.teal("token", "revoke", "nobody")
	s.title("A token that may not")
	made := s.run("token", "create", "eve", "--role", "viewer", "--json")
	var token api.NewToken
	if err := json.Unmarshal([]byte(made.out), &token); err != nil {
		s.t.Fatal(err)
	}
	s.quietly("deploy DIR")
	s.env["TEAL_TOKEN"] = token.Token
	s.teal("rollback", "hello")
	s.teal("token", "list")
	delete(s.env, "TEAL_TOKEN")
	s.quietly("token revoke eve")
	s.env["TEAL_TOKEN"] = token.Token
	s.teal("status")
}

func textsOfAudit(s *script) {
	s.title("Help")
	s.teal("audit", "--help")
	s.title("Orders")
	s.teal("audit")
	s.quietly("deploy DIR")
	s.app("two")
	s.quietly("deploy DIR")
	s.teal("rollback", "hello", "--reason", "it smells")
	s.teal("promote", "nothing")
	s.quietly("token create ci --role viewer")
	s.teal("audit")
	s.teal("audit", "hello", "--limit", "1")
	s.teal("audit", "hello", "--limit", "1", "--json")
	s.teal("audit", "--by", "ci")
	s.title("What cannot be")
	s.teal("audit", "--since", "soon")
	s.teal("audit", "--limit", "0")
}

func textsOfSchedule(s *script) {
	s.title("Help")
	s.teal("schedule", "--help")
	s.teal("schedule", "list", "--help")
	s.title("Schedules")
	s.teal("schedule", "list")
	s.quietly("deploy DIR")
	at := time.Date(2026, 3, 28, 2, 30, 0, 0, time.UTC)
	ended := at.Add(1200 * time.Millisecond)
	nightly := api.NewScheduleView("hello", 1, teal.Trigger{Name: "nightly", To: "hello", Schedule: &teal.Schedule{Cron: "30 2 * * *", TimeZone: "UTC"}})
	for day := range 5 {
		nightly.Next = append(nightly.Next, at.AddDate(0, 0, day+1))
	}
	nightly.Firings = []teal.Firing{{ID: "1", At: at, State: teal.FiringFailed, Version: 1, FiredAt: at, Started: &at, EndedAt: &ended, Attempts: 3, Why: "the function failed: ValueError: no rows"}}
	digest := api.NewScheduleView("hello", 1, teal.Trigger{Name: "digest", To: "hello", Schedule: &teal.Schedule{Cron: "*/5 * * * *", TimeZone: "UTC", Command: []string{"./digest", "all"}}})
	digest.Paused = "the app is stopped"
	digest.Firings = []teal.Firing{{ID: "2", At: at, State: teal.FiringMissed, FiredAt: at, EndedAt: &at, Missed: 2, Why: "nobody could fire at 2 times until then"}}
	s.fake.SetSchedules(nightly, digest, api.NewScheduleView("hello", 1, teal.Trigger{Name: "web", To: "web", Schedule: &teal.Schedule{Cron: "0 0 1 1 *", TimeZone: "UTC", Path: "/jobs"}}))
	s.teal("schedule", "list", "hello")
	s.teal("schedule", "list", "--json")
	s.title("What cannot be")
	s.teal("schedule", "list", "nothing")
}

func textsOfValidate(s *script) {
	s.title("Help")
	s.teal("validate", "--help")
	s.title("A manifest that is valid, and some that are not")
	s.teal("validate", s.dir)
	write(s.t, filepath.Join(s.dir, "teal.yaml"), "app: hello\nfunctions:\n  hello: {runtime: python3, handler: app.handler, code: ./code, env: {KEY: \"${SECRET_KEY}\"}}\n")
	s.teal("validate", s.dir)
	write(s.t, filepath.Join(s.dir, "teal.yaml"), "app: -hello\nfunctions:\n  hello: {runtime: cobol, code: ./nowhere}\nrouts: []\n")
	s.teal("validate", s.dir)
	write(s.t, filepath.Join(s.dir, "teal.yaml"), "app: hello\nupstreams: {u: {urls: [\"http://u\"]}}\nrelease:\n  checks: [{name: a, to: v, request: {path: /}}]\n  steps: [{weight: 50}, {weight: 20}]\n")
	s.teal("validate", s.dir)
	s.teal("validate", filepath.Join(s.dir, "nowhere"))
}

func textsOfInit(s *script) {
	s.title("Help")
	s.teal("init", "--help")
	s.title("An empty folder, one with code, and one that is not empty")
	s.teal("init", filepath.Join(s.dir, "My Shop 2"))
	write(s.t, filepath.Join(s.dir, "web", "Procfile"), "web: python3 server.py\n")
	s.teal("init", filepath.Join(s.dir, "web"))
	s.teal("init", filepath.Join(s.dir, "pool"), "--upstream", "http://10.0.0.7:9000")
	s.teal("init", s.dir)
	s.teal("init", filepath.Join(s.dir, "other"), "--app", "No!")
}

func textsOfImport(s *script) {
	s.title("Help")
	s.teal("import", "--help")
	s.teal("import", "sam", "--help")
	s.teal("import", "serverless", "--help")
	s.title("A SAM template, once more, elsewhere, and as JSON")
	file := filepath.Join(s.dir, "stack", "template.yaml")
	write(s.t, file, "Transform: AWS::Serverless-2016-10-31\nResources:\n  Orders:\n    Type: AWS::Serverless::Function\n    Properties:\n"+
		"      {Runtime: python3.12, Handler: app.handler, CodeUri: orders, Environment: {Variables: {TABLE: !Ref Table}}}\n  Table: {Type: AWS::Serverless::SimpleTable}\n")
	s.teal("import", "sam", file)
	s.teal("import", "sam", file)
	write(s.t, filepath.Join(s.dir, "stack", "orders", "app.py"), "def handler(event, context):\n    return 1\n")
	s.teal("import", "sam", file, "--force", "--app", "orders")
	s.teal("import", "sam", file, "--out", "-")
	s.teal("import", "sam", file, "--out", filepath.Join(s.dir, "above.yaml"), "--json")
	s.teal("import", "sam", file, "--out", "-", "--json")
	s.title("A serverless.yml with patterns")
	file = filepath.Join(s.dir, "service", "serverless.yml")
	write(s.t, file, "service: parcels\nprovider: {name: aws, runtime: nodejs22.x}\npackage: {patterns: ['!tests/**']}\nfunctions:\n  track: {handler: src/track.handler, events: [{httpApi: GET /track}]}\n")
	s.teal("import", "serverless", file)
	s.title("What is none")
	s.teal("import", "sam", file)
	s.teal("import", "sam", filepath.Join(s.dir, "nowhere.yaml"))
	s.teal("import", "sam", s.dir)
	s.teal("import", "sam")
	s.teal("import", "pulumi", file)
	write(s.t, file, "service: [\n")
	s.teal("import", "serverless", file)
	write(s.t, file, "#"+strings.Repeat("x", 10<<20))
	s.teal("import", "serverless", file)
}

func textsOfSchema(s *script) {
	s.title("Help")
	s.teal("schema", "--help")
	s.teal("schema", "extra")
}

func textsOfVersion(s *script) {
	s.title("Help")
	s.teal("version", "--help")
	r := s.run("version")
	fmt.Fprintf(&s.text, "$ teal version\n%s\n", regexp.MustCompile(` \S+/\S+ go\S+`).ReplaceAllString(r.out, " PLATFORM GO"))
}

func textsOfServer(s *script) {
	s.title("Help")
	s.teal("server", "--help")
	s.title("What is wrong in the command")
	for _, args := range []string{
		"--http nope", "--admin 8081", "--admin 0.0.0.0:8081", "--log-level loud", "--override-from everyone", "--trusted-proxies 10.0.0.0/33",
		"--max-bundle 250", "--https 8443 --tls-dir e", "--https :8443", "--tls-dir e", "--https :1 --tls-cert a", "--access-log-sample 101%",
		"--limit head", "--aws-region here", "--aws-account 1", "--function-url-domain A:1", "extra",
	} {
		s.serve(strings.Fields(args), errors.New("not reached"))
	}
	s.title("A file with settings")
	file := filepath.Join(s.dir, "teal-server.yaml")
	for _, text := range []string{"http: \":80\"", "htp: \":80\"\ntls_dir: x", "http: 80\nlimits: {head: 5s}", "https: \":443\""} {
		write(s.t, file, text+"\n")
		fmt.Fprintf(&s.text, "%s\n", text)
		s.serve([]string{"--config", file, "--check"}, nil)
	}
	s.title("A server that does not start")
	s.serve(nil, teal.Errorf(teal.CodePortTaken, "the port 8080 is taken"))
	s.serve(nil, errors.New("open store: input/output error"))
}

func (s *script) serve(args []string, fails error) {
	s.t.Helper()
	var out, errs buffer
	env := s.environment(&out, &errs, "")
	env.Serve = func(context.Context, cli.ServeOptions) error { return fails }
	code := cli.Run(s.t.Context(), append([]string{"server"}, args...), env)
	text := fmt.Sprintf("$ teal server %s\n%s! %s(exit %d)\n\n", strings.Join(args, " "), out.String(), errs.String(), code)
	s.text.WriteString(strings.ReplaceAll(text, s.dir, "/etc/teal"))
}

func textsOfService(s *script) {
	s.title("Help")
	s.teal("service", "--help")
	s.teal("service", "install", "--help")
	s.teal("service", "uninstall", "--help")
	s.title("What it would do")
	root := s.t.TempDir()
	for _, command := range []string{"install", "uninstall"} {
		r := s.run("service", command, "--dry-run", "--root", root)
		text := fmt.Sprintf("$ teal service %s --dry-run\n%s%s(exit %d)\n\n", command, r.out, r.err, r.code)
		text = strings.ReplaceAll(text, root, "/root/of/a/system")
		s.text.WriteString(regexp.MustCompile(`copy \S+ to`).ReplaceAllString(text, "copy PROGRAM to"))
	}
}

func textsOfCompletion(s *script) {
	s.title("Help")
	s.teal("completion", "--help")
	s.teal("completion", "bash", "--help")
}

func textsOfQueue(s *script) {
	s.title("Help")
	s.teal("queue", "--help")
	s.teal("queue", "redrive", "--help")
	s.scene("No queue")
	s.teal("queue", "list")
	s.teal("queue", "show", "orders")
	s.scene("A queue with a dead letter")
	version := teal.VersionRef(7)
	s.fake.SetQueue(api.QueueView{Name: "orders", Waiting: 120, Delayed: 2, InFlight: 10, Bytes: 3 * teal.MiB, Oldest: teal.Duration(92 * time.Second), SentRate: 10, DoneRate: 4.25},
		api.DeadLetter{ID: "6f1c3c9e-8a53-4d0b-9a35-1f0a5a5d7e11", Body: "{\"order\": 4711}", DiedAt: s.fake.Now(), Reason: "KeyError: 'price'", Failures: 4, App: "shop", Version: &version},
		api.DeadLetter{ID: "0a2d8f1b-51a4-4a7e-8a0e-6f3f3e0c9d20", Body: "<order/>", DiedAt: s.fake.Now(), Reason: "nobody has finished it within 4d"})
	s.teal("queue", "list")
	s.teal("queue", "show", "orders")
	s.teal("queue", "redrive", "orders", "6f1c3c9e-8a53-4d0b-9a35-1f0a5a5d7e11")
	s.teal("queue", "redrive", "orders")
	s.teal("queue", "show", "orders")
	s.teal("queue", "purge", "orders")
	s.teal("queue", "purge", "orders", "--yes")
	s.teal("queue", "purge", "orders", "--dead", "--yes")
}

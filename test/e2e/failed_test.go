package e2e

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const nodeManifest = `
app: %[1]s
functions:
  f: {runtime: nodejs, handler: index.handler, code: ./f}
routes:
  - {path: /%[1]s, to: f}
`

const nodeHandler = `exports.handler = async () => ({ statusCode: 200, body: "blue" });`

// A version that does not start costs nobody anything: deploy ends with exit
// code 1, says why in green's own words, and blue does not notice.
func TestGreenThatDoesNotStart(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	python := func(name, code string) app {
		return newFiles(t, files{"teal.yaml": oddManifest(name, ""), "odd/odd.py": code})
	}
	node := func(name, code string) app {
		return newFiles(t, files{"teal.yaml": fmt.Sprintf(nodeManifest, name), "f/index.js": code})
	}
	service := func(name, command, readyWithin string, more ...string) app {
		changes := append(more, "app: web", "app: "+name, "path: /,", "path: /"+name+",", `["./web"]`, command, "release:", "release:\n  ready_within: "+readyWithin)
		return newApp(t, strings.NewReplacer(changes...).Replace(manifestWith("0s")), name)
	}
	for _, c := range []struct {
		name        string
		blue, green app
		says        []string
	}{
		{"python-syntax", python("python-syntax", oddHandler), python("python-syntax", "def handler(event, context)\n    return 1\n"),
			[]string{"SyntaxError", "odd.py", "line 1"}},
		{"python-import", python("python-import", oddHandler), python("python-import", "print('loading')\nimport not_there\n"),
			[]string{"not_there", "loading"}},
		{"python-handler", python("python-handler", oddHandler), python("python-handler", "def handle(event, context):\n    return 1\n"),
			[]string{"odd", "handler"}},
		{"python-exit", python("python-exit", oddHandler), python("python-exit", "import os\nprint('farewell', flush=True)\nos._exit(7)\n"),
			[]string{"exit status 7", "farewell"}},
		{"node-syntax", node("node-syntax", nodeHandler), node("node-syntax", "exports.handler = async () => {\n"),
			[]string{"SyntaxError"}},
		{"node-handler", node("node-handler", nodeHandler), node("node-handler", "exports.handle = async () => 1;\n"),
			[]string{"index.handler"}},
		{"dies", service("dies", `["./web"]`, "30s"), service("dies", `["sh", "-c", "echo out of order; exit 4"]`, "30s"),
			[]string{"exit status 4", "out of order"}},
		{"deaf", service("deaf", `["./web"]`, "30s"), service("deaf", `["sh", "-c", "echo not listening; exec sleep 1000"]`, "5s"),
			[]string{"/healthz", "did not become healthy within 5s", "not listening"}},
		{"sick", service("sick", `["./web"]`, "30s"), service("sick", `["./web"]`, "10s", "path: /healthz", "path: /ws"),
			[]string{"426", "did not become healthy within 10s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer contained(t)
			t.Parallel()
			s := s.in(t)
			s.ok("deploy", c.blue.dir)
			before := s.remember(c.name, "/"+c.name)
			says := append(c.says, "release "+c.name+"-2 failed", "v1 still has all traffic")
			s.teal("deploy", c.green.dir).expect(t, 1, says...)
			before.unchanged()
			s.teal("history", c.name).expect(t, 0, "aborted", c.says[0])
			s.teal("history", c.name, "--json").expect(t, 0, `"to": 2`)
			if c.name != "python-syntax" && c.name != "deaf" {
				return
			}
			// The same again is not a success because it is known already.
			s.teal("deploy", c.green.dir).expect(t, 1, "v2", c.says[0])
			before.unchanged()
			// Nor can it be had by another way.
			s.teal("alias", "set", c.name, "live", "1=50", "2=50").expect(t, 1, c.says[0])
			before.unchanged()
			s.teal("deploy", c.green.dir, "--no-release").expect(t, 1, c.says[0], "nothing else has changed")
			if code, version, _ := s.get("/" + c.name); code != 200 || version != "1" {
				t.Errorf("after all that: %d from version %s", code, version)
			}
			s.ok("deploy", c.blue.dir)
		})
	}
}

// While one deploy of an app is under way the next one is refused, says what to
// do, and leaves no trace. Seen red when only the engine looked for a release in
// progress: the version had been recorded by then.
func TestConcurrentDeploys(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "one").dir)
	gate := newGate(t)
	first := s.background("deploy", newApp(t, gatedManifest(gate), "two").dir)
	s.awaitPhase("web", "provisioning")
	third := newApp(t, manifestWith("0s"), "three")
	s.teal("deploy", third.dir).expect(t, 4, "release web-2 (v1 → v2) is provisioning", "teal abort web")
	s.teal("alias", "set", "web", "live", "1").expect(t, 4, "web-2", "teal rollback web")
	gate.open()
	(<-first).expect(t, 0, "v2 is live")
	if r := s.ok("versions", "web"); strings.Contains(r.stdout, "\nv3 ") {
		t.Errorf("the refused deploy was recorded:\n%s", r.stdout)
	}
	s.ok("deploy", third.dir)
	if _, version, _ := s.get("/"); version != "3" {
		t.Errorf("version %s is live", version)
	}
}

// However many deploys begin at the same moment, each is either done or refused,
// and one that was done is live.
func TestDeploysAtTheSameMoment(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "zero").dir)
	for round := range 3 {
		apps := make([]app, 4)
		for i := range apps {
			apps[i] = newApp(t, manifestWith("0s"), fmt.Sprintf("app%d%d", round, i))
		}
		results := make([]result, len(apps))
		var deploys sync.WaitGroup
		for i, a := range apps {
			deploys.Go(func() { results[i] = s.teal("deploy", a.dir) })
		}
		deploys.Wait()
		done := 0
		for _, r := range results {
			switch {
			case r.code == 0:
				done++
			case r.code != 4 || !strings.Contains(r.stderr, "wait for it"):
				t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
			}
		}
		if done == 0 {
			t.Errorf("none of %d deploys was done", len(apps))
		}
		st := s.status("web")
		if live := st.live(); live == 0 || st.Release.To != live || st.Release.Phase != "completed" {
			t.Errorf("version %d is live alone; %s", live, st.text)
		}
		if _, version, _ := s.get("/"); version != fmt.Sprint(st.live()) {
			t.Errorf("version %s answers; %s", version, st.text)
		}
	}
}

// A release that is aborted while green starts ends its deploy with exit code 1.
func TestAbort(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "one").dir)
	before := s.remember("web", "/")
	gate := newGate(t) // which stays closed
	deploy := s.background("deploy", newApp(t, gatedManifest(gate), "two").dir)
	s.awaitPhase("web", "provisioning")
	s.ok("abort", "web", "--reason", "second thoughts")
	(<-deploy).expect(t, 1, "second thoughts", "v1 still has all traffic")
	before.unchanged()
	// Two at once, and one when there is nothing left to abort.
	deploy = s.background("deploy", newApp(t, gatedManifest(gate), "three").dir)
	s.awaitStatus("web", "the third release", func(st status) bool { return st.Release.ID == "web-3" })
	first, second := s.background("abort", "web"), s.background("abort", "web")
	for _, r := range []result{<-first, <-second} {
		if r.code != 0 && !strings.Contains(r.stderr, "no release to abort") { // the other one was faster
			t.Errorf("one of two aborts: exit %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	(<-deploy).expect(t, 1)
	s.teal("abort", "web").expect(t, 2, "no release to abort")
	before.unchanged()
}

// Ctrl-C ends the command and not the release, and the command says so.
func TestInterruptedDeploy(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "one").dir)
	said, gate := &output{}, newGate(t)
	cmd := s.begin(said, "deploy", newApp(t, gatedManifest(gate), "two").dir)
	said.await(t, "starting v2")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d", code)
	}
	for _, text := range []string{"release web-2 continues on the server", "teal watch web", "teal abort web"} {
		if !strings.Contains(said.String(), text) {
			t.Errorf("does not say %q:\n%s", text, said)
		}
	}
	if phase := s.status("web").Release.Phase; phase != "provisioning" {
		t.Errorf("the release is %s", phase)
	}
	gate.open()
	s.awaitPhase("web", "completed")
	if _, version, _ := s.get("/"); version != "2" {
		t.Errorf("version %s is live", version)
	}
}

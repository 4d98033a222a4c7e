package check_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/await"
	"teal/internal/check"
	"teal/internal/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// green is an app that runs: what an Examiner sees of the world. Its servers
// and processes are real.
type green struct {
	t        testing.TB
	examiner *check.Examiner
	stop     func() // ends Run and waits for it
	changed  chan string
	workDir  string

	mu       sync.Mutex
	url      string // of every component; "": it does not run
	routes   []teal.Route
	web      teal.Component // one of the two
	bundles  map[string]string
	function func(ctx context.Context, event []byte) (teal.Answer, error)
	frequent []teal.Request
	live95   time.Duration // 0: not known
	owners   []string      // of the processes that were started
}

// starter starts processes and remembers whose they are.
func (g *green) starter(r *process.Runner) func(process.Spec) (*process.Process, error) {
	return func(s process.Spec) (*process.Process, error) {
		g.mu.Lock()
		g.owners = append(g.owners, s.Owner)
		g.mu.Unlock()
		return r.Start(s)
	}
}

// run returns a green whose every component is the handler, and an Examiner that
// runs until the test ends.
func run(t testing.TB, handler http.HandlerFunc) *green {
	t.Helper()
	g := &green{t: t, changed: make(chan string, 1000), workDir: filepath.Join(t.TempDir(), "checks"), bundles: map[string]string{}}
	if handler != nil {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		g.url = server.URL
	}
	processes, err := process.New(process.Config{Name: "check-" + strconv.Itoa(os.Getpid())})
	must(t, err)
	g.examiner = check.New(check.Config{
		Versions: g, Traffic: g, Start: g.starter(processes), WorkDir: g.workDir,
		Bundle:     g.bundle,
		AnswerPath: func(id string) string { return "/v1/releases/" + id + "/hooks" },
		Changed:    func(app string) { g.changed <- app },
		Logger:     slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	processesCtx, cancelProcesses := context.WithCancel(context.Background())
	parts.Go(func() { must(t, processes.Run(processesCtx)) })
	ended := make(chan error, 1)
	go func() { ended <- g.examiner.Run(ctx) }()
	g.stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-ended)
	})
	t.Cleanup(func() {
		g.stop()
		cancelProcesses()
		parts.Wait()
	})
	return g
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func (g *green) Spec(context.Context, string, int) (teal.Spec, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return teal.Spec{App: "shop", Routes: g.routes, Components: map[string]teal.Component{"web": g.web, "price-list": {}}}, nil
}

func (g *green) Address(_ string, _ int, component string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.url == "" {
		return "", teal.Errorf(teal.CodeVersionNotRunning, "version 2 is not running")
	}
	return g.url, nil
}

func (g *green) Invoke(ctx context.Context, _ string, _ int, component string, event []byte) (teal.Answer, error) {
	g.mu.Lock()
	function := g.function
	g.mu.Unlock()
	if function == nil {
		return teal.Answer{}, teal.Errorf(teal.CodeUnknownComponent, "there is no function %s", component)
	}
	return function(ctx, event)
}

func (g *green) Frequent(_ string, version, n int) []teal.Request {
	if version != 1 {
		g.t.Errorf("the traffic of version %d was asked for; live is 1", version)
	}
	return g.frequent
}

func (g *green) Latency95(string, int) (time.Duration, bool) { return g.live95, g.live95 > 0 }

func (g *green) bundle(_ context.Context, digest string) (string, error) {
	if dir, ok := g.bundles[digest]; ok {
		return dir, nil
	}
	return "", teal.Errorf(teal.CodeUnknownBundle, "there is no bundle %s", digest)
}

// release returns a release of version 2 after version 1.
func release(policy teal.Policy) teal.Release {
	return teal.Release{ID: "shop-7", App: "shop", Alias: teal.AliasLive, From: 1, To: 2, Policy: policy, Phase: teal.PhaseVerifying}
}

// begin begins a task and fails the test if it cannot.
func (g *green) begin(r teal.Release, key teal.TaskKey) {
	g.t.Helper()
	if err := g.examiner.Begin(context.Background(), r, key); err != nil {
		g.t.Fatal(err)
	}
}

// outcome waits for a task's first verdict.
func (g *green) outcome(key teal.TaskKey) check.Outcome {
	g.t.Helper()
	deadline := time.After(await.Patience)
	for {
		if o := g.examiner.Outcome("shop-7", key); o.Verdict != "" {
			return o
		}
		select {
		case <-g.changed:
		case <-deadline:
			g.t.Fatalf("task %s has no outcome", key)
		}
	}
}

// check does one check and returns its finding.
func (g *green) check(c teal.Check) teal.Finding {
	g.t.Helper()
	c.Name = "it"
	key := teal.TaskKey{Kind: teal.TaskCheck, Name: "it"}
	g.examiner.Stop("shop-7")
	g.begin(release(teal.Policy{Checks: []teal.Check{c}}), key)
	return g.only(g.outcome(key))
}

// hook does one hook and returns its finding.
func (g *green) hook(h teal.Hook) teal.Finding {
	g.t.Helper()
	h.Name, h.Point = "it", teal.AfterInstall
	g.examiner.Stop("shop-7")
	g.begin(release(teal.Policy{Hooks: []teal.Hook{h}}), hookKey)
	return g.only(g.outcome(hookKey))
}

var hookKey = teal.TaskKey{Kind: teal.TaskHook, Name: "AfterInstall/it"}

// query asks once and returns the finding.
func (g *green) query(q teal.Query) teal.Finding {
	g.t.Helper()
	q.Name, q.Every = "it", teal.Duration(time.Hour)
	return g.ask(teal.Judging{Queries: []teal.Query{q}})
}

func (g *green) ask(j teal.Judging) teal.Finding {
	g.t.Helper()
	key := teal.TaskKey{Kind: teal.TaskAsk, Name: "it"}
	g.examiner.Stop("shop-7")
	g.begin(release(teal.Policy{Judge: j}), key)
	return g.only(g.outcome(key))
}

// only returns an outcome's one finding, and looks at what all have in common.
func (g *green) only(o check.Outcome) teal.Finding {
	g.t.Helper()
	if len(o.Findings) != 1 || !o.Begun {
		g.t.Fatalf("the outcome is %+v", o)
	}
	f := o.Findings[0]
	if f.Verdict != o.Verdict || f.At.IsZero() || f.Name == "" || f.Asked == "" || f.Seen == "" || len(f.Output) > 4<<10 {
		g.t.Errorf("the finding is %+v", f)
	}
	return f
}

// wants fails the test unless the finding has the verdict and says every one of
// the texts.
func wants(t testing.TB, f teal.Finding, verdict teal.Verdict, texts ...string) {
	t.Helper()
	all := strings.Join([]string{f.Asked, f.Seen, f.Output}, "\n")
	if f.Verdict != verdict {
		t.Errorf("the verdict is %s, expected %s: %s", f.Verdict, verdict, all)
	}
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%q is not in the finding:\n%s", text, all)
		}
	}
}

// folder makes a folder of executable files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// isEmpty reports whether a folder has nothing in it.
func isEmpty(t testing.TB, dir string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return len(entries) == 0
}

// marked returns the processes that have the mark in their command line or
// environment, but for this one.
func marked(t testing.TB, mark string) []int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows the environment of processes")
	}
	files, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, dir := range files {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		command, _ := os.ReadFile(dir + "/cmdline")
		environment, _ := os.ReadFile(dir + "/environ")
		if strings.Contains(string(slices.Concat(command, environment)), mark) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// eventually polls until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not true in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

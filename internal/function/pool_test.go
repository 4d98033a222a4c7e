package function

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"teal"
	"teal/internal/process"
)

func concurrency(least, most int) func(*Config) {
	return func(c *Config) { c.Function.Concurrency = teal.Concurrency{Min: least, Max: most} }
}

func timeout(d time.Duration) func(*Config) {
	return func(c *Config) { c.Function.Timeout = teal.Duration(d) }
}

// alive reports whether a process runs.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && rest[0] != 'Z'
}

// Seen to fail with end left out of overdue: the process lives on.
func TestTimeoutKillsAndReplaces(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.sleep"), timeout(300*time.Millisecond), concurrency(1, 1))
	first := pidOf(t, r.ok(`{"seconds":0}`))
	d := r.fails(`{"seconds":60}`, teal.CodeFunctionTimeout)
	if d.Type != "Sandbox.Timedout" || !strings.HasSuffix(d.Message, "Error: Task timed out after 0.30 seconds") {
		t.Errorf("got %+v", d)
	}
	r.logs.find(t, "Task timed out after 0.30 seconds")
	r.logs.find(t, "\tStatus: timeout")
	if second := pidOf(t, r.ok(`{"seconds":0}`)); second == first {
		t.Error("the instance that timed out serves again")
	}
	eventually(t, "the first process is gone", func() bool { return !alive(first) })
	if s := r.State(); s.Failing || s.Reason != "" {
		t.Errorf("a timeout is counted as a failure of the instance: %+v", s)
	}
}

// Seen to fail (hang) with crash not called for the call in settle.
func TestCrashInTheMiddle(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]string{
		`{"do":"exit"}`: "Runtime exited with error: exit status 3",
		`{"do":"kill"}`: "Runtime exited with error: signal: killed",
	} {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			r := start(t, python("app.act"), concurrency(1, 1))
			r.ok("{}")
			d := r.fails(event, teal.CodeFunctionFailed)
			if d.Type != "Runtime.ExitError" || !strings.HasSuffix(d.Message, want) || !strings.HasPrefix(d.Message, "RequestId: ") {
				t.Errorf("got %+v", d)
			}
			r.logs.find(t, "\tStatus: error\tError Type: Runtime.ExitError")
			// The next one waits for the instance that comes in its place.
			r.ok("{}")
			eventually(t, "the restart is counted", func() bool {
				instances, restarts, _ := r.Inspect()
				return restarts == 1 && len(instances) == 1 && instances[0].Restarts == 0
			})
		})
	}
}

func TestCrashTellsTheLastOutput(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.act"), concurrency(1, 1))
	for n := 0; ; n++ {
		r.fails(`{"do":"exit"}`, teal.CodeFunctionFailed)
		if s := r.State(); strings.Contains(s.Output, "last words") {
			if !strings.Contains(s.Reason, "exit status 3") {
				t.Errorf("state is %+v", s)
			}
			return
		}
		if n == 20 {
			t.Fatalf("no output in the state: %+v", r.State())
		}
	}
}

// An instance that dies while it is idle is replaced, and no invocation hangs.
func TestCrashWhileIdle(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.act"), concurrency(1, 1))
	r.ok(`{"do":"later","seconds":0.05}`)
	first := r.logs.find(t, "START").instance
	eventually(t, "another instance serves", func() bool {
		answer, err := r.invoke("{}")
		lines := r.logs.all()
		return err == nil && answer.FunctionError == "" && lines[len(lines)-1].instance != first
	})
}

// An instance that has gone before it got the event costs the invocation
// nothing. Seen to fail (hang) with the call not submitted again in deliver.
func TestInstanceGoneBeforeDelivery(t *testing.T) {
	t.Parallel()
	r := start(t, golang, concurrency(1, 1))
	r.ok("{}")
	r.quiet()
	r.mu.Lock()
	idle := r.idle[0]
	r.mu.Unlock()
	idle.endpoint.Abandon()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer, err := r.Invoke(ctx, teal.Invocation{})
	if err != nil || answer.FunctionError != "" {
		t.Errorf("%v %s", err, answer.Payload)
	}
}

func TestMemoryHog(t *testing.T) {
	t.Parallel()
	runner := newRunner(t)
	if limit := runner.MemoryLimit(); !strings.HasPrefix(limit, "cgroup") {
		t.Skipf("memory is limited by %s", limit)
	}
	r := start(t, python("app.act"), concurrency(1, 1), func(c *Config) {
		c.Function.Memory, c.Start = 48*teal.MiB, runner.Start
	})
	d := r.fails(`{"do":"eat"}`, teal.CodeFunctionFailed)
	if d.Type != "Runtime.OutOfMemory" || !strings.Contains(d.Message, "out of memory: over 48MiB") {
		t.Errorf("got %+v", d)
	}
	r.ok("{}")
}

func TestFloodOfOutput(t *testing.T) {
	t.Parallel()
	const mib = 100
	r := start(t, python("app.act"), timeout(60*time.Second))
	if got := r.ok(`{"do":"flood","kib":` + strconv.Itoa(mib<<10) + `}`); got != `"flooded"` {
		t.Errorf("got %s", got)
	}
	r.stop()
	r.logs.mu.Lock()
	defer r.logs.mu.Unlock()
	if r.logs.count < mib<<10 {
		t.Errorf("%d lines were logged", r.logs.count)
	}
}

func TestAnswerTooLarge(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]func(*Config){"python": python("app.act"), "go": golang} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, option, concurrency(1, 1), func(c *Config) { c.Function.Memory = 512 * teal.MiB })
			event := func(bytes int) string { return fmt.Sprintf(`{"do":"big","bytes":%d}`, bytes) }
			if got := r.ok(event(int(teal.MaxPayload))); len(got) != int(teal.MaxPayload) {
				t.Errorf("the answer has %d bytes", len(got))
			}
			d := r.fails(event(int(teal.MaxPayload)+1), teal.CodeTooLarge)
			if d.Type != "Function.ResponseSizeTooLarge" {
				t.Errorf("got %+v", d)
			}
			r.ok("{}")
		})
	}
}

func TestBadInvocations(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.echo"))
	for name, test := range map[string]struct {
		in   teal.Invocation
		code teal.Code
	}{
		"event":          {teal.Invocation{Event: make([]byte, teal.MaxPayload+1)}, teal.CodeTooLarge},
		"request id":     {teal.Invocation{RequestID: "a/b"}, teal.CodeInvalidInput},
		"trace id":       {teal.Invocation{TraceID: "a\r\nb: c"}, teal.CodeInvalidInput},
		"client context": {teal.Invocation{ClientContext: "a\nb"}, teal.CodeInvalidInput},
	} {
		if answer, err := r.Invoke(t.Context(), test.in); !teal.IsCode(err, test.code) || answer.FunctionError != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := r.State(); s.Busy != 0 || s.Instances != 1 {
		t.Errorf("a refused invocation keeps its instance: %+v", s)
	}
	if got := r.ok(""); got != "{}" {
		t.Errorf("without an event the function gets %s", got)
	}
}

// Seen to fail with the check of the queue's length left out, and with one
// instance too many in decide.
func TestConcurrencyGrowsQueuesAndThrottles(t *testing.T) {
	t.Parallel()
	const most, queue, calls = 3, 2, 10
	r := start(t, python("app.wait"), concurrency(1, most), func(c *Config) {
		c.QueueLimit, c.QueueTimeout = queue, patience
		c.Function.Timeout = teal.Duration(2 * patience)
	})
	r.quiet()
	file := filepath.Join(t.TempDir(), "go on")
	var served, throttled atomic.Int32
	var pids sync.Map
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			answer, err := r.invoke(fmt.Sprintf(`{"file":%q}`, file))
			switch {
			case err == nil && answer.FunctionError == "":
				served.Add(1)
				pids.Store(string(answer.Payload), true)
			case teal.IsCode(err, teal.CodeThrottled):
				throttled.Add(1)
			default:
				t.Errorf("unexpected: %v %s", err, answer.Payload)
			}
			if s := r.State(); s.Instances > most {
				t.Errorf("%d instances", s.Instances)
			}
		})
	}
	// The one instance takes a call at once; the queue holds others while two more
	// start, and nothing is done before they have.
	r.await("all three busy", func(s State) bool { return s.Busy == most })
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	distinct := 0
	pids.Range(func(any, any) bool { distinct++; return true })
	if served.Load() < queue+1 || served.Load() > most+queue || throttled.Load() != calls-served.Load() || distinct != most {
		t.Errorf("served %d by %d processes, throttled %d", served.Load(), distinct, throttled.Load())
	}
}

func TestQueueIsBrief(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.sleep"), concurrency(1, 1), func(c *Config) { c.QueueTimeout = 100 * time.Millisecond })
	var long sync.WaitGroup
	long.Go(func() { r.ok(`{"seconds":1}`) })
	eventually(t, "the instance is busy", func() bool { return r.State().Busy == 1 })
	if _, err := r.invoke(`{"seconds":0}`); !teal.IsCode(err, teal.CodeThrottled) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Invoke(ctx, teal.Invocation{}); !teal.IsCode(err, teal.CodeUnavailable) {
		t.Errorf("a caller that has gone: %v", err)
	}
	long.Wait()
	r.ok(`{"seconds":0}`)
}

// Seen to fail with the newest taken from the queue first.
func TestQueueIsFair(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.sleep"), concurrency(1, 1), func(c *Config) { c.QueueTimeout = 10 * time.Second })
	order := make(chan int, 5)
	var all sync.WaitGroup
	waiting := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.queue)
	}
	for n := range 5 {
		all.Go(func() {
			r.ok(`{"seconds":0.1}`)
			order <- n
		})
		eventually(t, "it has its place", func() bool { return r.State().Busy == 1 && waiting() == n })
	}
	all.Wait()
	for n := range 5 {
		if got := <-order; got != n {
			t.Errorf("invocation %d was served as number %d", got, n)
		}
	}
}

// Nothing is served twice, nothing at the same time by one instance, nothing
// lost. Seen to fail with Replied, and not Idle, giving the instance back to the
// pool.
func TestOneAtATimeUnderLoad(t *testing.T) {
	t.Parallel()
	r := start(t, golang, concurrency(1, 4), func(c *Config) { c.QueueTimeout = 10 * time.Second; c.QueueLimit = 1000 })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range 100 {
				id := uuid.NewString()
				answer, err := r.Invoke(t.Context(), teal.Invocation{RequestID: id, Event: []byte(`{}`)})
				if err != nil || answer.RequestID != id || !strings.Contains(string(answer.Payload), id) {
					t.Errorf("invocation %d: %v %+v", n, err, answer)
					return
				}
			}
		})
	}
	all.Wait()
	serving := map[string]string{} // by instance
	ends := map[string]int{}
	for _, line := range r.logs.all() {
		switch {
		case strings.HasPrefix(line.text, "START"):
			if other := serving[line.instance]; other != "" {
				t.Fatalf("%s started %s before it ended %s", line.instance, line.requestID, other)
			}
			serving[line.instance] = line.requestID
		case strings.HasPrefix(line.text, "END"):
			serving[line.instance] = ""
			ends[line.requestID]++
		}
	}
	for id, n := range ends {
		if n != 1 {
			t.Errorf("%s ended %d times", id, n)
		}
	}
}

func TestCallerThatGoesAway(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.sleep"), concurrency(1, 1))
	first := pidOf(t, r.ok(`{"seconds":0}`))
	r.quiet()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := r.Invoke(ctx, teal.Invocation{RequestID: "left-behind", Event: []byte(`{"seconds":0.5}`)})
		gone <- err
	}()
	eventually(t, "the instance is busy", func() bool { return r.State().Busy == 1 })
	cancel()
	if err := <-gone; !teal.IsCode(err, teal.CodeUnavailable) {
		t.Errorf("got %v", err)
	}
	if s := r.State(); s.Busy != 1 {
		t.Errorf("the instance is free while it works: %+v", s)
	}
	if second := pidOf(t, r.ok(`{"seconds":0}`)); second != first {
		t.Error("the instance did not come back")
	}
	r.logs.find(t, "REPORT RequestId: left-behind")
}

func TestIdleInstancesAreLetGo(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	open := sync.OnceFunc(func() { close(goOn) })
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-goOn }))
	t.Cleanup(server.Close)
	t.Cleanup(open)
	r := start(t, python("app.ask"), concurrency(1, 4), timeout(time.Minute), func(c *Config) {
		c.Function.Idle, c.QueueTimeout = teal.Duration(400*time.Millisecond), time.Minute
	})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { r.ask(server.URL) })
	}
	r.await("grown", func(s State) bool { return s.Busy >= 2 })
	open()
	all.Wait()
	r.await("back at the minimum", func(s State) bool { return s.Instances == 1 })
	if got := r.ask(server.URL); got != "200" {
		t.Errorf("an invocation afterwards: %s", got)
	}
	eventually(t, "no directory of an instance is left but one", func() bool {
		dirs, err := filepath.Glob(filepath.Join(r.cfg.WorkDir, "instance-*"))
		return err == nil && len(dirs) == 1
	})
}

func TestMinimumOfZero(t *testing.T) {
	t.Parallel()
	r := start(t, golang, concurrency(0, 2), func(c *Config) { c.Function.Idle = teal.Duration(100 * time.Millisecond) })
	s := r.await("without an instance", func(s State) bool { return s.Instances == 0 })
	if !s.Ready {
		t.Errorf("a function that is proven and idle is not ready: %+v", s)
	}
	r.ok("{}")
}

// starts counts the starts that a flaky function has seen.
func starts(t *testing.T, counter string) int {
	t.Helper()
	data, err := os.ReadFile(counter)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(data)
}

// Seen to fail with a back-off of nothing: several hundred starts.
func TestBackoffIsNotHotAndEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	counter, flag := filepath.Join(dir, "counter"), filepath.Join(dir, "flag")
	r := launch(t, python("flaky.handler"), func(c *Config) {
		c.Function.Env = map[string]string{"COUNTER": counter, "FLAG": flag}
		c.QueueTimeout = 50 * time.Millisecond
	})
	<-r.changes
	eventually(t, "three failures", func() bool { return starts(t, counter) >= 3 })
	begin := time.Now()
	for time.Since(begin) < 600*time.Millisecond {
		// Many callers cannot heat it up, and none of them hangs.
		asked := time.Now()
		if d := r.fails("{}", teal.CodeFunctionFailed); d.Type != "Runtime.ExitError" {
			t.Errorf("got %+v", d)
		}
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("a failure took %s", took)
		}
	}
	if n := starts(t, counter); n > 6 {
		t.Errorf("%d starts", n)
	}
	if s := r.State(); s.Ready || !s.Failing || !strings.Contains(s.Output, "not yet") {
		t.Errorf("state is %+v", s)
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.await("ready", func(s State) bool { return s.Ready && !s.Failing && s.Reason == "" })
	if got := r.ok("{}"); got != `"at last"` {
		t.Errorf("got %s", got)
	}
}

func TestInitDeadline(t *testing.T) {
	t.Parallel()
	r := launch(t, python("hangs.handler"), func(c *Config) { c.Function.Init = teal.Duration(300 * time.Millisecond) })
	r.logs.find(t, "INIT_START")
	// The invocation waits for the start, and learns how it ended.
	if d := r.fails("{}", teal.CodeFunctionFailed); d.Type != "Sandbox.Timedout" || !strings.HasSuffix(d.Message, "Init timed out after 0.30 seconds") {
		t.Errorf("got %+v", d)
	}
	if s := r.State(); s.Ready || !strings.Contains(s.Reason, "not initialised within 300ms") {
		t.Errorf("state is %+v", s)
	}
}

func TestProvidedNeedsAnExecutable(t *testing.T) {
	t.Parallel()
	empty, plain := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(plain, "bootstrap"), []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{empty: "holds a file called bootstrap", plain: "chmod +x"} {
		r := launch(t, golang, func(c *Config) { c.Dir = dir })
		if s := r.await("failing", func(s State) bool { return s.Failing }); !strings.Contains(s.Reason, want) {
			t.Errorf("state is %+v", s)
		}
	}
}

// A stop kills everything, also what instances have started, and every
// invocation gets an end. Seen to fail (hang) with the turns under way left alone
// in stop.
func TestStopKillsEverything(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.act"), concurrency(2, 2))
	child := pidOf(t, r.ok(`{"do":"child"}`))
	instances := []int{pidOf(t, r.ok("{}"))}
	r.quiet()
	ended := make(chan error, 1)
	go func() {
		_, err := r.invoke(`{"do":"flood","kib":100000000}`)
		ended <- err
	}()
	eventually(t, "the instance is busy", func() bool { return r.State().Busy == 1 })
	r.stop()
	if err := <-ended; !teal.IsCode(err, teal.CodeUnavailable) {
		t.Errorf("the invocation under way: %v", err)
	}
	for _, pid := range append(instances, child) {
		if alive(pid) {
			t.Errorf("process %d is alive", pid)
		}
	}
	if _, err := r.invoke("{}"); !teal.IsCode(err, teal.CodeUnavailable) {
		t.Errorf("an invocation after the end: %v", err)
	}
	if s := r.State(); s.Ready || s.Instances != 0 || s.Busy != 0 {
		t.Errorf("state is %+v", s)
	}
}

func TestLeftoversOfAKilledServerAreRemoved(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	old := filepath.Join(work, "instance-1", "secret")
	if err := os.MkdirAll(old, 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, golang, func(c *Config) { c.WorkDir = work })
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("an old instance's files reach a new one: %v", err)
	}
}

func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	r := launch(t, python("hangs.handler"))
	ended := make(chan error, 1)
	go func() {
		_, err := r.invoke("{}")
		ended <- err
	}()
	r.logs.find(t, "INIT_START")
	r.stop()
	if err := <-ended; !teal.IsCode(err, teal.CodeUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestGoFunction(t *testing.T) {
	t.Parallel()
	r := start(t, golang, concurrency(1, 1))
	got := decoded[map[string]any](t, r.ok("{}"))
	if got["body"] != "hello" || got["name"] != "shop-hello" || got["deadline"] != true || got["arn"] != "arn:aws:lambda:us-east-1:000000000000:function:shop-hello:3" {
		t.Errorf("got %v", got)
	}
	if d := r.fails(`{"do":"error"}`, ""); d.Type != "errorString" || d.Message != "went wrong" {
		t.Errorf("got %+v", d)
	}
	// After a panic the runtime reports and exits: the answer is the panic's,
	// and the next invocation has another instance.
	if d := r.fails(`{"do":"panic"}`, ""); d.Type != "string" || d.Message != "told to" {
		t.Errorf("got %+v", d)
	}
	again := decoded[map[string]any](t, r.ok("{}"))
	if again["pid"] == got["pid"] {
		t.Error("the instance that panicked serves again")
	}
	if d := r.fails(`{"do":"exit"}`, teal.CodeFunctionFailed); d.Type != "Runtime.ExitError" || !strings.HasSuffix(d.Message, "exit status 9") {
		t.Errorf("got %+v", d)
	}
	r.ok("{}")
}

// A custom runtime as a shell script, with a connection per request.
func TestShellFunction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := `#!/bin/sh
API=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
  EVENT=$(curl -sS -D "$TMPDIR/head" "$API/next")
  ID=$(sed -n 's/\r$//; s/^Lambda-Runtime-Aws-Request-Id: //p' "$TMPDIR/head")
  curl -sS -o "$TMPDIR/out" -d "{\"echo\":$EVENT}" "$API/$ID/response"
done
`
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r := start(t, golang, concurrency(1, 1), func(c *Config) { c.Dir = dir })
	for n := range 3 {
		if got := r.ok(strconv.Itoa(n)); got != fmt.Sprintf(`{"echo":%d}`, n) {
			t.Errorf("got %s", got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	none := func(process.Spec) (*process.Process, error) { return nil, nil }
	for name, cfg := range map[string]Config{
		"runtime": {Function: teal.Function{Runtime: "cobol"}, Start: none, Dir: "/", WorkDir: "/"},
		"start":   {Function: teal.Function{Runtime: "python3"}, Dir: "/", WorkDir: "/"},
		"dir":     {Function: teal.Function{Runtime: "python3"}, Start: none, WorkDir: "/"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Whatever instances do, every invocation ends once and the pool recovers. Seen
// to fail with a back-off that looks at the one instance that crashed: plain
// invocations were refused because others crash it.
func TestEveryInvocationEndsWhateverInstancesDo(t *testing.T) {
	t.Parallel()
	r := start(t, golang, concurrency(2, 4), timeout(200*time.Millisecond), func(c *Config) { c.QueueTimeout = 3 * time.Second; c.QueueLimit = 1000 })
	events := []string{`{}`, `{}`, `{}`, `{"do":"error"}`, `{"do":"panic"}`, `{"do":"exit"}`, `{"do":"sleep","milli":20}`, `{"do":"sleep","milli":5000}`}
	var all sync.WaitGroup
	for caller := range 8 {
		all.Go(func() {
			for n := range 12 {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if n%5 == 4 {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond)
				}
				event := events[(caller+n*3)%len(events)]
				answer, err := r.Invoke(ctx, teal.Invocation{Event: []byte(event)})
				// On a busy machine a plain one can be late too; it is not to be refused.
				late := teal.IsCode(err, teal.CodeTimeout) || teal.IsCode(err, teal.CodeFunctionTimeout)
				if event == `{}` && err != nil && !late {
					t.Errorf("%s: %v %s", event, err, answer.Payload)
				}
				if n%5 != 4 && teal.IsCode(err, teal.CodeTimeout) {
					t.Errorf("%s hung", event)
				}
				cancel()
			}
		})
	}
	all.Wait()
	s := r.await("recovered", func(s State) bool { return s.Ready && s.Busy == 0 && s.Instances >= 2 })
	if s.Instances > 4 {
		t.Errorf("state is %+v", s)
	}
	r.ok("{}")
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts != [stages]int{} || len(r.instances) != 0 || len(r.idle) != 0 || len(r.queue) != 0 {
		t.Errorf("left over: %v, %d instances, %d idle, %d queued", r.counts, len(r.instances), len(r.idle), len(r.queue))
	}
}

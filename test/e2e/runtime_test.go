package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"teal/internal/ports"
)

// The examples that readers are shown do what they say: AWS's own handlers,
// unchanged, blue and green.
func TestExamples(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	hello := func(version, colour string) {
		t.Helper()
		code, v, body := s.get("/")
		if code != http.StatusOK || v != version || body != "Hello From "+colour+" Deployment" {
			t.Errorf("%d, version %s: %s", code, v, body)
		}
	}
	s.ok("deploy", example("hello"))
	hello("1", "Blue")
	s.ok("deploy", example("hello-green"))
	hello("2", "Green")
	s.ok("rollback", "hello")
	hello("1", "Blue")

	s.ok("deploy", example("node"))
	code, _, body := s.get("/node/x?y=z")
	var said struct {
		Method, Path, Version, Request string
		Remaining                      int `json:"remaining_ms"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil || code != http.StatusOK {
		t.Fatalf("node: %d %s: %v", code, body, err)
	}
	if said.Method != "GET" || said.Path != "/node/x" || said.Version != "1" || len(said.Request) != 36 || said.Remaining < 1 || said.Remaining > 3000 {
		t.Errorf("node: %+v", said)
	}

	folder := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "build", "bootstrap"), "teal/examples/go-function")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manifest, err := os.ReadFile(filepath.Join(example("go-function"), "teal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	app{t: t, dir: folder}.write("teal.yaml", string(manifest))
	s.ok("deploy", folder)
	if code, _, body := s.get("/greet?name=Ada"); code != http.StatusOK || !strings.Contains(body, "Hello, Ada") {
		t.Errorf("go: %d %s", code, body)
	}
}

// Components find each other through TEAL_URL_X, and what they find is their own
// version, whatever is live.
func TestSiblings(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", example("shop"))
	green := t.TempDir()
	if err := os.CopyFS(green, os.DirFS(example("shop"))); err != nil {
		t.Fatal(err)
	}
	app{t: t, dir: green}.write("front/green", "")
	s.ok("deploy", green, "--no-release")
	for _, path := range []string{"/?via=catalog,prices,front,prices,catalog", "/catalog?via=front,prices,catalog", "/prices?via=catalog,front,catalog"} {
		for version := 1; version <= 2; version++ {
			code, v, body := s.get(path, "Host", "shop.localhost", "Teal-Version", fmt.Sprint(version))
			var said struct {
				Chain    []struct{ Component, Version string }
				Versions []string
			}
			if err := json.Unmarshal([]byte(body), &said); err != nil || code != http.StatusOK {
				t.Fatalf("%s: %d %s: %v", path, code, body, err)
			}
			if v != fmt.Sprint(version) || !slices.Equal(said.Versions, []string{v}) || len(said.Chain) != strings.Count(path, ",")+2 {
				t.Errorf("%s to version %d: %+v", path, version, said)
			}
		}
	}
}

// What goes wrong in a function is answered with a reason, and the next
// invocation does not feel it.
func TestFunctionsThatFail(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newOdd(t, "odd", ", timeout: 4s, memory: 64MiB").dir)
	works := func(after string) {
		t.Helper()
		if code, _, body := s.get("/odd"); code != http.StatusOK || body != "version 1" {
			t.Errorf("after %s: %d %s", after, code, body)
		}
	}
	works("the start")
	for _, c := range []struct {
		name, ask string
		code      int
		says      string
		log       []string
	}{
		{"a timeout", "do=sleep&n=200000", http.StatusGatewayTimeout, "timeout of 4s", []string{"Task timed out after 4.00 seconds", "Status: timeout"}},
		{"a crash", "do=crash", http.StatusBadGateway, "exit status 3", []string{"these are my last words", "Runtime.ExitError"}},
		{"an error", "do=raise", http.StatusBadGateway, "at request", []string{"as you wish", "ValueError", "odd.py"}},
		{"too much memory", "do=hog&n=2000", http.StatusBadGateway, "function", []string{"emory"}},
	} {
		code, version, body := s.get("/odd?"+c.ask, "Teal-Version", "1") // who asks for a version is told why
		if code != c.code || version != "1" || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d, version %s: %s", c.name, code, version, body)
		}
		works(c.name)
		s.logged([]string{"odd"}, c.log...)
	}
	if strings.Contains(s.log.String(), `memory_limit="cgroup`) {
		s.logged([]string{"odd"}, "Runtime.OutOfMemory", "out of memory")
	}
	if st := s.status("odd"); st.environments() != "1 blue serving" {
		t.Errorf("after all that there is %s", st.text)
	}
}

// More invocations at once than there may be instances wait a moment, then are
// told to come again; none is lost.
func TestTooManyAtOnce(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newOdd(t, "odd", ", timeout: 2m, concurrency: {min: 2, max: 2}").dir)
	gate, url := newGate(t), s.url("/odd?do=wait&gate=")
	const clients = 8
	type answer struct {
		code  int
		retry string
		body  string
	}
	answers := make(chan answer, clients)
	for range clients {
		go func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
			resp, err := client.Get(url + gate.path)
			if err != nil {
				answers <- answer{body: err.Error()}
				return
			}
			_ = resp.Body.Close()
			answers <- answer{code: resp.StatusCode, retry: resp.Header.Get("Retry-After")}
		}()
	}
	codes := map[int]int{}
	for n := range clients {
		if n == clients-2 { // all others have been answered
			gate.open()
		}
		a := <-answers
		codes[a.code]++
		if a.code == http.StatusTooManyRequests && a.retry == "" || a.code == 0 {
			t.Errorf("%+v", a)
		}
	}
	if codes[http.StatusOK] != 2 || codes[http.StatusTooManyRequests] != clients-2 {
		t.Errorf("answers by status: %v", codes)
	}
	if code, _, body := s.get("/odd"); code != http.StatusOK {
		t.Errorf("afterwards: %d %s", code, body)
	}
}

// invoke prints what the function returned, or its error document; the exit code
// tells which.
func TestInvoke(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newOdd(t, "odd", ", timeout: 4s").dir)
	blue := newOdd(t, "odd", ", timeout: 4s")
	blue.write("odd/mark", "two")
	s.ok("deploy", blue.dir, "--no-release")
	for _, c := range []struct {
		args   []string
		stdout string
	}{
		{[]string{"odd"}, `{"statusCode": 200, "body": "version 1"}`},
		{[]string{"odd:live"}, `{"statusCode": 200, "body": "version 1"}`},
		{[]string{"odd:2"}, `{"statusCode": 200, "body": "version 2"}`},
		{[]string{"odd:preview"}, `{"statusCode": 200, "body": "version 2"}`},
		{[]string{"odd", "--component", "odd", "--data", `{"do": "big", "n": 3}`}, `"xxx"`},
	} {
		r := s.ok(append([]string{"invoke"}, c.args...)...)
		if strings.TrimSpace(r.stdout) != c.stdout {
			t.Errorf("invoke %v: %s", c.args, r.stdout)
		}
	}
	s.teal("invoke", "odd", "--data", `{"do": "raise"}`).expect(t, 1, `"errorType": "ValueError"`, `"errorMessage": "as you wish"`, "teal logs odd --request")
	s.teal("invoke", "odd", "--data", `{"do": "crash"}`).expect(t, 1, "Runtime.ExitError", "exit status 3")
	s.teal("invoke", "odd", "--data", `{"do": "sleep", "n": 200000}`).expect(t, 1, "Sandbox.Timedout", "Task timed out after 4.00 seconds")
	s.teal("invoke", "odd:3").expect(t, 2, "version 3")

	r := s.teal("invoke", "odd", "--json", "--data", `{"do": "raise"}`)
	var doc struct {
		Version       int
		RequestID     string `json:"request_id"`
		FunctionError string `json:"function_error"`
		Payload       struct{ ErrorType string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.code != 1 {
		t.Fatalf("exit %d: %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	if doc.Version != 1 || doc.FunctionError != "Unhandled" || doc.Payload.ErrorType != "ValueError" {
		t.Errorf("%+v", doc)
	}
	// Its log lines are found by the request, and hold nobody else's.
	logs := s.logged([]string{"odd", "--request", doc.RequestID}, "ValueError", "REPORT RequestId: "+doc.RequestID)
	if strings.Contains(logs, "ExitError") {
		t.Errorf("logs of %s:\n%s", doc.RequestID, logs)
	}
}

// logs shows what a version has printed, with the request that made it, and of
// no other version.
func TestLogsOfOneVersion(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newOdd(t, "odd", "").dir)
	s.ok("invoke", "odd", "--data", `{"do": "sleep", "n": 1}`)
	second := newOdd(t, "odd", "")
	second.write("odd/mark", "two")
	s.ok("deploy", second.dir)
	s.ok("invoke", "odd", "--data", `{"do": "sleep", "n": 2}`)

	var list struct {
		Lines []struct {
			Version   int
			Component string
			RequestID string `json:"request_id"`
			Stream    string
			Text      string
		}
	}
	for version := 1; version <= 2; version++ {
		log := s.logged([]string{"odd", "--version", fmt.Sprint(version), "--json"}, "REPORT")
		if err := json.Unmarshal([]byte(log), &list); err != nil {
			t.Fatal(err)
		}
		printed, reported := 0, 0
		for _, line := range list.Lines {
			if line.Version != version || line.Component != "odd" {
				t.Errorf("logs of version %d: %+v", version, line)
			}
			if line.Stream == "stdout" && line.Text == fmt.Sprint("slept for ", version) && len(line.RequestID) == 36 {
				printed++
			}
			if strings.HasPrefix(line.Text, "REPORT RequestId: "+line.RequestID+"\tDuration: ") && strings.Contains(line.Text, "Max Memory Used: ") {
				reported++
			}
		}
		if printed != 1 || reported != 1 {
			t.Errorf("logs of version %d:\n%s", version, log)
		}
	}
	s.teal("logs", "odd", "--tail", "1").expect(t, 0, "REPORT")
	if n := strings.Count(s.ok("logs", "odd", "--tail", "3").stdout, "\n"); n != 3 {
		t.Errorf("--tail 3 printed %d lines", n)
	}
}

// Every line carries the request that printed it, however fast the next one
// follows, and comes before the report of that request. Seen red when what was in
// the pipe was left to the reader: one line in twenty had the next request's ID.
func TestLinesCarryTheirRequest(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newFiles(t, files{
		"teal.yaml":  oddManifest("odd", ", concurrency: {max: 1}"),
		"odd/odd.py": "import sys\ndef handler(event, context):\n    print('out', context.aws_request_id)\n    print('err', context.aws_request_id, end='', file=sys.stderr)\n    return 1\n",
	}).dir)
	const clients, each = 3, 100
	var all sync.WaitGroup
	url := s.url("/odd")
	for range clients {
		all.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			for range each {
				resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get(url)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
		})
	}
	all.Wait()
	waitUntil(t, "the reports", func() (bool, string) {
		log := s.ok("logs", "odd").stdout
		return strings.Count(log, "REPORT") == clients*each, tail(log, 60)
	})
	var list struct {
		Lines []struct {
			RequestID string `json:"request_id"`
			Text      string
		}
	}
	if err := json.Unmarshal([]byte(s.ok("logs", "odd", "--json").stdout), &list); err != nil {
		t.Fatal(err)
	}
	printed, wrong, late := 0, 0, 0
	reported := map[string]bool{}
	for _, line := range list.Lines {
		word, id, _ := strings.Cut(line.Text, " ")
		switch word {
		case "REPORT":
			reported[line.RequestID] = true
		case "out", "err":
			printed++
			if id != line.RequestID {
				wrong++
			}
			if reported[id] {
				late++
			}
		}
	}
	if printed != 2*clients*each || wrong > 0 || late > 0 {
		t.Errorf("of %d lines %d carry another request, %d come after its report", printed, wrong, late)
	}
}

// What the server knows stays with it: neither functions nor services get its
// environment, its token least of all. Seen red with os.Environ in the function's.
func TestServersEnvironmentStaysWithIt(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := newServer(t)
	s.start("TEAL_TOKEN=hidden-token", "TEAL_DATA=/hidden", "AWS_SECRET_ACCESS_KEY=hidden-key", "SECRET=hidden", "LD_LIBRARY_PATH=/hidden", "PYTHONPATH=/hidden", "NODE_OPTIONS=--no-warnings")
	const manifest = `
app: odd
functions:
  odd: {runtime: python3, handler: odd.handler, code: ./odd, env: {STAGE: prod, ANSWER: 42}}
services:
  web: {command: ["sh", "-c", "env; exec ./web"], code: ./web, health: {path: /healthz}, env: {STAGE: prod}}
routes:
  - {path: /odd, to: odd}
`
	a := newApp(t, manifest, "")
	a.write("odd/odd.py", oddHandler)
	s.ok("deploy", a.dir)
	var env map[string]string
	if err := json.Unmarshal([]byte(s.ok("invoke", "odd", "--data", `{"do": "environment"}`).stdout), &env); err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(s.data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	service := s.ok("logs", "odd", "--component", "web").stdout
	for name, value := range env {
		if strings.Contains(value, "hidden") || strings.Contains(value, strings.TrimSpace(string(token))) || name == "TEAL_TOKEN" || name == "TEAL_DATA" {
			t.Errorf("a function gets %s=%s", name, value)
		}
	}
	if strings.Contains(service, "hidden") || strings.Contains(service, "TEAL_TOKEN") || strings.Contains(service, "TEAL_DATA") {
		t.Errorf("a service gets\n%s", service)
	}
	for name, want := range map[string]string{
		"STAGE": "prod", "ANSWER": "42", "TEAL_APP": "odd", "TEAL_VERSION": "1", "TEAL_COMPONENT": "odd",
		"AWS_LAMBDA_FUNCTION_NAME": "odd", "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "_HANDLER": "odd.handler",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
	for _, name := range []string{"LAMBDA_TASK_ROOT", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_STREAM_NAME", "TEAL_URL_WEB", "TEAL_URL_ODD", "AWS_REGION"} {
		if env[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	for _, text := range []string{"STAGE=prod", "TEAL_APP=odd", "TEAL_URL_ODD=http://127.0.0.1:", "PORT="} {
		if !strings.Contains(service, text) {
			t.Errorf("a service gets no %s", text)
		}
	}
}

// A service whose process dies is started again; what its other instance does is
// not disturbed.
func TestServiceInstanceThatDies(t *testing.T) {
	defer contained(t)
	t.Parallel()
	linuxOnly(t)
	s := startServer(t)
	mark := "dies-" + filepath.Base(t.TempDir()) + fmt.Sprint(os.Getpid())
	manifest := strings.Replace(manifestWith("10m"), "env: {MARK: {MARK}}", "instances: 2, env: {TEST_MARK: {MARK}}", 1)
	s.ok("deploy", newApp(t, manifest, mark).dir)
	said := func(text string) int { return strings.Count(s.log.String(), text) }
	healthy := func() int { return said(`msg="an endpoint is healthy"`) }
	waitFor(t, "both to be healthy", func() bool { return healthy() >= 2 }) // one is enough to be live
	for pid := range marked(t, mark) {
		before, ended := healthy(), said("killed by signal killed")
		process, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Kill(); err != nil {
			t.Fatal(err)
		}
		// A process that ends loses its memory before its sockets: only who waits for it knows
		// that both are gone, and whoever is connected until then gets a 502.
		waitFor(t, "the process to be gone", func() bool { return said("killed by signal killed") > ended })
		for range 50 {
			if code, _, body := s.get("/"); code != http.StatusOK || body != "version 1" {
				t.Fatalf("after the end of an instance: %d %s", code, body)
			}
		}
		waitFor(t, "two instances", func() bool { return len(marked(t, mark)) == 2 })
		waitFor(t, "both to be healthy", func() bool { return healthy() > before })
	}
	s.logged([]string{"web"}, "killed by signal killed", "starting it again")
}

// An upstream is somebody else's: a version is not released before it answers,
// and when it stops answering, requests get a reason.
func TestUpstream(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	const manifest = `
app: legacy
upstreams:
  old: {urls: ["http://%s"], health: {path: /healthz, interval: 50ms, timeout: 500ms, failures: 1}}
routes:
  - {path: /, to: old}
release:
  ready_within: 5s
`
	address := reserved(t)
	a := newFiles(t, files{"teal.yaml": fmt.Sprintf(manifest, address)})
	s.teal("deploy", a.dir).expect(t, 1, "did not become healthy within 5s", address, "is live")

	_, port, _ := strings.Cut(address, ":")
	web := exec.Command(built.web)
	web.Env = []string{"PORT=" + port, "TEAL_VERSION=of an upstream"}
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		_ = web.Process.Kill()
		_ = web.Wait()
	}
	t.Cleanup(stop)
	waitFor(t, "the upstream", func() bool {
		resp, err := http.Get("http://" + address + "/healthz")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	})
	a.write("teal.yaml", strings.Replace(fmt.Sprintf(manifest, address), "ready_within: 5s", "ready_within: 2m", 1))
	s.ok("deploy", a.dir)
	if code, version, body := s.get("/"); code != http.StatusOK || version != "1" || body != "version of an upstream" {
		t.Errorf("%d, version %s: %s", code, version, body)
	}
	stop()
	waitFor(t, "the upstream to be found missing", func() bool {
		code, _, body := s.get("/")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "no_healthy_instance") || code == http.StatusBadGateway && strings.Contains(body, "upstream_failed")
	})
	s.awaitStatus("legacy", "the version to be degraded", func(st status) bool {
		e := st.environment(1)
		return e.State == "degraded" && strings.Contains(e.Reason, address)
	})
}

// reserved returns an address that nobody listens on, and that nobody else gets until
// the test ends.
func reserved(t testing.TB) string {
	t.Helper()
	port, release, err := ports.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = release() })
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// Package examples holds apps that a reader can deploy. The tests run their code
// with plain python3, node and go, without Teal; test/e2e deploys them.
package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal/internal/manifest"
)

func TestManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*/teal.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		folder := filepath.Dir(file)
		if folder == "go-function" {
			folder = builtGoFunction(t)
		}
		if _, err := manifest.Load(folder, manifest.Variables{Lookup: func(string) (string, bool) { return "value", true }}); err != nil {
			t.Error(err)
		}
		readme, err := os.ReadFile(filepath.Join(filepath.Dir(file), "README.md"))
		if lines := bytes.Count(readme, []byte("\n")); err != nil || lines > 15 {
			t.Errorf("%s: README.md has %d lines (%v)", file, lines, err)
		}
	}
}

// builtGoFunction returns a copy of examples/go-function that has been built.
func builtGoFunction(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	command := exec.Command("go", "build", "-o", filepath.Join(folder, "build", "bootstrap"), "./go-function")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile("go-function/teal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "teal.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

const (
	python = "import json, sys, app; print(json.dumps(app.lambda_handler(json.loads(sys.argv[1]), None)))"
	node   = `import('./index.mjs').then(async (m) => {
		const context = { functionVersion: '7', awsRequestId: 'r', getRemainingTimeInMillis: () => 3000 };
		console.log(JSON.stringify(await m.handler(JSON.parse(process.argv[1]), context)));
	})`
)

// invoke calls the handler in folder once.
func invoke(folder, event string, env ...string) (string, error) {
	command := exec.Command("python3", "-B", "-c", python, event)
	if _, err := os.Stat(filepath.Join(folder, "index.mjs")); err == nil {
		command = exec.Command("node", "-e", node, event)
	}
	command.Dir, command.Env = folder, append(os.Environ(), env...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", folder, err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func TestHandlers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ folder, event, want string }{
		{"hello/hello", `{}`, `{"statusCode": "200", "body": "Hello From Blue Deployment", "isBase64Encoded": false}`},
		{"hello-green/hello", `{}`, `{"statusCode": "200", "body": "Hello From Green Deployment", "isBase64Encoded": false}`},
		{"static/api", `{"rawPath":"/api/notes/7"}`, `{"statusCode": 200, "headers": {"content-type": "application/json", "cache-control": "no-store"}, "body": "{\"path\": \"/api/notes/7\", \"version\": \"7\"}"}`},
		{"node/api", `{"requestContext":{"http":{"method":"GET","path":"/node/x"}}}`, `{"statusCode":200,"headers":{"content-type":"application/json"},"body":"{\"method\":\"GET\",\"path\":\"/node/x\",\"version\":\"7\",\"request\":\"r\",\"remaining_ms\":3000}"}`},
	} {
		if got, err := invoke(c.folder, c.event, "TEAL_VERSION=7"); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v\nwant %s", c.folder, got, err, c.want)
		}
	}
}

// The function of examples/canary fails as often as it is told to, and its
// integration test and hook run against it.
func TestCanary(t *testing.T) {
	t.Parallel()
	if _, err := invoke("canary/quote", "{}", "FAIL_PERCENT=100"); err == nil || !strings.Contains(err.Error(), "out of quotes") {
		t.Errorf("a share of 100 %% does not fail: %v", err)
	}
	out, err := invoke("canary/quote", "{}", "FAIL_PERCENT=0")
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Body string }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer.Body) }))
	defer server.Close()
	for script, says := range map[string]string{"itest.py": "version 2 says: ", "announce.py": "version 2 of quotes is healthy"} {
		command := exec.Command("python3", "-B", script)
		command.Dir, command.Env = "canary/ops", append(os.Environ(), "TEAL_PREVIEW_URL="+server.URL, "TEAL_VERSION=2", "TEAL_APP=quotes")
		if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), says) {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}

func TestGoFunctionAnswers(t *testing.T) {
	t.Parallel()
	answers, asked := make(chan string, 1), make(chan bool, 1)
	asked <- true
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-asked:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "r-1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			_, _ = io.WriteString(w, `{"version":"2.0","queryStringParameters":{"name":"Ada"}}`)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/r-1/response", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		answers <- string(body)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close) // it waits for the function's next poll, which ends with the process
	command := exec.Command(filepath.Join(builtGoFunction(t), "build", "bootstrap"))
	command.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"), "AWS_LAMBDA_FUNCTION_VERSION=7"}
	start(t, command)
	select {
	case got := <-answers:
		if !strings.Contains(got, `"statusCode":200`) || !strings.Contains(got, `{\"greeting\":\"Hello, Ada\",\"version\":\"7\",\"request\":\"r-1\"}`) {
			t.Error(got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no answer")
	}
}

// client gives up in the end: what answers on a port may be somebody else.
var client = &http.Client{Timeout: 30 * time.Second}

func start(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
}

// Every component can call every other, in any order, and the chain tells. Each runs
// once, for all calls: what a chain takes has nothing in it that waits for a process to
// start, which on a busy machine is seconds, and the example's calls wait for ten.
func TestShopChains(t *testing.T) {
	t.Parallel()
	var env []string
	functions := map[string]*relay{}
	for _, component := range []string{"front", "catalog"} {
		functions[component] = &relay{}
		server := httptest.NewServer(functions[component])
		t.Cleanup(server.Close)
		env = append(env, "TEAL_URL_"+strings.ToUpper(component)+"="+server.URL)
	}
	port := freePort(t)
	env = append(env, "TEAL_VERSION=7", fmt.Sprintf("TEAL_URL_PRICES=http://127.0.0.1:%d", port))
	prices := exec.Command("python3", "-B", "prices.py")
	prices.Dir = "shop/prices"
	prices.Env = append(append(os.Environ(), env...), "TEAL_COMPONENT=prices", fmt.Sprintf("PORT=%d", port))
	start(t, prices)
	for component, to := range functions {
		to.serve(t, component, env)
	}
	waitFor(t, fmt.Sprintf("http://127.0.0.1:%d/healthz", port))

	for query, want := range map[string]string{
		"":                                    "front catalog prices",
		"?via=":                               "front",
		"?via=prices,catalog,prices,front":    "front prices catalog prices front",
		"?via=catalog,catalog":                "front catalog catalog",
		"?via=front,front,prices":             "front front front prices",
		"?via=prices%2Ccatalog%2Cfront%2C%2C": "front prices catalog front",
	} {
		body := get(t, strings.TrimPrefix(env[0], "TEAL_URL_FRONT=")+"/"+query)
		var got struct {
			Chain    []struct{ Component, Version string }
			Versions []string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v: %s", query, err, body)
		}
		var names []string
		for _, link := range got.Chain {
			names = append(names, link.Component)
		}
		if strings.Join(names, " ") != want || !cmp.Equal(got.Versions, []string{"7"}) {
			t.Errorf("%s: %s, want %s", query, body, want)
		}
	}
}

// relay does what the gateway does for a function, roughly: it has an address before
// the function runs, and hands events to it.
type relay struct {
	url string // of the function's process
}

const (
	pythonServer = `
import http.server, json, urllib.parse, app
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        answer = app.lambda_handler(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), None)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()`
	nodeServer = `
import('./index.mjs').then((m) => {
	const server = require('node:http').createServer(async (request, response) => {
		let event = '';
		for await (const chunk of request) event += chunk;
		response.end(JSON.stringify(await m.handler(JSON.parse(event), {})));
	});
	server.listen(0, '127.0.0.1', () => console.log(server.address().port));
})`
)

// serve starts the function's process and waits until it serves.
func (to *relay) serve(t *testing.T, component string, env []string) {
	t.Helper()
	command := exec.Command("python3", "-B", "-c", pythonServer)
	if component == "catalog" {
		command = exec.Command("node", "-e", nodeServer)
	}
	command.Dir, command.Env = "shop/"+component, append(append(os.Environ(), env...), "TEAL_COMPONENT="+component)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, command)
	var port int
	if _, err := fmt.Fscanln(out, &port); err != nil {
		t.Fatalf("%s does not say its port: %v", component, err)
	}
	to.url = fmt.Sprintf("http://127.0.0.1:%d", port)
}

func (to *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := map[string]string{}
	for name, values := range r.URL.Query() {
		query[name] = strings.Join(values, ",")
	}
	event, err := json.Marshal(map[string]any{"queryStringParameters": query})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var answer struct {
		StatusCode int
		Body       string
	}
	response, err := client.Post(to.url, "application/json", bytes.NewReader(event))
	if err == nil {
		err = json.NewDecoder(response.Body).Decode(&answer)
		_ = response.Body.Close()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.WriteString(w, answer.Body)
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func waitFor(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if response, err := client.Get(url); err == nil {
			_ = response.Body.Close()
			return
		}
	}
	t.Fatalf("nothing answers on %s", url)
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

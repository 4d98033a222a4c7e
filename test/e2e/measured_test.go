package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

const measuredManifest = `
app: shop
functions:
  bad: {runtime: python3, handler: bad.handler, code: ./bad}
services:
  web: {command: [python3, web.py], code: ./web, health: {path: /healthz}}
static:
  files: {folder: ./files}
routes:
  - {path: /files, to: files}
  - {path: /api, to: bad}
  - {path: /, to: web}
release:
  watch: {confidence: 0s}
`

const badHandler = `def handler(event, context):
    raise KeyError("price")
`

const webThatDies = `import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Web(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("fatal: told to die", flush=True)
            os._exit(3)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Web).serve_forever()
`

// measured is what the status of an app tells of a version, as far as it is looked at.
type measured struct {
	Environments []struct {
		Version     int
		State, Role string
		Failing     string
		Components  []measuredComponent
		Traffic     struct{ Requests, Errors int }
	}
}

type measuredComponent struct {
	Component     string
	Restarts      int
	MemoryBytes   int `json:"memory_bytes"`
	Traffic       struct{ Requests, Errors int }
	FailingRoutes []struct {
		Route, What string
		Errors      int
	} `json:"failing_routes"`
	Instances []struct{ Name, State string }
	LastError struct{ Instance, Text string } `json:"last_error"`
}

func (s *server) measured(app string) (m measured, text string) {
	s.t.Helper()
	text = s.ok("status", app, "--json").stdout
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		s.t.Fatalf("status --json: %v\n%s", err, text)
	}
	return m, text
}

// awaitMeasured waits until the status of an app with one version of the components
// bad, files and web is as ok wants it, and does something before each look.
func (s *server) awaitMeasured(app, what string, before func(), ok func(failing string, bad, web measuredComponent) bool) {
	s.t.Helper()
	waitUntil(s.t, what, func() (bool, string) {
		before()
		m, text := s.measured(app)
		if len(m.Environments) != 1 || len(m.Environments[0].Components) != 3 {
			return false, text
		}
		env := m.Environments[0]
		return ok(env.Failing, env.Components[0], env.Components[2]), text
	})
}

// A function that fails all of its requests, and a service that ends, are seen where a
// person looks first, within seconds and in the words of both. Seen red with traffic left
// out of the status.
func TestWhatFailsIsSeenInStatus(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	a := newFiles(t, files{"teal.yaml": measuredManifest, "bad/bad.py": badHandler, "web/web.py": webThatDies, "files/index.html": "hello"})
	s.ok("deploy", a.dir)
	if m, text := s.measured("shop"); len(m.Environments) != 1 || m.Environments[0].Failing != "" || m.Environments[0].Role != "current" {
		t.Errorf("before any request:\n%s", text)
	}
	ask := func(path string, codes ...int) {
		t.Helper()
		if code, _, body := s.get(path); !slices.Contains(codes, code) {
			t.Errorf("GET %s: %d %s", path, code, body)
		}
	}
	fail := func() { // again for each look: what is told is of the last minute
		for n := range 3 {
			ask(fmt.Sprintf("/api/items/%d?token=secret", n), 502)
		}
	}
	ask("/", 200)
	s.awaitMeasured("shop", "the function to be shown as failing", fail, func(failing string, bad, web measuredComponent) bool {
		return strings.Contains(failing, "% of ") && bad.Traffic.Requests > 0 && bad.Traffic.Errors == bad.Traffic.Requests &&
			len(bad.FailingRoutes) == 1 && bad.FailingRoutes[0].Route == "/api" && bad.FailingRoutes[0].What == "function error" &&
			strings.Contains(bad.LastError.Text, "KeyError: 'price'") && web.Traffic.Errors == 0 && web.Restarts == 0
	})
	ask("/die", 502, 503) // once more, perhaps, to the one that comes in its place
	s.awaitMeasured("shop", "the restart to be counted, its reason told, and memory known", func() {}, func(_ string, bad, web measuredComponent) bool {
		return web.Restarts >= 1 && bad.Restarts == 0 && strings.Contains(web.LastError.Text, "exit status 3") &&
			len(web.Instances) == 1 && web.Instances[0].State == "healthy" && web.MemoryBytes > 1<<20
	})
	waitUntil(t, "people to be told the same", func() (bool, string) {
		fail()
		said := s.ok("status", "shop").stdout + s.ok("status").stdout
		told := strings.Contains(said, "serving, failing: ") && strings.Contains(said, "v1 failing (current)") && strings.Contains(said, "/api: ")
		return told && !strings.Contains(said, "secret"), said
	})
	said := s.metrics()
	if problems, err := promlint.New(strings.NewReader(said)).Lint(); err != nil {
		t.Errorf("%v %v", err, problems)
	}
	for _, part := range []string{
		`teal_requests_total{app="shop",code="5xx",component="bad",role="current",slot="blue",version="1"} `,
		`teal_instances{app="shop",component="web",role="current",slot="blue",state="healthy",version="1"} 1`,
		`teal_instance_restarts_total{app="shop",component="bad",role="current",slot="blue",version="1"} 0`,
		`teal_component_memory_bytes{app="shop",component="web",role="current",slot="blue",version="1"} `,
		`teal_component_cpu_seconds_total{app="shop",component="web",role="current",slot="blue",version="1"} `,
		`teal_release_phase{app="shop",phase="completed"} 1`,
	} {
		if !strings.Contains(said, part) {
			t.Errorf("/metrics has no %s in\n%s", part, said)
		}
	}
	if strings.Contains(said, `teal_instance_restarts_total{app="shop",component="web",role="current",slot="blue",version="1"} 0`) {
		t.Errorf("/metrics has no restart:\n%s", said)
	}
}

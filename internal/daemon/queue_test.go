package daemon

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teal"
	"teal/internal/api"
	"teal/internal/await"
)

// shopApp is an app whose function and service read queues, and write down what they have
// done. Of what the function is told to fail at it says so.
var shopApp = map[string]string{
	"teal.yaml": `app: shop
functions:
  charge: {runtime: python3, handler: app.handler, code: ./code, env: {FAILS: "%s"}}
services:
  mails: {command: [python3, -u, service.py], code: ./code, health: {path: /up}}
triggers:
  - {queue: orders, to: charge, batch: 5, retries: 1, visibility: %s}
  - {queue: mails, to: mails, path: /deliver, retries: 1, visibility: 100ms}
routes:
  - {path: /, to: mails}
release: {watch: {confidence: 10m, min_requests: 30}}
`,
	"code/app.py": `import json, os, urllib.request
def note(text):
    with open(os.path.join(os.environ["TEAL_STATE_DIR"], "done"), "a") as f:
        f.write("v%s %s\n" % (os.environ["TEAL_VERSION"], text))
def handler(event, context):
    if os.environ["FAILS"]:
        raise KeyError(os.environ["FAILS"])
    failed = []
    for r in event["Records"]:
        assert r["eventSource"] == "aws:sqs" and r["eventSourceARN"].endswith(":orders") and r["attributes"]["SentTimestamp"], r
        if r["body"].startswith("poison"):
            failed.append({"itemIdentifier": r["messageId"]})
            continue
        note(r["body"])
        request = urllib.request.Request(os.environ["TEAL_QUEUE_URL"] + "/mails/messages", json.dumps({"body": r["body"]}).encode(),
            {"Authorization": "Bearer " + os.environ["TEAL_QUEUE_TOKEN"], "Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=30).read()
    return {"batchItemFailures": failed}
`,
	"code/service.py": `import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(os.path.join(os.environ["TEAL_STATE_DIR"], "done"), "a") as f:
            for r in event["Records"]:
                f.write("v%s %s\n" % (os.environ["TEAL_VERSION"], r["body"]))
        self.send_response(200 if self.path == "/deliver" else 500); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`,
}

func shopDir(t *testing.T, fails, visibility string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range shopApp {
		if name == "teal.yaml" {
			text = fmt.Sprintf(text, fails, visibility)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// done returns how often a component has done what, by version and message.
func (h *harness) done(component string) map[string]int {
	text, _ := os.ReadFile(filepath.Join(h.data, "state", "shop", component, "done")) // nobody may have done anything
	found := map[string]int{}
	for line := range strings.Lines(string(text)) {
		found[strings.TrimSpace(line)]++
	}
	return found
}

func (h *harness) sendOrders(bodies ...string) {
	h.t.Helper()
	var messages []api.MessageBody
	for _, body := range bodies {
		messages = append(messages, api.MessageBody{Body: body})
	}
	if _, err := h.SendMessages(h.t.Context(), "orders", messages); err != nil {
		h.t.Fatal(err)
	}
}

// A function gets messages as AWS's SQS hands them over and says which of them have
// failed; a service gets a POST; programs send messages themselves. Each message counts
// as a request. Seen red with batchItemFailures not read (the poison is done), with a
// POST to "/" (the mails are dead), and without TEAL_QUEUE_TOKEN (nothing is mailed).
func TestTriggersOfQueues(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	h.deploy(shopDir(t, "", "100ms"), true, nil)
	h.awaitPhase("shop", teal.PhaseCompleted)
	h.sendOrders("one", "poison", "two", "three")
	want := map[string]int{"v1 one": 1, "v1 two": 1, "v1 three": 1}
	await.True(t, "the orders to be mailed", func() bool { return maps.Equal(h.done("mails"), want) })
	await.True(t, "the poison to be dead", func() bool {
		letters, err := h.DeadLetters(t.Context(), "orders", 10)
		return err == nil && len(letters) == 1 && letters[0].Body == "poison" && letters[0].Failures == 2 && strings.Contains(letters[0].Reason, "batchItemFailures") && *letters[0].Version == 1
	})
	if got := h.done("charge"); !maps.Equal(got, want) {
		t.Errorf("charged %v", got)
	}
	for _, line := range []string{
		`teal_requests_total{app="shop",code="2xx",component="charge",role="current",slot="blue",version="1"} 5`,
		`teal_request_errors_total{app="shop",component="charge",fault="function",role="current",slot="blue",version="1"} 2`,
		`teal_requests_total{app="shop",code="2xx",component="mails",role="current",slot="blue",version="1"} 3`,
		`teal_queue_messages{queue="orders",state="dead"} 1`,
	} {
		await.True(t, line, func() bool { return slices.Contains(h.metrics("teal_"), line) })
	}
}

// C19, with what a release does to messages: weights split them, the new version is
// judged by them and goes back, and then the version before works on those that the new
// one has failed at: none is lost, none is dead, and none is done twice. Seen red with
// ClaimMessages counting nobody (the release goes on), and with GiveBack not called (v2's
// are never done).
func TestARollbackGivesMessagesBack(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	half := func(p *teal.Policy) {
		p.Strategy, p.Steps = "", []teal.Step{{Weight: teal.Percent(50), Hold: teal.Duration(await.Patience)}}
	}
	h.deploy(shopDir(t, "", "10m"), true, noStandby)
	h.awaitPhase("shop", teal.PhaseCompleted)
	h.deploy(shopDir(t, "price", "10m"), true, half)
	h.awaitPhase("shop", teal.PhaseShifting)
	want := map[string]int{}
	await.True(t, "v2 to go back", func() bool {
		var bodies []string
		for range 20 {
			body := fmt.Sprint("order-", len(want))
			want["v1 "+body] = 1
			bodies = append(bodies, body)
		}
		h.sendOrders(bodies...)
		return h.newest("shop").Phase == teal.PhaseRolledBack
	})
	await.True(t, "all orders to be done by v1", func() bool { return len(h.done("charge")) == len(want) })
	if got := h.done("charge"); !maps.Equal(got, want) {
		t.Errorf("charged %v", got)
	}
	if letters, err := h.DeadLetters(t.Context(), "orders", 10); err != nil || len(letters) > 0 {
		t.Errorf("dead: %+v %v", letters, err)
	}
	if reason := h.newest("shop").Reason; !strings.Contains(reason, "v2) failed") {
		t.Errorf("it went back because %q", reason)
	}
}

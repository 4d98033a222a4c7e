package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

const goodbyeManifest = `
app: web
services:
  web: {command: ["./web"], code: ./web, env: {MARK: {MARK}, GOODBYE: "1"}, health: {path: /healthz, interval: 50ms}, grace: 10s}
routes:
  - {path: /, to: web}
release:
  drain: 300ms
  watch: {confidence: 0s}
`

// At the drain deadline the application hears first that it ends, and says so on
// its connections in their own words: a close frame on a WebSocket, a last event
// in a stream. What it does not answer gets 504.
//
// Seen red with a drain that cancels what is in flight before it stops the
// instances: no close frame (EOF), no last event.
func TestTheDrainDeadlineLetsTheApplicationSayGoodbye(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, goodbyeManifest, "one").dir)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, s.url("/ws"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if err := socket.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, data, err := socket.Read(ctx); err != nil || string(data) != "1 hello" {
		t.Fatalf("%q, %v", data, err)
	}
	events, err := http.Get(s.url("/sse?events=100000"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = events.Body.Close() }()
	body, silent := io.Pipe()
	defer func() { _ = silent.Close() }()
	unanswered := make(chan error, 1)
	go func() {
		response, err := http.Post(s.url("/upload"), "text/plain", body)
		if err == nil {
			data, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != http.StatusGatewayTimeout || !strings.Contains(string(data), `"timeout"`) {
				err = fmt.Errorf("%d %s", response.StatusCode, data)
			}
		}
		unanswered <- err
	}()
	if _, err := silent.Write([]byte("some")); err != nil {
		t.Fatal(err)
	}
	s.awaitInFlight(3)

	s.ok("deploy", newApp(t, goodbyeManifest, "two").dir)
	if _, data, err := socket.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the WebSocket ended with %q, %v", data, err)
	}
	if data, err := io.ReadAll(events.Body); err != nil || !strings.HasSuffix(string(data), "event: goodbye\ndata: end\n\n") {
		t.Errorf("the stream ended with %q, %v", tail(string(data), 5), err)
	}
	if err := <-unanswered; err != nil {
		t.Error(err)
	}
	s.awaitOne("web")
}

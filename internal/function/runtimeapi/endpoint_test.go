package runtimeapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owner records what the endpoint says.
type owner struct {
	idle, lost, acknowledged chan struct{}
	replies                  chan Reply
	initFailures             chan InitFailure
}

func newOwner() *owner {
	return &owner{make(chan struct{}, 64), make(chan struct{}, 64), make(chan struct{}, 64), make(chan Reply, 64), make(chan InitFailure, 64)}
}

func (o *owner) Idle()                    { o.idle <- struct{}{} }
func (o *owner) Lost()                    { o.lost <- struct{}{} }
func (o *owner) Replied(r Reply)          { o.replies <- r }
func (o *owner) Acknowledged()            { o.acknowledged <- struct{}{} }
func (o *owner) InitFailed(f InitFailure) { o.initFailures <- f }

func everybody(net.Conn) bool { return true }

const patience = 10 * time.Second

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %s", what, patience)
		panic("unreachable")
	}
}

func start(t *testing.T) (*Endpoint, *owner) {
	t.Helper()
	o := newOwner()
	e, err := Listen(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		e.Serve(everybody)
		close(served)
	}()
	t.Cleanup(func() {
		e.Close()
		receive(t, served, "end of Serve")
	})
	return e, o
}

// peer is a runtime's side of one connection, in raw bytes.
type peer struct {
	t  *testing.T
	nc net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, e *Endpoint) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", e.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{t, nc, bufio.NewReader(nc)}
}

func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.nc, format, args...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) response() (*http.Response, string) {
	p.t.Helper()
	res, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		p.t.Fatal(err)
	}
	return res, string(body)
}

func (p *peer) expect(status int) string {
	p.t.Helper()
	res, body := p.response()
	if res.StatusCode != status {
		p.t.Fatalf("status %d, want %d: %s", res.StatusCode, status, body)
	}
	return body
}

func (p *peer) next() {
	p.send("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
}
func (p *peer) post(path string, b string) {
	p.send("POST /2018-06-01/runtime/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", path, len(b), b)
}

func (p *peer) closed() {
	p.t.Helper()
	if n, err := p.in.Read(make([]byte, 1)); err == nil || n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatal("the connection is still open")
	}
}

// Whoever is not the instance's own gets nothing, takes no place and does not
// disturb who waits. Seen red without the question in Serve: the stranger's next
// took the place of the runtime's, and its connection stayed open.
func TestAStrangerGetsNothing(t *testing.T) {
	t.Parallel()
	o := newOwner()
	e, err := Listen(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var admitted atomic.Bool
	admitted.Store(true)
	served := make(chan struct{})
	go func() {
		e.Serve(func(net.Conn) bool { return admitted.Load() })
		close(served)
	}()
	defer func() {
		e.Close()
		receive(t, served, "end of Serve")
	}()
	own := dial(t, e)
	own.next()
	receive(t, o.idle, "idle")
	admitted.Store(false)
	for range 2 * maxConns {
		stranger := dial(t, e)
		stranger.next()
		stranger.closed()
	}
	if err := e.Deliver(event("one")); err != nil {
		t.Fatal(err)
	}
	own.expect(200)
	own.post("invocation/one/response", "{}")
	own.expect(202)
}

// A page in a browser that the function itself has started is no runtime: not by
// a request that browsers send without asking anybody, and not under a name of
// its own that leads here. Seen red without fromPage, and with each of its
// conditions taken out.
func TestAPageGetsNothing(t *testing.T) {
	t.Parallel()
	for _, head := range []string{
		"Host: 127.0.0.1:1\r\nOrigin: http://evil.example\r\n",
		"Host: 127.0.0.1:1\r\nOrigin: null\r\n",
		"Host: 127.0.0.1:1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
		"Host: evil.example:80\r\n",
		"Host: 127.0.0.1.evil.example\r\n",
	} {
		e, o := start(t)
		page := dial(t, e)
		page.send("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n%s\r\n", head)
		page.expect(403)
		page.closed()
		if err := e.Deliver(event("one")); !errors.Is(err, ErrNotIdle) || len(o.idle) > 0 {
			t.Errorf("%q: %v", head, err)
		}
	}
	for _, host := range []string{"127.0.0.1", "localhost:9001", "LOCALHOST", ""} {
		e, o := start(t)
		dial(t, e).send("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		receive(t, o.idle, "idle")
	}
}

func event(id string) *Event {
	return &Event{RequestID: id, Deadline: time.UnixMilli(1_700_000_000_123), ARN: "arn:aws:lambda:us-east-1:000000000000:function:f:1", Payload: []byte(`{"a":1}`)}
}

func deliver(t *testing.T, e *Endpoint, ev *Event) {
	t.Helper()
	if err := e.Deliver(ev); err != nil {
		t.Fatal(err)
	}
}

func TestOneInvocation(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.next()
	receive(t, o.idle, "idle")
	ev := event("id-1")
	ev.TraceID, ev.ClientContext, ev.CognitoIdentity = "Root=1-2-3", "e30=", "{}"
	deliver(t, e, ev)
	res, body := p.response()
	want := map[string]string{
		"Lambda-Runtime-Aws-Request-Id":       "id-1",
		"Lambda-Runtime-Deadline-Ms":          "1700000000123",
		"Lambda-Runtime-Invoked-Function-Arn": ev.ARN,
		"Lambda-Runtime-Trace-Id":             "Root=1-2-3",
		"Lambda-Runtime-Client-Context":       "e30=",
		"Lambda-Runtime-Cognito-Identity":     "{}",
		"Content-Type":                        "application/json",
	}
	for name, value := range want {
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if res.StatusCode != 200 || body != `{"a":1}` {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	p.post("invocation/id-1/response", `"ok"`)
	if body := p.expect(202); body != "{\"status\":\"OK\"}\n" {
		t.Errorf("body %q", body)
	}
	r := receive(t, o.replies, "reply")
	if r.RequestID != "id-1" || string(r.Payload) != `"ok"` || r.Failed {
		t.Errorf("reply %+v", r)
	}
	receive(t, o.acknowledged, "acknowledgement")
	p.next()
	receive(t, o.idle, "idle again")
}

func TestFunctionError(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.next()
	receive(t, o.idle, "idle")
	deliver(t, e, event("id-1"))
	p.expect(200)
	// The cause for X-Ray is larger than any buffer here; aws-lambda-go sends it.
	p.send("POST /2018-06-01/runtime/invocation/id-1/error HTTP/1.1\r\nHost: 127.0.0.1\r\nLambda-Runtime-Function-Error-Type: Boom\r\nLambda-Runtime-Function-Xray-Error-Cause: %s\r\nContent-Length: 2\r\n\r\n{}", strings.Repeat("x", 1<<20))
	p.expect(202)
	if r := receive(t, o.replies, "reply"); !r.Failed || r.ErrorType != "Boom" || string(r.Payload) != "{}" {
		t.Errorf("reply %+v", r)
	}
}

// Seen to fail without the smaller buffer in fill.
func TestConnectionThatWaitsIsSmall(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	for range 2 {
		p.next()
		receive(t, o.idle, "idle")
		deliver(t, e, event("id-1"))
		p.expect(200)
		p.send("POST /2018-06-01/runtime/invocation/id-1/error HTTP/1.1\r\nHost: 127.0.0.1\r\nLambda-Runtime-Function-Xray-Error-Cause: %s\r\nContent-Length: 2\r\n\r\n{}", strings.Repeat("x", 1<<20))
		p.expect(202)
	}
	p.next()
	receive(t, o.idle, "idle")
	e.mu.Lock()
	c := e.waiting
	e.mu.Unlock()
	e.Close()
	e.wg.Wait() // the connection's goroutine is over, and its buffer ours
	if got := len(c.in.data); got != smallBuffer {
		t.Errorf("a connection that waits has a buffer of %d bytes, want %d", got, smallBuffer)
	}
}

func TestInitError(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.send("POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: 127.0.0.1\r\nLambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\nContent-Length: 3\r\n\r\n{ }")
	p.expect(202)
	if f := receive(t, o.initFailures, "init failure"); f.ErrorType != "Runtime.ImportModuleError" || string(f.Document) != "{ }" {
		t.Errorf("failure %+v", f)
	}
	p.next()
	p.expect(403)
	p.post("init/error", "{}")
	p.expect(403)
}

func TestStreamedAnswerIsBuffered(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.next()
	receive(t, o.idle, "idle")
	deliver(t, e, event("id-1"))
	p.expect(200)
	const head = "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: 127.0.0.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
	p.send(head+"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "id-1")
	p.expect(202)
	if r := receive(t, o.replies, "reply"); string(r.Payload) != "abcde" || r.Failed || r.MediaType != "text/x" {
		t.Errorf("reply %+v", r)
	}
	p.next()
	receive(t, o.idle, "idle")
	deliver(t, e, event("id-2"))
	p.expect(200)
	p.send(head+"3\r\nabc\r\n0\r\nLambda-Runtime-Function-Error-Type: Late\r\nLambda-Runtime-Function-Error-Body: %s\r\n\r\n", "id-2", base64.StdEncoding.EncodeToString([]byte(`{"errorType":"Late"}`)))
	p.expect(202)
	if r := receive(t, o.replies, "reply"); !r.Failed || r.ErrorType != "Late" || string(r.Payload) != `{"errorType":"Late"}` {
		t.Errorf("reply %+v", r)
	}
}

// An answer that is cut off while its process lives on ends the invocation, once,
// and the next try of the runtime does not continue it. Seen red with an error
// returned from stream without cutShort.
func TestStreamedAnswerIsCutOff(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.next()
	receive(t, o.idle, "idle")
	ev := event("id-1")
	ev.Flow = NewFlow()
	deliver(t, e, ev)
	p.expect(200)
	const head = "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\n\r\n"
	p.send(head + "5\r\nabc")
	if first := receive(t, ev.Flow.Pieces(), "beginning"); !first.First || first.MediaType != "text/x" {
		t.Errorf("the beginning is %+v", first)
	}
	ev.Flow.Took()
	if piece := receive(t, ev.Flow.Pieces(), "piece"); string(piece.Data) != "abc" {
		t.Errorf("the piece is %+v", piece)
	}
	ev.Flow.Took()
	if err := p.nc.Close(); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, o.replies, "reply"); !r.Failed || !r.Streamed || r.ErrorType != "Runtime.TruncatedResponse" {
		t.Errorf("reply %+v", r)
	}
	receive(t, o.acknowledged, "acknowledgement")
	q := dial(t, e)
	q.send(head + "1\r\na\r\n0\r\n\r\n")
	q.expect(403)
	q.next()
	receive(t, o.idle, "idle")
}

// Seen to fail with the invocation left as current after its first outcome.
func TestRefusals(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.post("invocation/nobody/response", "{}")
	if body := p.expect(400); !strings.Contains(body, "InvalidRequestID") {
		t.Errorf("body %s", body)
	}
	p.next()
	receive(t, o.idle, "idle")
	deliver(t, e, event("id-1"))
	p.expect(200)
	p.next()
	if body := p.expect(403); !strings.Contains(body, "InvalidStateTransition") {
		t.Errorf("body %s", body)
	}
	p.post("invocation/id-2/response", "{}")
	p.expect(400)
	p.post("invocation/id-1/response", "1")
	p.expect(202)
	p.post("invocation/id-1/response", "2")
	p.expect(403)
	p.post("invocation/id-1/error", "{}")
	p.expect(403)
	p.post("invocation/id-1/neither", "{}")
	p.expect(404)
	p.post("invocation/next", "{}")
	p.expect(405)
	p.send("GET /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	p.expect(405)
	p.send("GET /2020-08-15/logs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	p.expect(404)
	if n := len(o.replies); n != 1 {
		t.Errorf("%d replies, want 1", n)
	}
}

// Seen to fail with the abandoned invocation left as current in Abandon.
func TestAbandonedInvocationHasNoReply(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.next()
	receive(t, o.idle, "idle")
	deliver(t, e, event("id-1"))
	p.expect(200)
	if !e.Abandon() {
		t.Error("no invocation was under way")
	}
	if e.Abandon() {
		t.Error("the invocation was abandoned twice")
	}
	p.post("invocation/id-1/response", "{}")
	p.expect(400)
	p.next()
	p.expect(403)
	if len(o.replies) != 0 {
		t.Error("the abandoned invocation got a reply")
	}
}

func TestDeliverNeedsAWaitingRuntime(t *testing.T) {
	e, o := start(t)
	if err := e.Deliver(event("id-1")); !errors.Is(err, ErrNotIdle) {
		t.Errorf("before the first next: %v", err)
	}
	p := dial(t, e)
	p.next()
	receive(t, o.idle, "idle")
	bad := event("id-1")
	bad.ClientContext = "x\r\nLambda-Runtime-Deadline-Ms: 0"
	if err := bad.Check(); !teal.IsCode(err, teal.CodeInvalidInput) {
		t.Errorf("a header in a header: %v", err)
	}
	if err := p.nc.Close(); err != nil {
		t.Fatal(err)
	}
	receive(t, o.lost, "loss")
	if err := e.Deliver(event("id-1")); !errors.Is(err, ErrNotIdle) {
		t.Errorf("after the loss: %v", err)
	}
	dial(t, e).next()
	receive(t, o.idle, "idle after the loss")
	deliver(t, e, event("id-2"))
}

// A runtime whose client gave up waiting asks again on another connection.
func TestNewestNextWins(t *testing.T) {
	e, o := start(t)
	first, second := dial(t, e), dial(t, e)
	first.next()
	receive(t, o.idle, "idle")
	second.next()
	first.closed()
	deliver(t, e, event("id-1"))
	second.expect(200)
	if len(o.idle) != 0 || len(o.lost) != 0 {
		t.Error("the owner was told of a change that is none")
	}
}

func TestAnswerOnAnotherConnection(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.send("GET /2018-06-01/runtime/invocation/next HTTP/1.0\r\n\r\n")
	receive(t, o.idle, "idle")
	deliver(t, e, event("id-1"))
	p.expect(200)
	q := dial(t, e)
	q.send("POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1")
	q.expect(202)
	q.closed()
	receive(t, o.replies, "reply")
}

func TestPayloadLimit(t *testing.T) {
	limit := int(teal.MaxPayload)
	for name, send := range map[string]func(p *peer, body []byte){
		"sized": func(p *peer, body []byte) { p.post("invocation/id/response", string(body)) },
		"chunked": func(p *peer, body []byte) {
			p.send("POST /2018-06-01/runtime/invocation/id/response HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
			for len(body) > 0 {
				n := min(len(body), 1<<20)
				p.send("%x\r\n%s\r\n", n, body[:n])
				body = body[n:]
			}
			p.send("0\r\n\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, o := start(t)
			p := dial(t, e)
			for size, tooLarge := range map[int]bool{limit: false, limit + 1: true} {
				p.next()
				receive(t, o.idle, "idle")
				deliver(t, e, event("id"))
				p.expect(200)
				send(p, bytes.Repeat([]byte("1"), size))
				if !tooLarge {
					p.expect(202)
				} else if body := p.expect(413); !strings.Contains(body, "RequestEntityTooLarge") {
					t.Errorf("body %s", body)
				}
				r := receive(t, o.replies, "reply")
				if r.TooLarge != tooLarge || !tooLarge && len(r.Payload) != size {
					t.Errorf("%d bytes: too large is %t, payload has %d", size, r.TooLarge, len(r.Payload))
				}
			}
		})
	}
}

func TestExpectContinue(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.next()
	receive(t, o.idle, "idle")
	deliver(t, e, event("id"))
	p.expect(200)
	const head = "POST /2018-06-01/runtime/invocation/id/response HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
	p.send(head, 2)
	p.expect(100)
	p.send("{}")
	p.expect(202)
	p.next()
	receive(t, o.idle, "idle")
	deliver(t, e, event("id"))
	p.expect(200)
	p.send(head, int(teal.MaxPayload)+1)
	p.expect(413)
	p.closed()
	receive(t, o.replies, "reply")
	if r := receive(t, o.replies, "reply"); !r.TooLarge {
		t.Errorf("reply %+v", r)
	}
}

func TestMalformedRequests(t *testing.T) {
	const line = "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	for name, test := range map[string]struct {
		send   string
		status int
	}{
		"no version":           {"GET /\r\n\r\n", 400},
		"wrong version":        {"GET / HTTP/2.0\r\n\r\n", 505},
		"method":               {"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405},
		"bare newline":         {"GET / HTTP/1.1\n\n", 400},
		"long target":          {"GET /" + strings.Repeat("x", 600) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414},
		"folded header":        {line + "A: b\r\n c\r\n\r\n", 400},
		"space before colon":   {line + "Content-Length : 1\r\n\r\n", 400},
		"no colon":             {line + "Content-Length\r\n\r\n", 400},
		"negative length":      {line + "Content-Length: -1\r\n\r\n", 400},
		"huge length":          {line + "Content-Length: 99999999999999999999\r\n\r\n", 400},
		"two lengths":          {line + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		"length and chunked":   {line + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"chunked and length":   {line + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
		"other encoding":       {line + "Transfer-Encoding: gzip\r\n\r\n", 501},
		"bad chunk size":       {line + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		"long chunk":           {line + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 400},
		"no host":              {"GET / HTTP/1.1\r\n\r\n", 400},
		"other expectation":    {line + "Expect: tea\r\n\r\n", 417},
		"large trailer":        {line + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + strings.Repeat("x", 20_000) + "\r\n\r\n", 431},
		"endless body":         {line + "Content-Length: 999999999999999\r\n\r\n", 413},
		"endless chunk":        {line + "Transfer-Encoding: chunked\r\n\r\n5af3107a3fff\r\n", 413},
		"many headers":         {line + strings.Repeat("A: b\r\n", 200) + "\r\n", 431},
		"long header":          {line + "Content-Type: " + strings.Repeat("x", 10_000) + "\r\n\r\n", 431},
		"endless head":         {line + "A: " + strings.Repeat("x", 2<<20), 431},
		"pipelined after next": {"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := start(t)
			p := dial(t, e)
			go func() { _, _ = io.WriteString(p.nc, test.send) }() // refused before all is written, perhaps
			res, body := p.response()
			if res.StatusCode != test.status || !res.Close {
				t.Errorf("got %d, close %t: %s; want %d and close", res.StatusCode, res.Close, body, test.status)
			}
			if !json.Valid([]byte(body)) {
				t.Errorf("the body is not JSON: %s", body)
			}
		})
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	e, _ := start(t)
	for range maxConns {
		p := dial(t, e)
		p.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		p.expect(404)
	}
	dial(t, e).closed()
}

// Seen to fail with Close in the place of the wait in Shutdown: the last words
// of a process that has ended are still in the socket.
func TestShutdownReadsWhatWasSent(t *testing.T) {
	for range 50 {
		e, o := start(t)
		p := dial(t, e)
		p.next()
		receive(t, o.idle, "idle")
		deliver(t, e, event("id"))
		p.expect(200)
		p.post("invocation/id/response", "{}")
		if err := p.nc.Close(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		e.Shutdown(ctx)
		cancel()
		receive(t, o.replies, "reply")
	}
}

func TestShutdownIsBounded(t *testing.T) {
	e, o := start(t)
	p := dial(t, e)
	p.next()
	receive(t, o.idle, "idle")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	e.Shutdown(ctx)
	p.closed()
}

// FuzzConnection sends raw bytes as a runtime's connection, with an invocation
// to be answered, and checks that the endpoint lives and takes at most one
// outcome.
func FuzzConnection(f *testing.F) {
	const next, response = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "POST /2018-06-01/runtime/invocation/id/response HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	for _, seed := range []string{
		"", "\r\n\r\n", next, next + response + "Content-Length: 2\r\n\r\n{}",
		response + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nLambda-Runtime-Function-Error-Type: x\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n",
		response + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\nnull" + response,
		"POST /2018-06-01/runtime/invocation/id/error HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}" + next + next,
		"POST /2018-06-01/runtime/init/error HTTP/1.0\r\nContent-Length: 9\r\n\r\n{}",
		response + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA:\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, o := start(t)
		p := dial(t, e)
		p.next()
		receive(t, o.idle, "idle")
		deliver(t, e, event("id"))
		p.expect(200)
		if _, err := p.nc.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := p.nc.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, p.in); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatal(err)
		}
		if n := len(o.replies); n > 1 {
			t.Fatalf("%d outcomes of one invocation", n)
		}
	})
}

// BenchmarkRoundTrip is one invocation with a peer that does no work: what the
// endpoint and the kernel cost.
func BenchmarkRoundTrip(b *testing.B) {
	o := newOwner()
	e, err := Listen(o, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		e.Serve(everybody)
		close(served)
	}()
	nc, err := net.Dial("tcp", e.Addr())
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		in := make([]byte, 4096)
		for {
			if _, err := io.WriteString(nc, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
				return
			}
			if _, err := nc.Read(in); err != nil {
				return
			}
			if _, err := io.WriteString(nc, "POST /2018-06-01/runtime/invocation/id/response HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
				return
			}
			if _, err := nc.Read(in); err != nil {
				return
			}
		}
	}()
	ev := event("id")
	b.ReportAllocs()
	for b.Loop() {
		<-o.idle
		if err := e.Deliver(ev); err != nil {
			b.Fatal(err)
		}
		<-o.replies
		<-o.acknowledged
	}
	_ = nc.Close()
	e.Close()
	<-served
}

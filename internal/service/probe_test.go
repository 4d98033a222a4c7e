package service

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"teal"
)

// speak answers every connection to the returned address with say, after the
// first line of the request has been read.
func speak(t *testing.T, say func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
				say(conn)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return "http://" + listener.Addr().String()
}

// stall keeps the connection open until the other side closes it.
func stall(conn net.Conn) {
	buffer := make([]byte, 1024)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}

// The head of an answer is enough.
//
// Seen red with an error for a body that does not end.
func TestProbeVerdicts(t *testing.T) {
	t.Parallel()
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = fmt.Fprint(c, text) }
	}
	cases := map[string]struct {
		say  func(net.Conn)
		want string // part of the error; "" is healthy
	}{
		"200":              {say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), ""},
		"204":              {say("HTTP/1.1 204 No Content\r\n\r\n"), ""},
		"399":              {say("HTTP/1.1 399 Odd\r\nContent-Length: 0\r\n\r\n"), ""},
		"400":              {say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), "is answered with 400"},
		"500":              {say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), "is answered with 500; a status from 200 to 399 was expected"},
		"not HTTP":         {say("SSH-2.0-OpenSSH_9.6\r\n"), "is not answered properly"},
		"closed at once":   {say(""), "the connection was closed before the answer was complete"},
		"cut off":          {say("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nok"), ""},
		"no answer":        {stall, "is not answered within 300ms"},
		"answer not ended": {func(c net.Conn) { say("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nok")(c); stall(c) }, ""},
		"a stream":         {func(c net.Conn) { say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")(c); stall(c) }, ""},
		"an ill stream":    {func(c net.Conn) { say("HTTP/1.1 503 No\r\n\r\n")(c); stall(c) }, "is answered with 503; a status from 200 to 399 was expected"},
		"endless header":   {endless("HTTP/1.1 200 OK\r\n", "X-Filler: "+strings.Repeat("x", 1000)+"\r\n"), "is not answered properly"},
		"endless body":     {endless("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1000)), ""},
	}
	transport := newTransport(false)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := speak(t, c.say)
			timeout := patience
			if strings.Contains(c.want, "300ms") {
				timeout = 300 * time.Millisecond
			}
			p := &probe{transport: transport, url: address + "/healthz", shown: "HERE/healthz", timeout: timeout}
			err := p.check(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), "HERE/healthz") {
				t.Errorf("%q does not say what was asked", err)
			}
		})
	}
}

// endless writes until the other side has had enough.
func endless(head, more string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := fmt.Fprint(c, head)
		for err == nil {
			_, err = fmt.Fprint(c, more)
		}
	}
}

func TestProbeDoesNotFollowRedirects(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		http.Redirect(w, r, "/login", http.StatusFound)
	}))
	defer server.Close()
	p := &probe{transport: newTransport(false), url: server.URL + "/healthz", shown: "X", timeout: patience}
	if err := p.check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProbeSaysThatNothingAnswers(t *testing.T) {
	t.Parallel()
	port, err := choosePort()
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("127.0.0.1:%d/healthz", port)
	p := &probe{transport: newTransport(false), url: "http://" + shown, shown: shown, timeout: patience}
	want := "nothing answers on " + shown + ": connection refused"
	if err := p.check(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What an application wants to be asked, and what it answers to that.
//
// Seen red without the host, without the headers, and with 401 taken for unhealthy.
func TestProbeAsksAsItIsTold(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "shop.example" || r.Header.Get("X-Forwarded-Proto") != "https" || r.UserAgent() != "probe/1" {
			http.Error(w, "DisallowedHost", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	asks := teal.Health{Host: "shop.example", Headers: map[string]string{"X-Forwarded-Proto": "https", "user-agent": "probe/1"}, Expect: []string{"2xx", "401"}}
	p := &probe{transport: newTransport(false), url: server.URL + "/healthz", shown: "X", timeout: patience, asks: asks}
	if err := p.check(t.Context()); err != nil {
		t.Error(err)
	}
	p.asks = teal.Health{Expect: []string{"2xx", "401"}}
	want := "GET X is answered with 400; 2xx or 401 was expected"
	if err := p.check(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

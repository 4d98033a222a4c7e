package front

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/nethttp"
)

// What the loops have read of a connection is not lost, wherever they stopped
// reading.
func TestAConnectionIsHandedOver(t *testing.T) {
	s := start(t, says(`"hi"`), exchange.Config{})
	h := s.server.http.NewHandoff(&net.TCPAddr{}, nethttp.Listener{})
	_, stop := serveOn(t, func(ctx context.Context, _ net.Listener) error {
		return h.Run(ctx)
	})
	hello := []byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	for _, cut := range []int{0, 1, len(hello) / 2, len(hello)} {
		near, far := net.Pipe()
		h.Give(far, hello[:cut], nil)
		go func() { _, _ = near.Write(hello[cut:]) }()
		response, body := readResponse(t, bufio.NewReader(near), "GET")
		if response.StatusCode != 200 || body != "hi" {
			t.Errorf("cut at %d: %d %q", cut, response.StatusCode, body)
		}
		_ = near.Close()
	}
	for _, cut := range []int{1, 14, 24} {
		near, far := net.Pipe()
		h.Give(far, []byte(http2.ClientPreface[:cut]), nil)
		speaksHTTP2(t, near, http2.ClientPreface[cut:])
		_ = near.Close()
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	s.env.Acquire()
	h.Give(far, nil, &gateway.Claim{Env: s.env})
	s.nothingInFlight()
	if _, err := near.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that nobody takes is open")
	}
}

// speaksHTTP2 sends the rest of the preface and checks that the other side
// begins to speak HTTP/2.
func speaksHTTP2(t *testing.T, c net.Conn, rest string) {
	t.Helper()
	framer := http2.NewFramer(c, c)
	go func() {
		_, _ = io.WriteString(c, rest)
		_ = framer.WriteSettings()
	}()
	if f, err := framer.ReadFrame(); err != nil || f.Header().Type != http2.FrameSettings {
		t.Errorf("%v, %v", f, err)
	}
}

// Seen red with loops that compare the whole preface, and with loops that do not
// compare: both answered 505.
func TestTheLoopsGiveHTTP2Away(t *testing.T) {
	s := start(t, says(`"hi"`), exchange.Config{})
	for cut := range len(http2.ClientPreface) {
		c, _ := s.dialRaw(http2.ClientPreface[:cut])
		time.Sleep(5 * time.Millisecond) // what has been sent is read on its own
		speaksHTTP2(t, c, http2.ClientPreface[cut:])
		_ = c.Close()
	}
	_, r := s.dialRaw("PRI * HTTP/2.1\r\n\r\n")
	if response, _ := readResponse(t, r, "PRI"); response.StatusCode < 400 {
		t.Error(response.StatusCode)
	}
}

// A client begins with HTTP/2 or not at all.
//
// Seen red without c.requests in refuseHead: the connection goes on in HTTP/2.
func TestNoPrefaceBehindARequest(t *testing.T) {
	s := start(t, says(`"hi"`), exchange.Config{})
	const ask = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
	c, r := s.dialRaw(ask)
	if response, _ := readResponse(t, r, "GET"); response.StatusCode != 200 {
		t.Fatal(response.StatusCode)
	}
	send(t, c, http2.ClientPreface)
	if response, _ := readResponse(t, r, "PRI"); response.StatusCode != 505 || !response.Close {
		t.Errorf("behind an answer: %d, closes %v", response.StatusCode, response.Close)
	}
	_, r = s.dialRaw(ask + http2.ClientPreface)
	for _, want := range []int{200, 505} {
		if response, _ := readResponse(t, r, "GET"); response.StatusCode != want {
			t.Errorf("in one piece: %d, not %d", response.StatusCode, want)
		}
	}
}

// A connection may have come far in the loops before it must leave them.
//
// Seen red with loops that speak HTTP/1.1 to every instance.
func TestAKeptConnectionGoesOnToAnInstanceOfHTTP2(t *testing.T) {
	s := start(t, service(backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })), exchange.Config{})
	c, r := s.dialRaw("GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
	if _, got := readResponse(t, r, "GET"); got != "HTTP/1.1" {
		t.Fatal(got)
	}
	web := http2Backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Saw", r.Proto)
		_, _ = io.Copy(w, r.Body)
	})
	web.Name = "web"
	next := gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: 8, Routes: []teal.Route{route("", "/", "web")}, Components: map[string]*gateway.Component{"web": web}})
	if err := s.gateway.Update(func(table *gateway.Table) (*gateway.Table, error) {
		return table.With(liveApp("shop", teal.Only(8), next))
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		body := bytes.Repeat([]byte("x"), 100_000)
		send(t, c, "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 100000\r\n\r\n")
		if _, err := c.Write(body); err != nil {
			t.Fatal(err)
		}
		if response, got := readResponse(t, r, "POST"); response.StatusCode != 200 || got != string(body) || response.Header.Get("Saw") != "HTTP/2.0" {
			t.Fatalf("%d by %q, %d bytes", response.StatusCode, response.Header.Get("Saw"), len(got))
		}
	}
	receive(t, next.Retire(), "drain")
}

// Weights hold where one version is reached through the loops and the other one
// is not, and each request is measured once.
//
// Seen red with a claim made anew by net/http: the version behind the loops got
// three quarters.
func TestAHandedRequestKeepsItsVersion(t *testing.T) {
	const most = 400
	narrow := service(backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	wide := http2Backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	var narrowMeter, wideMeter recorder
	narrow.Meter, wide.Meter = &narrowMeter, &wideMeter
	wide.Name = "web"
	s := start(t, narrow, exchange.Config{})
	green := gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: 8, Routes: []teal.Route{route("", "/some", "web")}, Components: map[string]*gateway.Component{"web": wide}})
	half := []teal.Target{{Version: 7, Weight: teal.All / 2}, {Version: 8, Weight: teal.All / 2}}
	if err := s.gateway.Update(func(table *gateway.Table) (*gateway.Table, error) {
		return table.With(liveApp("shop", half, s.env, green))
	}); err != nil {
		t.Fatal(err)
	}
	var wides int
	for range most {
		c, r := s.dialRaw("GET /some HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
		if _, got := readResponse(t, r, "GET"); got == "HTTP/2.0" {
			wides++
		}
		_ = c.Close()
	}
	if wides < most*2/5 || wides > most*3/5 { // four standard deviations
		t.Errorf("%d of %d requests went to the half that speaks HTTP/2", wides, most)
	}
	eventually(t, func() error {
		wideMeter.mu.Lock()
		defer wideMeter.mu.Unlock()
		if wideMeter.begun != wides || len(wideMeter.samples) != wides || wideMeter.inFlight != 0 || wideMeter.samples[0].Route != "/some" {
			return fmt.Errorf("%d begun, %d measured, %d in flight, of %d requests", wideMeter.begun, len(wideMeter.samples), wideMeter.inFlight, wides)
		}
		return nil
	})
	receive(t, green.Retire(), "drain")
}

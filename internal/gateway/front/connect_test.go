package front

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// streamConn makes a net.Conn of an extended CONNECT, for a WebSocket library
// that knows connections.
type streamConn struct {
	io.Reader
	io.WriteCloser
	end context.CancelFunc
}

func (c *streamConn) Close() error                     { c.end(); return c.WriteCloser.Close() }
func (c *streamConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *streamConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *streamConn) SetDeadline(time.Time) error      { return nil }
func (c *streamConn) SetReadDeadline(time.Time) error  { return nil }
func (c *streamConn) SetWriteDeadline(time.Time) error { return nil }

// tunnelClient returns a client for CONNECT requests, which net/http's refuses.
func tunnelClient(t *testing.T) http.RoundTripper {
	//nolint:staticcheck // what is to be used instead refuses :protocol
	transport := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections) //nolint:staticcheck // likewise
	return transport
}

// connectThrough opens a tunnel for the protocol; the connection is nil when it was
// refused.
func connectThrough(t *testing.T, c http.RoundTripper, addr, protocol string) (*http.Response, *streamConn) {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	reader, writer := io.Pipe()
	r, _ := http.NewRequestWithContext(ctx, "CONNECT", "http://"+addr+"/chat?room=1", reader)
	r.ContentLength = -1
	r.Header[":protocol"] = []string{protocol}
	r.Header.Set("Sec-WebSocket-Version", "13")
	response, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != 200 {
		_ = reader.Close()
		return response, nil
	}
	return response, &streamConn{response.Body, writer, end}
}

// acceptOf returns the proof that a server has understood a WebSocket upgrade
// (RFC 6455, section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// overStream makes a WebSocket client use a tunnel: it answers the client's upgrade
// itself.
func overStream(t *testing.T, c *streamConn) *websocket.Conn {
	t.Helper()
	upgraded := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 101, Body: c.body(), Request: r, Header: http.Header{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
			"Sec-Websocket-Accept": {acceptOf(r.Header.Get("Sec-Websocket-Key"))},
		}}, nil
	})}
	ws, _, err := websocket.Dial(context.Background(), "ws://x/", &websocket.DialOptions{HTTPClient: upgraded})
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func (c *streamConn) body() io.ReadWriteCloser { return c }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func echoSockets(w http.ResponseWriter, r *http.Request) {
	if r.URL.String() != "/chat?room=1" || r.Header.Get("X-Forwarded-Proto") == "" {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, append([]byte("echo "), data...)) != nil {
			return
		}
	}
}

// Seen red without xconnect ("extended connect not supported by peer"), without
// the flush in connect, after which both ends waited for each other, and without
// the deadline in carry, where nothing drained any more.
func TestWebSocketInAStream(t *testing.T) {
	meter := &recorder{}
	web := service(backend(t, echoSockets))
	web.Meter = meter
	s := start(t, web, exchange.Config{})
	c := tunnelClient(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dial := func() *websocket.Conn {
		response, conn := connectThrough(t, c, s.addr, "websocket")
		if conn == nil {
			t.Fatalf("refused with %d", response.StatusCode)
		}
		if response.Header.Get("Teal-Version") != "7" || response.Header.Get("Sec-Websocket-Accept") != "" {
			t.Errorf("head %v", response.Header)
		}
		return overStream(t, conn)
	}
	talk := func(c *websocket.Conn) {
		t.Helper()
		if err := c.Write(ctx, websocket.MessageText, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		if _, data, err := c.Read(ctx); err != nil || string(data) != "echo hi" {
			t.Fatalf("%q, %v", data, err)
		}
	}
	polite, rude, last := dial(), dial(), dial()
	talk(polite)
	talk(rude)
	talk(last)
	s.inFlight(3)
	if err := polite.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	s.inFlight(2)
	_ = rude.CloseNow()
	s.inFlight(1)
	drained := s.env.Retire()
	talk(last)
	if isClosed(drained) {
		t.Fatal("drained with a WebSocket open")
	}
	s.env.Cancel()
	receive(t, drained, "drain")
	if _, _, err := last.Read(ctx); err == nil {
		t.Fatal("the WebSocket survived the drain deadline")
	}
	_ = last.CloseNow()
	s.nothingInFlight()
	if meter.begun != 3 || len(meter.samples) != 3 || meter.samples[0].Status != 200 || meter.samples[0].Fault != gateway.FaultNone {
		t.Errorf("%d begun, measured %+v, of 3 WebSockets", meter.begun, meter.samples)
	}
}

// Seen red without CheckTunnel in takeHead of the loops ("agreed to": a page is taken for
// a tunnel), and without Refused in Report (a fault of the version).
func TestTunnelsThatAreRefused(t *testing.T) {
	refuses := service(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "not you")
	}))
	lies := service(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
	}))
	page := service(backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }))
	for name, c := range map[string]struct {
		web      *gateway.Component
		protocol string
		status   int
		code     teal.Code
	}{
		"by the instance":    {refuses, "websocket", 403, ""},
		"by a false answer":  {lies, "websocket", 502, teal.CodeUpstreamFailed},
		"by a page":          {page, "websocket", 501, teal.CodeUnsupported},
		"no instance":        {service(), "websocket", 503, teal.CodeNoHealthyInstance},
		"HTTP/2":             {http2Backend(t, nil), "websocket", 501, teal.CodeUnsupported},
		"a function":         {says(`"hi"`), "websocket", 501, teal.CodeUnsupported},
		"for what it is for": {refuses, "connect-udp", 501, teal.CodeUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			meter := &recorder{}
			c.web.Meter = meter
			s := start(t, c.web, exchange.Config{})
			response, conn := connectThrough(t, tunnelClient(t), s.addr, c.protocol)
			if conn != nil {
				t.Fatal("agreed to")
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != c.status {
				t.Fatalf("%d %q, %v", response.StatusCode, body, err)
			}
			if c.code != "" {
				checkProblem(t, response, string(body), c.status, c.code)
			} else if string(body) != "not you" {
				t.Errorf("%q", body)
			}
			s.nothingInFlight()
			if fault := meter.samples[0].Fault; c.status == 501 && fault != gateway.FaultNone {
				t.Errorf("what the client must not ask for counts as fault %v of the version", fault)
			}
		})
	}
}

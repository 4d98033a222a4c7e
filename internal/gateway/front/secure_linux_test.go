package front

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"teal"
	"teal/internal/await"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// secureClient returns a client that speaks HTTP/1.1 over TLS of one version.
func secureClient(t testing.TB, version uint16) *http.Client {
	c := client(t)
	_, pool := selfSigned()
	c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: version, MaxVersion: version}
	return c
}

// dialSecure returns a connection that TLS has been agreed on, over what wrap
// makes of the socket.
func dialSecure(t testing.TB, addr string, wrap func(net.Conn) net.Conn) *tls.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if wrap != nil {
		c = wrap(c)
	}
	_, pool := selfSigned()
	secure := tls.Client(c, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	return secure
}

// dribble writes a byte at a time, each in a segment of its own.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		time.Sleep(50 * time.Microsecond)
	}
	return len(p), nil
}

// What comes over TLS comes whole, both ways at once, whatever its records and
// segments are.
//
// Seen red with a Write that forgets what the kernel has not taken, and with a
// Read that leaves a connection unreadable while TLS still holds some of it.
func TestBodiesOverTLS(t *testing.T) {
	s := start(t, service(backend(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	})), exchange.Config{})
	addr := s.secure()
	open := s.atRest()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := secureClient(t, version)
		var load sync.WaitGroup
		for _, size := range []int{0, 1, 4095, 16 << 10, 1 << 20, 3<<20 + 7} {
			load.Go(func() {
				body := make([]byte, size)
				_, _ = rand.Read(body)
				for _, sent := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body))} { // with a length, and chunked
					response, err := c.Post("https://"+addr+"/", "text/plain", sent)
					if err != nil {
						t.Errorf("%d bytes: %v", size, err)
						return
					}
					got, err := io.ReadAll(response.Body)
					_ = response.Body.Close()
					if err != nil || !bytes.Equal(got, body) {
						t.Errorf("%d of %d bytes came back: %v", len(got), size, err)
					}
				}
			})
		}
		load.Wait()
		c.CloseIdleConnections()
	}
	s.nothingLeft(open)
}

// Records that arrive in pieces, several requests in one record, and a client
// that changes its keys.
func TestRecordsInPieces(t *testing.T) {
	s := start(t, service(backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})), exchange.Config{})
	addr := s.secure()
	open := s.atRest()
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"whole": nil, "in pieces": func(c net.Conn) net.Conn { return dribble{c} },
	} {
		c := dialSecure(t, addr, wrap)
		r := bufio.NewReader(c)
		for i := range 3 {
			send(t, c, fmt.Sprintf("GET /a%d HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", i))
			for _, want := range []string{fmt.Sprintf("/a%d ", i), "/b hello"} {
				if response, body := readResponse(t, r, "GET"); response.StatusCode != 200 || body != want {
					t.Errorf("%s: %d %q, expected %q", name, response.StatusCode, body, want)
				}
			}
		}
		_ = c.Close()
	}
	s.nothingLeft(open)
}

// An answer that was cut off must not look whole, and one that is must: TLS says
// that nothing more comes only when that is so.
//
// Seen red with an abort that sends close_notify.
func TestTheEndOverTLS(t *testing.T) {
	cut := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nso far")
		reset(c)
	})
	whole := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nall")
	})
	for _, tt := range []struct {
		host, want string
		whole      bool
	}{{cut, "so far", false}, {whole, "all", true}} {
		s := start(t, service(tt.host), exchange.Config{})
		c := dialSecure(t, s.secure(), nil)
		send(t, c, "GET / HTTP/1.0\r\nHost: x\r\n\r\n") // nothing but the end of the connection frames the answer
		got, err := io.ReadAll(c)
		if (err == nil) != tt.whole || err == nil && !strings.HasSuffix(string(got), tt.want) {
			t.Errorf("%q, %v; whole: %v", got, err, tt.whole)
		}
	}
}

// A tunnel over TLS, and what the loops leave to net/http.
func TestWhatGoesOnOverTLS(t *testing.T) {
	echo := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, r)
	})
	s := start(t, service(echo), exchange.Config{})
	addr := s.secure()
	open := s.atRest()
	c := dialSecure(t, addr, nil)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(c)
	if response, err := http.ReadResponse(r, nil); err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	said := strings.Repeat("there and back ", 100_000)
	go func() {
		_, _ = io.WriteString(c, said)
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(r); err != nil || string(got) != said {
		t.Errorf("%d of %d bytes, %v", len(got), len(said), err)
	}
	_ = c.Close()
	s.nothingLeft(open)

	other := start(t, http2Backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto, " ", r.Header.Get("X-Forwarded-Proto"))
	}), exchange.Config{})
	c = dialSecure(t, other.secure(), nil)
	r = bufio.NewReader(c)
	for range 2 {
		send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if response, body := readResponse(t, r, "GET"); response.StatusCode != 200 || body != "HTTP/2.0 https" {
			t.Errorf("%d %q", response.StatusCode, body)
		}
	}
	_ = c.Close()
	other.nothingInFlight()
}

// A function is asked over TLS too, and its answer does not pass the encryption.
func TestFunctionsOverTLS(t *testing.T) {
	s := start(t, &gateway.Component{Function: functionOf(func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
		return teal.Answer{Payload: []byte(`{"statusCode":200,"body":"` + strings.Repeat("x", 100_000) + `"}`)}, nil
	})}, exchange.Config{})
	c := dialSecure(t, s.secure(), nil)
	r := bufio.NewReader(c)
	for range 3 {
		send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if response, body := readResponse(t, r, "GET"); response.StatusCode != 200 || len(body) != 100_000 {
			t.Errorf("%d, %d bytes", response.StatusCode, len(body))
		}
	}
}

// Clients that never finish a handshake, speak without TLS, or send what cannot
// be decrypted are let go, and nothing is left of them.
func TestBadTLS(t *testing.T) {
	s := start(t, says(`"hi"`), exchange.Config{Limits: gateway.Limits{Head: 300 * time.Millisecond}})
	addr := s.secure()
	open := s.atRest()
	for name, tt := range map[string]struct{ send, want string }{
		"silence":      {"", ""},
		"half a hello": {"\x16\x03\x01\x02\x00\x01\x00", ""},
		"noise":        {"\xff\xfe\xfd\xfc\xfb\xfa", ""},
		"no TLS":       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "https://"},
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, tt.send)
		got, err := io.ReadAll(c)
		if stuck := net.Error(nil); errors.As(err, &stuck) && stuck.Timeout() || !strings.Contains(string(got), tt.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		_ = c.Close()
	}
	plain, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, pool := selfSigned()
	secure := tls.Client(plain, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	_, _ = plain.Write([]byte("\x17\x03\x03\x00\x20" + strings.Repeat("forged! ", 4)))
	_ = secure.SetDeadline(time.Now().Add(20 * time.Second))
	var alert *net.OpError
	if _, err := secure.Read(make([]byte, 1)); !errors.As(err, &alert) || !strings.Contains(err.Error(), "bad record MAC") {
		t.Errorf("a forged record: %v", err)
	}
	_ = plain.Close()
	s.nothingLeft(open)
}

// A handshake that is under way when the server stops does not hold it up. Seen
// red, as a test that hangs, with a handshake that does not hear of the end.
func TestAHandshakeAtTheEnd(t *testing.T) {
	s := start(t, says(`"hi"`), exchange.Config{})
	certificate, _ := selfSigned()
	addr, stop := serveOn(t, func(ctx context.Context, l net.Listener) error {
		return s.server.ServeTLS(ctx, l, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil })
	})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "\x16\x03\x01")
	time.Sleep(50 * time.Millisecond) // it has been accepted
	began := time.Now()
	if err := stop(); err != nil || time.Since(began) > await.Patience {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

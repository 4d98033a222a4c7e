package front

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// selfSigned returns a certificate for 127.0.0.1 and the pool that trusts it.
var selfSigned = sync.OnceValues(func() (*tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
})

// secure serves the site over TLS too and returns the address.
func (s *site) secure() string {
	certificate, pool := selfSigned()
	addr, _ := serveOn(s.t, func(ctx context.Context, l net.Listener) error {
		return s.server.ServeTLS(ctx, l, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil })
	})
	// It serves, so everything that it needs is open, once it has answered.
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool})
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.Close()
	return addr
}

// http2Client returns a client that speaks nothing but HTTP/2, to http
// addresses in cleartext.
func http2Client(t testing.TB) *http.Client {
	c := client(t)
	transport := c.Transport.(*http.Transport)
	_, pool := selfSigned()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	transport.Protocols = &http.Protocols{}
	transport.Protocols.SetHTTP2(true)
	transport.Protocols.SetUnencryptedHTTP2(true)
	return c
}

// http2Backend is backend that speaks HTTP/2 in cleartext.
func http2Backend(t testing.TB, handler http.HandlerFunc) *gateway.Component {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	c := service(server.Listener.Addr().String())
	c.HTTP2 = true
	return c
}

func TestEveryProtocolGoesThrough(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Trailer", "Sum")
		w.Header().Set("Saw", fmt.Sprint(r.Proto, " ", r.Header.Get("X-Forwarded-Proto"), " ", r.Header.Get("Teal-Version")))
		n, err := io.Copy(w, r.Body)
		w.Header().Set("Sum", fmt.Sprint(n, " ", err, " ", r.Trailer.Get("Last")))
	}
	_, pool := selfSigned()
	plain := client(t)
	plain.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	for to, web := range map[string]*gateway.Component{"HTTP/1.1": service(backend(t, echo)), "HTTP/2.0": http2Backend(t, echo)} {
		meter := &recorder{}
		web.Meter = meter
		s := start(t, web, exchange.Config{})
		secure := s.secure()
		for _, through := range []struct {
			url, scheme, proto string
			client             *http.Client
		}{
			{"http://" + s.addr, "http", "HTTP/1.1", plain}, {"https://" + secure, "https", "HTTP/1.1", plain},
			{"http://" + s.addr, "http", "HTTP/2.0", http2Client(t)}, {"https://" + secure, "https", "HTTP/2.0", http2Client(t)},
		} {
			t.Run(fmt.Sprint(through.proto, " ", through.scheme, " to ", to), func(t *testing.T) {
				body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
				r, _ := http.NewRequest("POST", through.url+"/", io.MultiReader(bytes.NewReader(body)))
				r.Trailer = http.Header{"Last": {"word"}}
				response, err := through.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || !bytes.Equal(got, body) || response.Proto != through.proto {
					t.Errorf("%s, %d bytes, %v", response.Proto, len(got), err)
				}
				if sum, want := response.Trailer.Get("Sum"), fmt.Sprint(len(body), " <nil> word"); sum != want {
					t.Errorf("trailer %q, want %q", sum, want)
				}
				if saw, want := response.Header.Get("Saw"), to+" "+through.scheme+" 7"; saw != want || response.Header.Get("Teal-Version") != "7" {
					t.Errorf("the instance saw %q, want %q", saw, want)
				}
			})
		}
		s.nothingInFlight()
		eventually(t, func() error {
			meter.mu.Lock()
			defer meter.mu.Unlock()
			if meter.begun != 4 || len(meter.samples) != 4 || meter.inFlight != 0 {
				return fmt.Errorf("%d begun, %d measured, %d in flight, of 4 requests", meter.begun, len(meter.samples), meter.inFlight)
			}
			return nil
		})
	}
}

func TestAFunctionAnswersOverHTTP2(t *testing.T) {
	s := start(t, says(`{"statusCode": 201, "body": "made"}`), exchange.Config{})
	response, err := http2Client(t).Post("https://"+s.secure()+"/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode != 201 || string(body) != "made" {
		t.Errorf("%d %q", response.StatusCode, body)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := start(t, says(`"hi"`), exchange.Config{})
	addr := s.secure()
	_, pool := selfSigned()
	if c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

// Guarantees C1 and C2 hold for requests that share one connection. Seen red
// with a version that was kept per connection instead of claimed per request.
func TestSwitchesLoseNothingOnOneConnection(t *testing.T) {
	newEnv := func(version int) *gateway.Environment {
		web := service(backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, version) }))
		web.Name = "web"
		return gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: teal.VersionRef(version), Routes: []teal.Route{route("", "/", "web")}, Components: map[string]*gateway.Component{"web": web}})
	}
	s := start(t, says(`"unused"`), exchange.Config{})
	var live, answered atomic.Int64
	current := newEnv(100)
	swap := func(env *gateway.Environment) {
		if err := s.gateway.Update(func(table *gateway.Table) (*gateway.Table, error) {
			return table.With(liveApp("shop", teal.Only(int(env.Version())), env))
		}); err != nil {
			t.Fatal(err)
		}
		live.Store(int64(env.Version()))
	}
	swap(current)
	c := http2Client(t)
	done := make(chan struct{})
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for !isClosed(done) {
				oldest := live.Load()
				response, err := c.Get("http://" + s.addr + "/")
				if err != nil {
					t.Error(err)
					return
				}
				var version int64
				_, err = fmt.Fscan(response.Body, &version)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != 200 || version < oldest {
					t.Errorf("%d by %d, when %d was live; %v", response.StatusCode, version, oldest, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for i := range 40 {
		eventually(t, func() error {
			if t.Failed() || answered.Load() > int64(20*i) {
				return nil
			}
			return errors.New("no load")
		})
		next := newEnv(101 + i)
		swap(next)
		receive(t, current.Retire(), "drain")
		current = next
	}
	close(done)
	load.Wait()
	t.Logf("%d requests over 40 switches", answered.Load())
}

// Seen red without the timers of stream: both waited for as long as the client
// liked.
func TestSlowStreams(t *testing.T) {
	gone := make(chan error, 1)
	host := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, err := w.Write(make([]byte, 64<<20))
			gone <- err
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	s := start(t, service(host), exchange.Config{Limits: gateway.Limits{BodyStall: 100 * time.Millisecond, WriteStall: 300 * time.Millisecond}})
	c := http2Client(t)

	t.Run("a body that stalls", func(t *testing.T) {
		reader, writer := io.Pipe()
		defer func() { _ = writer.Close() }()
		response, err := c.Post("http://"+s.addr+"/", "text/plain", reader)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		checkProblem(t, response, string(body), 408, teal.CodeTimeout)
	})
	t.Run("a client that takes nothing", func(t *testing.T) {
		response, err := c.Get("http://" + s.addr + "/large")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if err := receive(t, gone, "end of the response"); err == nil {
			t.Error("all was taken")
		}
		other, err := c.Post("http://"+s.addr+"/", "text/plain", strings.NewReader("others go on"))
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(other.Body); string(data) != "others go on" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		_ = other.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err == nil {
			t.Error("a stream that was cut off looks complete")
		}
	})
	s.nothingInFlight()
}

func TestTheDrainDeadlineOfStreams(t *testing.T) {
	arrived := make(chan struct{}, 3)
	host := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "first")
			w.(http.Flusher).Flush()
		}
		arrived <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	s := start(t, service(host), exchange.Config{})
	c := http2Client(t)
	cut, err := c.Get("http://" + s.addr + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cut.Body.Close() }()
	reader, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	waiting := make(chan error, 1)
	go func() {
		response, err := c.Post("http://"+s.addr+"/wait", "text/plain", reader)
		if err == nil {
			body, _ := io.ReadAll(response.Body)
			checkProblem(t, response, string(body), 504, teal.CodeTimeout)
		}
		waiting <- err
	}()
	if _, err := writer.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	receive(t, arrived, "a request to arrive")
	receive(t, arrived, "a request to arrive")
	drained := s.env.Retire()
	if isClosed(drained) {
		t.Fatal("drained with two in flight")
	}
	s.env.Cancel()
	if err := receive(t, waiting, "answer"); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(cut.Body); err == nil {
		t.Error("a stream that was cut off looks complete")
	}
	receive(t, drained, "drain")
}

func TestShutdownFinishesStreams(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	host := backend(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-goOn
		_, _ = io.WriteString(w, "done")
	})
	s := start(t, service(host), exchange.Config{})
	answer := make(chan string, 1)
	go func() {
		response, err := http2Client(t).Get("http://" + s.addr + "/")
		if err != nil {
			answer <- err.Error()
			return
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		answer <- string(body)
	}()
	receive(t, arrived, "a request to arrive")
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	eventually(t, func() error {
		if c, err := net.Dial("tcp", s.addr); err == nil {
			return errors.Join(errors.New("still accepting"), c.Close())
		}
		return nil
	})
	close(goOn)
	if got := receive(t, answer, "answer"); got != "done" {
		t.Errorf("got %q", got)
	}
	if err := receive(t, stopped, "shutdown"); err != nil {
		t.Error(err)
	}
}

// rawHTTP2 begins a connection without an HTTP library and returns the server's
// settings.
func (s *site) rawHTTP2() (*http2.Framer, *http2.SettingsFrame) {
	s.t.Helper()
	c, r := s.dialRaw(http2.ClientPreface)
	framer := http2.NewFramer(c, r)
	if err := framer.WriteSettings(); err != nil {
		s.t.Fatal(err)
	}
	f, err := framer.ReadFrame()
	if err != nil {
		s.t.Fatal(err)
	}
	return framer, f.(*http2.SettingsFrame)
}

func headers(fields ...string) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return block.Bytes()
}

func TestTheLimitsOfAConnectionAreSaid(t *testing.T) {
	s := start(t, says(`"hi"`), exchange.Config{Limits: gateway.Limits{Streams: 17}})
	_, settings := s.rawHTTP2()
	for id, want := range map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: 17, http2.SettingEnableConnectProtocol: 1} {
		if got, _ := settings.Value(id); got != want {
			t.Errorf("%s is %d, want %d", id, got, want)
		}
	}
	if list, _ := settings.Value(http2.SettingMaxHeaderListSize); list < 64<<10 || list > 70<<10 {
		t.Errorf("MAX_HEADER_LIST_SIZE is %d, want about 64 KiB", list)
	}
	if v := os.Getenv("GODEBUG"); strings.Contains(v, "http2xconnect") {
		t.Errorf("GODEBUG=%s would be passed on to children", v)
	}
	r := s.request("GET", "/", nil, "Large", strings.Repeat("x", 80<<10))
	if response, err := http2Client(t).Do(r); err == nil {
		_ = response.Body.Close()
		if response.StatusCode != 431 {
			t.Errorf("a head that is too large: %d", response.StatusCode)
		}
	}
}

// A client that resets streams as fast as it opens them is stopped, and leaves
// nothing behind.
func TestRapidReset(t *testing.T) {
	var atOnce, most atomic.Int64
	host := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		defer atOnce.Add(-1)
		if n := atOnce.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-r.Context().Done()
	})
	s := start(t, service(host), exchange.Config{Limits: gateway.Limits{Streams: 20}})
	framer, _ := s.rawHTTP2()
	block := headers(":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/")
	var failed error
	opened := 0
	for id := uint32(1); id < 8_000 && failed == nil; id += 2 {
		failed = errors.Join(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true}),
			framer.WriteRSTStream(id, http2.ErrCodeCancel))
		opened++
	}
	for failed == nil {
		var f http2.Frame
		if f, failed = framer.ReadFrame(); failed == nil {
			if away, ok := f.(*http2.GoAwayFrame); ok && away.ErrCode == http2.ErrCodeEnhanceYourCalm {
				break
			}
		}
	}
	t.Logf("stopped after %d streams; %d at once; %v", opened, most.Load(), failed)
	s.nothingInFlight()
	if most.Load() > 40 {
		t.Errorf("%d requests reached the instance at once, with 20 streams allowed", most.Load())
	}
	if response, _ := s.do("GET", "/none/such", nil, "Teal-Version", "x"); response.StatusCode != 403 {
		t.Errorf("the server answers %d afterwards", response.StatusCode)
	}
}

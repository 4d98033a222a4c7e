package front

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/nobody"
)

// recorder is a meter that keeps everything.
type recorder struct {
	mu       sync.Mutex
	samples  []gateway.Sample
	inFlight int
	begun    int
}

func (m *recorder) Begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun++
	m.inFlight++
}

func (m *recorder) Record(s gateway.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Method, s.Host, s.Path, s.Route = strings.Clone(s.Method), strings.Clone(s.Host), strings.Clone(s.Path), strings.Clone(s.Route)
	m.samples = append(m.samples, s)
}

func (m *recorder) Done() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight--
}

// only waits until everything that was begun is over, and returns the one sample.
func (m *recorder) only(t *testing.T) gateway.Sample {
	t.Helper()
	var all []gateway.Sample
	eventually(t, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if all = slices.Clone(m.samples); m.inFlight != 0 || m.begun != 1 || len(all) != 1 {
			return fmt.Errorf("%d begun, %d in flight, %d samples; want 1, 0, 1", m.begun, m.inFlight, len(all))
		}
		return nil
	})
	return all[0]
}

// A client that gives up while its function still runs, or in the middle of its
// own body, has not been answered, whatever status was meant for it. Seen red with
// the status of an answer that nobody got, by both carriers, and with the 400 for
// half a body that slow instances leave unread.
func TestAbandonedRequestsAreNotAnswered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		leave func(t *testing.T, s *site, invoked <-chan struct{}, left chan<- struct{})
	}{
		{"HTTP/1.1, connection closed", func(t *testing.T, s *site, invoked <-chan struct{}, left chan<- struct{}) {
			conn, _ := s.dialRaw("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-invoked
			_ = conn.Close()
			<-time.After(1200 * time.Millisecond) // longer than the loops linger: by then it has gone for good
			close(left)
		}},
		{"HTTP/1.1, connection reset", func(t *testing.T, s *site, invoked <-chan struct{}, left chan<- struct{}) {
			conn, _ := s.dialRaw("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-invoked
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
			close(left)
		}},
		{"HTTP/2, stream reset", func(t *testing.T, s *site, invoked <-chan struct{}, left chan<- struct{}) {
			one := http2Client(t)
			ctx, leave := context.WithCancel(t.Context())
			go func() { <-invoked; leave() }()
			if _, err := one.Do(s.request("GET", "/", nil).WithContext(ctx)); err == nil { //nolint:bodyclose // there is no answer
				t.Error("there was an answer")
			}
			<-time.After(200 * time.Millisecond) // the reset is on its way
			// What comes after it on the connection is nobody's request: refused.
			if response, err := one.Do(s.request("GET", "/", nil, "Teal-Version", "none")); err != nil {
				t.Error(err)
			} else {
				_ = response.Body.Close()
			}
			close(left)
		}},
		{"HTTP/1.1, half a body", func(t *testing.T, s *site, _ <-chan struct{}, left chan<- struct{}) {
			conn, r := s.dialRaw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nbody")
			_ = conn.(*net.TCPConn).CloseWrite()
			if response, _ := readResponse(t, r, "POST"); response.StatusCode != 400 {
				t.Errorf("status %d", response.StatusCode)
			}
			close(left)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			invoked, left := make(chan struct{}), make(chan struct{})
			m := &recorder{}
			s := start(t, &gateway.Component{Meter: m, Payload: "2.0", Function: functionOf(func(context.Context, teal.Invocation) (teal.Answer, error) {
				close(invoked)
				<-left
				return teal.Answer{Payload: []byte(`{"statusCode":200}`)}, nil
			})}, exchange.Config{})
			c.leave(t, s, invoked, left)
			if got := m.only(t); got.Status != 0 || got.Fault != gateway.FaultNone || got.Latency <= 0 {
				t.Errorf("sample: %+v", got)
			}
		})
	}
}

// Every way in which a request can end is one sample, with whose fault it was.
// Seen red with a second report at the end of a stream, with the client's going
// away taken for the instance's, and without the watch on an instance's body.
func TestWhatAUserGetsIsMeasuredOnce(t *testing.T) {
	crash := `{"errorType":"KeyError","errorMessage":"'sku'","stackTrace":["  File \"app.py\", line 3\n"]}`
	function := func(f functionOf) *gateway.Component { return &gateway.Component{Function: f, Payload: "2.0"} }
	arrived := make(chan struct{})
	for _, c := range []struct {
		name      string
		component *gateway.Component
		leave     bool // the client goes away
		want      gateway.Result
	}{
		{name: "a function answers", want: gateway.Result{Status: 201}, component: function(func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{Payload: []byte(`{"statusCode":201}`)}, nil
		})},
		{name: "a function answers 500", want: gateway.Result{Status: 500, Fault: gateway.FaultStatus}, component: function(func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{Payload: []byte(`{"statusCode":500}`)}, nil
		})},
		{name: "a function fails", want: gateway.Result{Status: 502, Fault: gateway.FaultFunction, Failure: &gateway.Failure{Type: "KeyError", Message: "'sku'", Stack: []string{`  File "app.py", line 3`}}}, component: function(func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{FunctionError: "Unhandled", Payload: []byte(crash)}, nil
		})},
		{name: "a function times out", want: gateway.Result{Status: 504, Fault: gateway.FaultTimeout, Failure: &gateway.Failure{Type: "Sandbox.Timedout"}}, component: function(func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"Sandbox.Timedout"}`)}, teal.Errorf(teal.CodeFunctionTimeout, "too slow")
		})},
		{name: "a function's answer makes no sense", want: gateway.Result{Status: 502, Fault: gateway.FaultFunction}, component: function(func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{Payload: []byte(`{"statusCode":"x"}`)}, nil
		})},
		{name: "all instances are busy", want: gateway.Result{Status: 429, Fault: gateway.FaultStatus}, component: function(func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{}, teal.Errorf(teal.CodeThrottled, "busy")
		})},
		{name: "a service answers", want: gateway.Result{Status: 404}, component: service(backend(t, http.NotFound))},
		{name: "a service answers 503", want: gateway.Result{Status: 503, Fault: gateway.FaultStatus}, component: service(backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))},
		{name: "nobody listens", want: gateway.Result{Status: 502, Fault: gateway.FaultConnection}, component: service(nobody.Address(t))},
		{name: "no instance is healthy", want: gateway.Result{Status: 503, Fault: gateway.FaultConnection}, component: service()},
		{name: "a service hangs up", want: gateway.Result{Status: 502, Fault: gateway.FaultConnection}, component: service(rawBackend(t, func(_ net.Conn, r *bufio.Reader) { _, _ = http.ReadRequest(r) }))},
		{name: "a service breaks off", want: gateway.Result{Status: 200, Fault: gateway.FaultConnection}, component: service(rawBackend(t, func(c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}))},
		{name: "the client goes away", leave: true, want: gateway.Result{}, component: service(backend(t, func(_ http.ResponseWriter, r *http.Request) {
			arrived <- struct{}{}
			<-r.Context().Done()
		}))},
		{name: "the client leaves a body", leave: true, want: gateway.Result{Status: 200}, component: service(backend(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))},
		{name: "the client leaves a stream", leave: true, want: gateway.Result{Status: 200}, component: service(backend(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &recorder{}
			c.component.Meter = m
			s := start(t, c.component, exchange.Config{})
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			go func() {
				if c.name == "the client goes away" {
					<-arrived
					leave()
				}
			}()
			response, err := client(t).Do(s.request("GET", "/items/7?x=%20y", nil, "Host", "Shop.example").WithContext(ctx))
			if err == nil {
				if c.leave {
					leave()
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
			got := m.only(t)
			if got.Method != "GET" || got.Host != "Shop.example" || got.Path != "/items/7?x=%20y" || got.Route != "" || got.Latency <= 0 || got.Latency > time.Minute {
				t.Errorf("sample: %+v", got)
			}
			got.Answered, got.Method, got.Host, got.Path = time.Time{}, "", "", ""
			if diff := cmp.Diff(c.want, got.Result); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A connection that is upgraded is answered when it begins, and in flight until
// it ends.
func TestAnUpgradeIsMeasuredWhenItBegins(t *testing.T) {
	m := &recorder{}
	web := service(rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, r)
	}))
	web.Meter = m
	s := start(t, web, exchange.Config{})
	c, _ := s.dialRaw("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	eventually(t, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.samples) != 1 || m.samples[0].Status != 101 || m.inFlight != 1 {
			return fmt.Errorf("%v, %d in flight", m.samples, m.inFlight)
		}
		return nil
	})
	_ = c.Close()
	m.only(t)
}

// Seen red with claims that are a user's whatever chose the version.
func TestOnlyUsersAreMeasured(t *testing.T) {
	m := &recorder{}
	component := &gateway.Component{Name: "web", Payload: "2.0", Meter: m, Function: functionOf(func(context.Context, teal.Invocation) (teal.Answer, error) {
		return teal.Answer{Payload: []byte(`"ok"`)}, nil
	})}
	s := start(t, component, exchange.Config{Override: everybody})
	table := mustWith(t, s.gateway.Table(), gateway.App{Name: "shop", Environments: map[teal.VersionRef]*gateway.Environment{7: s.env}, Aliases: map[string][]teal.Target{
		teal.AliasLive: teal.Only(7), teal.AliasPreview: teal.Only(7), "beta": teal.Only(7),
	}})
	if err := s.gateway.Update(func(*gateway.Table) (*gateway.Table, error) { return table, nil }); err != nil {
		t.Fatal(err)
	}
	sibling, _ := serveOn(t, func(ctx context.Context, l net.Listener) error { return s.server.ServeComponent(ctx, l, s.env, "web") })
	preview, _ := serveOn(t, func(ctx context.Context, l net.Listener) error { return s.server.ServeEnvironment(ctx, l, s.env) })
	for _, headers := range [][]string{{"Teal-Version", "7"}, {"Teal-Alias", "preview"}, {"Teal-Alias", "live"}} {
		s.do("GET", "/", nil, headers...)
	}
	front := s.addr
	for _, addr := range []string{sibling, preview} {
		s.addr = addr
		if response, body := s.do("GET", "/", nil); response.StatusCode != 200 {
			t.Errorf("%d %s", response.StatusCode, body)
		}
	}
	invoke := func(qualifier string) {
		claim, err := s.gateway.ClaimQualifier("shop", qualifier, "web", 0)
		if err != nil {
			t.Fatal(err)
		}
		claim.End(gateway.Result{Status: 200})
	}
	invoke("7")
	invoke(teal.AliasPreview)
	s.nothingInFlight()
	if m.begun != 0 || len(m.samples) != 0 {
		t.Fatalf("%d begun, %d samples of requests that no user made", m.begun, len(m.samples))
	}
	invoke("")
	invoke("beta")
	s.addr = front
	s.do("GET", "/", nil)
	s.nothingInFlight()
	if m.begun != 3 || len(m.samples) != 3 || m.inFlight != 0 {
		t.Errorf("%d begun, %d samples, %d in flight, want 3, 3, 0", m.begun, len(m.samples), m.inFlight)
	}
}

// A preview goes by the version's own routes; a host that no route has does not
// stand in the way as long as the path says enough.
func TestPreviewByTheVersionsOwnRoutes(t *testing.T) {
	named := func(name string) *gateway.Component {
		return &gateway.Component{Name: name, Payload: "2.0", Function: functionOf(func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{Payload: []byte(`{"body":"` + name + `"}`)}, nil
		})}
	}
	env := gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: 8, Routes: []teal.Route{
		route("a.example", "/", "a"), route("b.example", "/", "b"), route("b.example", "/only", "b"),
	}, Components: map[string]*gateway.Component{"a": named("a"), "b": named("b")}})
	server := New(Config{Config: exchange.Config{Gateway: gateway.New()}})
	s := &site{t: t, server: server, env: env}
	s.addr, _ = serveOn(t, func(ctx context.Context, l net.Listener) error { return server.ServeEnvironment(ctx, l, env) })
	for _, c := range []struct{ host, path, want string }{
		{"a.example", "/only", "a"}, {"b.example", "/", "b"}, {"127.0.0.1:8080", "/only/x", "b"},
	} {
		response, body := s.do("GET", c.path, nil, "Host", c.host)
		if body != `{"body":"`+c.want+`"}` || response.Header.Get("Teal-Version") != "8" {
			t.Errorf("%s%s: %q of version %s, want %q", c.host, c.path, body, response.Header.Get("Teal-Version"), c.want)
		}
	}
	if _, detail := s.wantProblem(404, teal.CodeNoRoute, "GET", "/", nil); !strings.Contains(detail, `"a.example", "b.example"`) {
		t.Errorf("no hosts to choose from: %s", detail)
	}
	env.Retire()
	s.wantProblem(404, teal.CodeVersionNotRunning, "GET", "/only", nil)
}

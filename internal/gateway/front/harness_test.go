package front

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/await"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// site is a running server with one app, "shop", whose version 7 is live.
type site struct {
	t       testing.TB
	gateway *gateway.Gateway
	server  *Server
	env     *gateway.Environment
	web     *gateway.Component // of env; nil: it has others
	addr    string
	stop    func() error
}

// upstreams hands out fixed addresses in turn.
type upstreams struct {
	hosts  []string
	next   atomic.Int64
	open   atomic.Int64
	failed atomic.Int64
}

func (u *upstreams) Claim() (gateway.Endpoint, error) {
	if len(u.hosts) == 0 {
		return nil, teal.Errorf(teal.CodeNoHealthyInstance, "no instance of web is healthy")
	}
	u.open.Add(1)
	return &upstream{u, u.hosts[int(u.next.Add(1)-1)%len(u.hosts)]}, nil
}

type upstream struct {
	*upstreams
	host string
}

func (u *upstream) Address() gateway.Address {
	host, path, _ := strings.Cut(u.host, "/")
	return gateway.Address{Scheme: "http", Host: host, Path: strings.TrimSuffix("/"+path, "/")}
}

func (u *upstream) Done(failed bool) {
	u.open.Add(-1)
	if failed {
		u.failed.Add(1)
	}
}

type functionOf func(ctx context.Context, in teal.Invocation) (teal.Answer, error)

func (f functionOf) Invoke(ctx context.Context, in teal.Invocation) (teal.Answer, error) {
	return f(ctx, in)
}

func service(hosts ...string) *gateway.Component {
	return &gateway.Component{Endpoints: &upstreams{hosts: hosts}}
}

func backend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// rawBackend answers each connection with what talk does.
func rawBackend(t testing.TB, talk func(c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				talk(c, bufio.NewReader(c))
			}()
		}
	}()
	return l.Addr().String()
}

// start runs a server whose every path but those of other components leads to
// web.
func start(t testing.TB, web *gateway.Component, config exchange.Config) *site {
	t.Helper()
	return startWith(t, web, Config{Config: config})
}

// startWith is start for a server with more than a policy.
func startWith(t testing.TB, web *gateway.Component, config Config) *site {
	t.Helper()
	web.Name = "web"
	env := gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: 7, Routes: []teal.Route{route("", "/", "web")}, Components: map[string]*gateway.Component{"web": web}})
	g := gatewayWith(t, liveApp("shop", teal.Only(7), env))
	config.Gateway = g
	s := &site{t: t, gateway: g, server: New(config), env: env, web: web}
	s.addr, s.stop = serveOn(t, s.server.Serve)
	return s
}

// serveOn runs serve on a port of the kernel's choice until the test ends, or
// until the function it returns is called.
func serveOn(t testing.TB, serve func(context.Context, net.Listener) error) (string, func() error) {
	t.Helper()
	l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l) }()
	var err error
	stopped := false
	stop := func() error {
		if !stopped {
			stopped = true
			cancel()
			err = await.Value(t, "the server to end", done)
		}
		return err
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String(), stop
}

// client returns an HTTP client with connections of its own.
func client(t testing.TB) *http.Client {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (s *site) request(method, path string, body io.Reader, headers ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequest(method, "http://"+s.addr+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// do sends a request and reads the whole response.
func (s *site) do(method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	s.t.Helper()
	response, err := client(s.t).Do(s.request(method, path, body, headers...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response, string(data)
}

// wantProblem sends a request that must fail with the status and the code, and
// returns the detail.
func (s *site) wantProblem(status int, code teal.Code, method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	s.t.Helper()
	response, data := s.do(method, path, body, headers...)
	return response, checkProblem(s.t, response, data, status, code)
}

func checkProblem(t testing.TB, response *http.Response, data string, status int, code teal.Code) string {
	t.Helper()
	var p exchange.Problem
	if err := json.Unmarshal([]byte(data), &p); err != nil {
		t.Fatalf("%d %q: %v", response.StatusCode, data, err)
	}
	want := exchange.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: p.Detail, RequestID: p.RequestID}
	if response.StatusCode != status || p != want || p.Detail == "" || p.RequestID == "" || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s, want %d %s", response.StatusCode, data, status, code)
	}
	return p.Detail
}

// dialRaw connects without an HTTP library and sends text.
func (s *site) dialRaw(text string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	send(s.t, c, text)
	return c, bufio.NewReader(c)
}

func send(t testing.TB, c io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func readResponse(t testing.TB, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(data)
}

// eventually polls until check is nil.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(await.Patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// nothingInFlight waits for the counts of the environment and its endpoints to
// return to zero.
func (s *site) nothingInFlight() {
	s.t.Helper()
	eventually(s.t, func() error {
		n := s.env.InFlight()
		if s.web != nil {
			if u, ok := s.web.Endpoints.(*upstreams); ok {
				n += int(u.open.Load())
			}
		}
		if n != 0 {
			return fmt.Errorf("%d still in flight", n)
		}
		return nil
	})
}

func (s *site) inFlight(n int) {
	s.t.Helper()
	eventually(s.t, func() error {
		if got := s.env.InFlight(); got != n {
			return fmt.Errorf("%d in flight, want %d", got, n)
		}
		return nil
	})
}

func everybody(netip.Addr) bool { return true }

func mustWith(t testing.TB, table *gateway.Table, apps ...gateway.App) *gateway.Table {
	t.Helper()
	for _, app := range apps {
		next, err := table.With(app)
		if err != nil {
			t.Fatal(err)
		}
		table = next
	}
	return table
}

func gatewayWith(t testing.TB, apps ...gateway.App) *gateway.Gateway {
	t.Helper()
	g := gateway.New()
	if err := g.Update(func(table *gateway.Table) (*gateway.Table, error) { return mustWith(t, table, apps...), nil }); err != nil {
		t.Fatal(err)
	}
	return g
}

func liveApp(name string, targets []teal.Target, envs ...*gateway.Environment) gateway.App {
	app := gateway.App{Name: name, Aliases: map[string][]teal.Target{teal.AliasLive: targets}, Environments: map[teal.VersionRef]*gateway.Environment{}}
	for _, env := range envs {
		app.Environments[env.Version()] = env
	}
	return app
}

func route(host, path, to string) teal.Route { return teal.Route{Host: host, Path: path, To: to} }

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	return await.Value(t, what, c)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

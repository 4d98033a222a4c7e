// Package carriertest holds one suite of what a client, an instance and a
// function see of the gateway. Every case runs over everything that can carry a
// request: the event loops and net/http, in cleartext and over TLS, in HTTP/1.1
// and HTTP/2. What one of them does, all of them do; where a protocol has no
// word for something, the case says so.
package carriertest

import (
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
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/front"
	"teal/internal/gateway/nethttp"
	"teal/internal/nobody"
)

// carrier is one way in which a request comes to the gateway and its answer back.
type carrier struct {
	name  string
	major int  // of HTTP, as the client speaks it
	tls   bool //
	plain bool // net/http serves it, although the loops could
	at    listenerKind
}

// listenerKind is whose listener it is.
type listenerKind int

const (
	public    listenerKind = iota
	preview                // of the environment
	component              // of the component web
)

var carriers = []carrier{
	{name: "loop", major: 1},
	{name: "loop TLS", major: 1, tls: true},
	{name: "nethttp", major: 1, plain: true},
	{name: "nethttp TLS", major: 1, tls: true, plain: true},
	{name: "HTTP2", major: 2, tls: true},
	{name: "h2c", major: 2},
	{name: "nethttp HTTP2", major: 2, tls: true, plain: true},
	{name: "nethttp h2c", major: 2, plain: true},
}

// inside are the listeners of an environment. They lead to the same components, and
// trust who is admitted there.
var inside = []carrier{
	{name: "preview", major: 1, at: preview},
	{name: "preview nethttp", major: 1, at: preview, plain: true},
	{name: "preview h2c", major: 2, at: preview},
	{name: "preview nethttp h2c", major: 2, at: preview, plain: true},
	{name: "component", major: 1, at: component},
	{name: "component nethttp", major: 1, at: component, plain: true},
	{name: "component h2c", major: 2, at: component},
	{name: "component nethttp h2c", major: 2, at: component, plain: true},
}

// scheme returns what the client speaks.
func (c carrier) scheme() string {
	if c.tls {
		return "https"
	}
	return "http"
}

// site is a gateway with an app, shop, whose version 7 is live on shop.example, and
// another one whose live version 8 is starting.
type site struct {
	t        *testing.T
	carrier  carrier
	env      *gateway.Environment
	addr     string
	instance *instance // that answers "/"
	function *function // that answers "/fn", and "/fn1" in payload format 1.0
	records  book
	meters   map[string]*meter // by component
	open     atomic.Int64      // endpoints
	handled  atomic.Int64      // requests that the middleware has seen
	callers  atomic.Int64      // whoever has been looked up
	refuses  atomic.Int64      // what callers get, if not gateway.AdmitAll: so much less
	lookup   chan struct{}     // takes as long as a send to it; nil for no time
	files    files             // that answer "/files", of which they are not told
}

// admits is who the environment admits to its listeners.
func (s *site) admits(client, server netip.AddrPort, _ string) gateway.Admission {
	if client.Addr().String() != "127.0.0.1" || server.String() != s.addr {
		s.t.Errorf("a connection from %s to %s", client, server)
	}
	if s.callers.Add(1); s.lookup != nil {
		s.lookup <- struct{}{}
	}
	return gateway.AdmitAll - gateway.Admission(s.refuses.Load())
}

// each runs f over every carrier of public requests, against a gateway of its own.
func each(t *testing.T, config exchange.Config, f func(t *testing.T, s *site)) {
	t.Helper()
	over(t, carriers, config, f)
}

// everywhere is each for what is the same at the listeners of environments.
func everywhere(t *testing.T, config exchange.Config, f func(t *testing.T, s *site)) {
	t.Helper()
	over(t, slices.Concat(carriers, inside), config, f)
}

func over(t *testing.T, carriers []carrier, config exchange.Config, f func(t *testing.T, s *site)) {
	t.Helper()
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, c, config)
			f(t, s)
			s.atRest()
		})
	}
}

func start(t *testing.T, c carrier, config exchange.Config) *site {
	t.Helper()
	s := &site{t: t, carrier: c, instance: newInstance(t), function: &function{}, meters: map[string]*meter{}}
	components := map[string]*gateway.Component{
		"web":  {Endpoints: &endpoints{site: s, host: s.instance.addr}},
		"fn":   {Function: s.function, Payload: "2.0"},
		"fn1":  {Function: s.function, Payload: "1.0"},
		"dead": {Endpoints: &endpoints{site: s, host: nobody.Address(t)}},
		"none": {Endpoints: &endpoints{site: s}},
		"own":  {Endpoints: &endpoints{site: s, host: s.instance.addr, ownHost: true}},
		"two":  {Endpoints: &endpoints{site: s, host: speaksHTTP2(t)}, HTTP2: true},
		"file": {Files: &s.files},
	}
	for name, component := range components {
		s.meters[name] = &meter{}
		component.Name, component.Meter = name, s.meters[name]
	}
	s.env = gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: 7, Components: components, Admit: s.admits, Routes: []teal.Route{
		{Host: "shop.example", Path: "/", To: "web"}, {Host: "shop.example", Path: "/fn", To: "fn"}, {Host: "shop.example", Path: "/fn1", To: "fn1"},
		{Host: "shop.example", Path: "/dead", To: "dead"}, {Host: "shop.example", Path: "/none", To: "none"}, {Host: "shop.example", Path: "/two", To: "two"},
		{Host: "shop.example", Path: "/caf%c3%a9", To: "none"},
		{Host: "shop.example", Path: "/str%2fip", To: "web", Strip: true}, {Host: "only.example", Path: "/form", To: "web", Methods: []string{"GET", "POST"}},
		{Host: "shop.example", Path: "/files", To: "file", Strip: true},
		{Host: "shop.example", Path: "/own", To: "own"}, {Host: "*.shop.example", Path: "/wild", To: "none"},
		{Host: "shop.example", Path: "/old", Redirect: &teal.Redirect{To: "https://new.example/x", Status: 308}}, {Host: "shop.example", Path: "/gone", Redirect: &teal.Redirect{To: "/", Exact: true}},
	}})
	table := gateway.New()
	for _, app := range s.apps() {
		if err := table.Update(func(t *gateway.Table) (*gateway.Table, error) { return t.With(app) }); err != nil {
			t.Fatal(err)
		}
	}
	config.Gateway, config.Log = table, &s.records
	all := front.Config{Config: config, Middleware: s.middleware(table)}
	if c.plain {
		all.Middleware.Owns = nil // for all hosts: the loops serve none
	}
	s.serve(front.New(all), nethttp.New(exchange.NewPolicy(config)))
	return s
}

func (s *site) apps() []gateway.App {
	return []gateway.App{{
		Name:         "shop",
		Aliases:      map[string][]teal.Target{teal.AliasLive: teal.Only(7)},
		Environments: map[teal.VersionRef]*gateway.Environment{7: s.env},
	}, {
		Name:     "later",
		Aliases:  map[string][]teal.Target{teal.AliasLive: teal.Only(8)},
		Starting: map[teal.VersionRef][]teal.Route{8: {{Host: "starting.example", Path: "/", To: "web"}}},
	}}
}

// middleware answers url.example with the function fn, and own.example, of which it
// wants to see each request.
func (s *site) middleware(table *gateway.Gateway) front.Middleware {
	claim := func() (gateway.Claim, bool) {
		claim, err := table.ClaimQualifier("shop", "", "fn", 0)
		return claim, err == nil
	}
	return front.Middleware{
		Owns: func(host string) bool { return host == "url.example" || host == "own.example" },
		Handler: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host == "url.example" || r.Host == "own.example" {
					s.handled.Add(1)
					own, ok := claim()
					if !ok {
						http.Error(w, "there is no function", http.StatusBadGateway)
						return
					}
					r = r.WithContext(nethttp.WithClaim(r.Context(), own))
				}
				next.ServeHTTP(w, r)
			})
		},
		Claim: func(host string) (gateway.Claim, bool) {
			if host != "url.example" {
				return gateway.Claim{}, false
			}
			return claim()
		},
	}
}

// serve serves until the test ends: with the gateway's server, or, a listener of an
// environment that is plain, with net/http's alone.
func (s *site) serve(server *front.Server, plain *nethttp.Server) {
	s.t.Helper()
	l := listen(s.t)
	s.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		switch at := s.carrier; {
		case at.tls:
			certificate, _ := selfSigned()
			done <- server.ServeTLS(ctx, l, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil })
		case at.at == preview && at.plain:
			done <- plain.Serve(ctx, l, nethttp.Listener{Entrypoint: exchange.Preview(s.env)})
		case at.at == preview:
			done <- server.ServeEnvironment(ctx, l, s.env)
		case at.at == component && at.plain:
			entrypoint, err := exchange.Sibling(s.env, "web")
			done <- errors.Join(err, plain.Serve(ctx, l, nethttp.Listener{Entrypoint: entrypoint}))
		case at.at == component:
			done <- server.ServeComponent(ctx, l, s.env, "web")
		default:
			done <- server.Serve(ctx, l)
		}
	}()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("serve: %v", err)
		}
	})
}

// atRest waits until nothing is counted any more: not in the environment, not at
// an instance, and in no meter.
func (s *site) atRest() {
	s.t.Helper()
	eventually(s.t, func() error {
		if n := s.env.InFlight(); n != 0 {
			return fmt.Errorf("%d requests are still in flight", n)
		}
		if n := s.open.Load(); n != 0 {
			return fmt.Errorf("%d endpoints have not been given back", n)
		}
		for name, m := range s.meters {
			if begun, recorded, done := m.counts(); begun != recorded || begun != done {
				return fmt.Errorf("the meter of %s: %d begun, %d recorded, %d done", name, begun, recorded, done)
			}
		}
		return nil
	})
}

// endpoints hands out one address; "" is none.
type endpoints struct {
	site    *site
	host    string
	ownHost bool
}

func (e *endpoints) Claim() (gateway.Endpoint, error) {
	if e.host == "" {
		return nil, teal.Errorf(teal.CodeNoHealthyInstance, "no instance of %q is healthy", "none")
	}
	e.site.open.Add(1)
	return e, nil
}

func (e *endpoints) Address() gateway.Address {
	return gateway.Address{Scheme: "http", Host: e.host, OwnHost: e.ownHost}
}

func (e *endpoints) Done(bool) { e.site.open.Add(-1) }

// book keeps the records.
type book struct {
	mu   sync.Mutex
	list []gateway.Record
}

func (b *book) Wants(int) bool { return true }

func (b *book) Log(r *gateway.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := *r
	for _, text := range []*string{&kept.Method, &kept.Host, &kept.Target, &kept.Route, &kept.UserAgent, &kept.Referer, &kept.Client} {
		*text = string([]byte(*text)) // it lies in a buffer
	}
	b.list = append(b.list, kept)
}

// next waits for one record and forgets it.
func (b *book) next(t *testing.T) gateway.Record {
	t.Helper()
	var r gateway.Record
	eventually(t, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.list) == 0 {
			return fmt.Errorf("there is no record")
		}
		r, b.list = b.list[0], b.list[1:]
		return nil
	})
	return r
}

// meter keeps what it is told.
type meter struct {
	mu          sync.Mutex
	begun, done int
	samples     []gateway.Sample
}

func (m *meter) Begin() { m.count(&m.begun) }
func (m *meter) Done()  { m.count(&m.done) }

func (m *meter) count(n *int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*n++
}

func (m *meter) Record(s gateway.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, s)
}

func (m *meter) counts() (begun, recorded, done int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begun, len(m.samples), m.done
}

// last waits for the sample of the request before the n-th one to come.
func (m *meter) last(t *testing.T, n int) gateway.Sample {
	t.Helper()
	var s gateway.Sample
	eventually(t, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.samples) != n {
			return fmt.Errorf("%d samples, want %d", len(m.samples), n)
		}
		s = m.samples[n-1]
		return nil
	})
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// speaksHTTP2 returns the address of an instance that speaks nothing but HTTP/2.
func speaksHTTP2(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

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

// eventually polls until check is nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	const patience, pause = 10 * time.Second, 2 * time.Millisecond
	for end := time.Now().Add(patience); ; {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		<-time.After(pause)
	}
}

func everybody(netip.Addr) bool { return true }

func loopbackOnly(a netip.Addr) bool { return a.IsLoopback() }

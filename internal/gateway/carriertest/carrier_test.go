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
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/front"
)

// carrier is one way in which a request comes to the gateway and its answer back.
type carrier struct {
	name  string
	major int  // of HTTP, as the client speaks it
	tls   bool //
	plain bool // net/http serves it, although the loops could
}

var carriers = []carrier{
	{name: "loop", major: 1},
	{name: "loop TLS", major: 1, tls: true},
	{name: "nethttp", major: 1, plain: true},
	{name: "nethttp TLS", major: 1, tls: true, plain: true},
	{name: "HTTP2", major: 2, tls: true},
	{name: "h2c", major: 2},
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
}

// each runs f over every carrier, against a gateway of its own.
func each(t *testing.T, config exchange.Config, f func(t *testing.T, s *site)) {
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
		"dead": {Endpoints: &endpoints{site: s, host: nobody(t)}},
		"none": {Endpoints: &endpoints{site: s}},
	}
	for name, component := range components {
		s.meters[name] = &meter{}
		component.Name, component.Meter = name, s.meters[name]
	}
	s.env = gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: 7, Components: components, Routes: []teal.Route{
		{Host: "shop.example", Path: "/", To: "web"}, {Host: "shop.example", Path: "/fn", To: "fn"}, {Host: "shop.example", Path: "/fn1", To: "fn1"},
		{Host: "shop.example", Path: "/dead", To: "dead"}, {Host: "shop.example", Path: "/none", To: "none"},
	}})
	table := gateway.New()
	for _, app := range s.apps() {
		if err := table.Update(func(t *gateway.Table) (*gateway.Table, error) { return t.With(app) }); err != nil {
			t.Fatal(err)
		}
	}
	config.Gateway, config.Log = table, &s.records
	all := front.Config{Config: config}
	if c.plain {
		all.Middleware = func(next http.Handler) http.Handler { return next } // for all hosts: the loops serve none
	}
	s.serve(front.New(all))
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

// serve serves until the test ends.
func (s *site) serve(server *front.Server) {
	s.t.Helper()
	l := listen(s.t)
	s.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		if s.carrier.tls {
			certificate, _ := selfSigned()
			done <- server.ServeTLS(ctx, l, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil })
			return
		}
		done <- server.Serve(ctx, l)
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
	site *site
	host string
}

func (e *endpoints) Claim() (gateway.Endpoint, error) {
	if e.host == "" {
		return nil, teal.Errorf(teal.CodeNoHealthyInstance, "no instance of %q is healthy", "none")
	}
	e.site.open.Add(1)
	return e, nil
}

func (e *endpoints) Address() gateway.Address {
	return gateway.Address{Scheme: "http", Host: e.host}
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

// nobody returns an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l := listen(t)
	_ = l.Close()
	return l.Addr().String()
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

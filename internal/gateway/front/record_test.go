package front

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// book is a log that keeps everything.
type book struct {
	mu      sync.Mutex
	records []gateway.Record
}

func (b *book) Wants(int) bool { return true }

func (b *book) Log(r *gateway.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, *r)
}

func (b *book) only(t *testing.T) gateway.Record {
	t.Helper()
	var r gateway.Record
	eventually(t, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.records) != 1 {
			return io.ErrNoProgress
		}
		r = b.records[0]
		return nil
	})
	return r
}

// follower is a tracer that passes on a fixed context.
type follower struct{ book }

func (f *follower) Start(parent, _ string, _ time.Time) gateway.Span { return followed{f, parent} }

type followed struct {
	*follower
	parent string
}

func (s followed) Context() (string, string) { return "follows " + s.parent, "" }
func (s followed) End(r *gateway.Record)     { s.Log(r) }

// Seen red without the deferred call (nothing when the answer is cut off), and
// with it inside the claim (nothing when no app has the route).
func TestEveryExchangeIsRecorded(t *testing.T) {
	host := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "answer")
		}
	})
	web := gateway.Record{App: "shop", Component: "web", Alias: "live", Version: 7, Instance: host, Status: 200, Out: 6}
	with := func(change func(*gateway.Record)) gateway.Record { r := web; change(&r); return r }
	for _, c := range []struct {
		name, method, target, body string
		component                  *gateway.Component
		http2                      bool
		want                       gateway.Record
	}{
		{name: "HTTP/1.1", method: "POST", target: "/x?y=1", body: "four", want: with(func(r *gateway.Record) { r.In = 4 })},
		{name: "HTTP/2", method: "POST", target: "/x", body: "four", http2: true, want: with(func(r *gateway.Record) { r.In = 4 })},
		{name: "cut off", method: "GET", target: "/cut", want: with(func(r *gateway.Record) { r.Out, r.Aborted, r.Fault = 4, true, gateway.FaultConnection })},
		{name: "function", method: "GET", target: "/", component: says(`"done"`), want: with(func(r *gateway.Record) { r.Out, r.Instance = 4, "" })},
		{name: "no route", method: "GET", target: "//", want: gateway.Record{Status: 403, Code: teal.CodeOverrideForbidden}},
		{name: "no instance", method: "GET", target: "/", component: service(), want: with(func(r *gateway.Record) {
			r.Instance, r.Status, r.Code, r.Fault = "", 503, teal.CodeNoHealthyInstance, gateway.FaultConnection
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			component := c.component
			if component == nil {
				component = service(host)
			}
			var log book
			s := start(t, component, exchange.Config{Log: &log, Trusted: func(netip.Addr) bool { return true }})
			client := client(t)
			if c.http2 {
				client = http2Client(t)
			}
			r := s.request(c.method, c.target, strings.NewReader(c.body), "X-Forwarded-For", "192.0.2.9", "Referer", "https://r/", "User-Agent", "u", "Traceparent", "as sent")
			if c.name == "no route" {
				r.Header.Set("Teal-Version", "3")
			}
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			got := log.only(t)
			c.want.Scheme, c.want.Protocol, c.want.Method, c.want.Host, c.want.Target = "http", "HTTP/1.1", c.method, s.addr, c.target
			c.want.Client, c.want.Referer, c.want.UserAgent, c.want.TraceParent = "192.0.2.9", "https://r/", "u", "as sent"
			if c.http2 {
				c.want.Protocol = "HTTP/2.0"
			}
			if c.want.Code != "" {
				c.want.Out = got.Out
			}
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(gateway.Record{}, "Start", "Answered", "Duration", "RequestID")); diff != "" {
				t.Error(diff)
			}
			if has := c.want.Fault != gateway.FaultNone || c.want.Code != "" || c.name == "function"; has != (got.RequestID != "") {
				t.Errorf("request id %q", got.RequestID)
			}
			if got.Start.IsZero() || got.Answered <= 0 || got.Duration < got.Answered || got.Duration > 10*time.Second {
				t.Errorf("from %s, answered after %s, over after %s", got.Start, got.Answered, got.Duration)
			}
		})
	}
}

// Both carriers say the same of an exchange.
//
// Seen red with a record that counts the bytes that HEAD did not get, and with one that
// names an instance which has not answered: both of net/http.
func TestBothCarriersRecordTheSame(t *testing.T) {
	broken := rawBackend(t, func(_ net.Conn, r *bufio.Reader) { _, _ = http.ReadRequest(r) })
	for name, c := range map[string]struct {
		web  *gateway.Component
		ask  string
		want gateway.Record
	}{
		"HEAD of a function": {says(`"four"`), "HEAD", gateway.Record{Status: 200}},
		"a broken instance":  {service(broken), "POST", gateway.Record{Status: 502, Code: teal.CodeUpstreamFailed, Fault: gateway.FaultConnection}},
	} {
		t.Run(name, func(t *testing.T) {
			var log book
			s := start(t, c.web, exchange.Config{Log: &log})
			s.bothFronts(t, func(t *testing.T, s *site) {
				log.records = nil
				s.do(c.ask, "/", nil)
				want, got := c.want, log.only(t)
				want.App, want.Component, want.Version, want.Scheme, want.Protocol = "shop", "web", 7, "http", "HTTP/1.1"
				want.Method, want.Host, want.Target, want.Client, want.UserAgent = c.ask, s.addr, "/", "127.0.0.1", "Go-http-client/1.1"
				if c.want.Code != "" {
					want.Out = got.Out
				}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(gateway.Record{}, "Start", "Answered", "Duration", "RequestID", "Alias")); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Without a tracer the client's trace goes through as it is; with one, what the
// component gets follows its span. Calls between components are followed and not
// logged.
func TestTheTraceIsPassedOn(t *testing.T) {
	got := make(chan [2]string, 1)
	host := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		got <- [2]string{r.Header.Get("Traceparent"), r.Header.Get("Tracestate")}
	})
	var tracer follower
	for want, config := range map[[2]string]exchange.Config{
		{"of the client", "v=1"}:      {},
		{"follows of the client", ""}: {Tracer: &tracer},
	} {
		var log book
		config.Log = &log
		s := start(t, service(host), config)
		if response, _ := s.do("GET", "/", nil, "Traceparent", "of the client", "Tracestate", "v=1"); response.StatusCode != 200 {
			t.Fatal(response.StatusCode)
		}
		if passed := receive(t, got, "request"); passed != want {
			t.Errorf("passed on %q, want %q", passed, want)
		}
		log.only(t)
		if config.Tracer == nil {
			continue
		}
		if r := tracer.only(t); r.TraceParent != want[0] || r.Status != 200 {
			t.Errorf("%+v", r)
		}
		sibling := *s
		sibling.addr, _ = serveOn(t, func(ctx context.Context, l net.Listener) error {
			return s.server.ServeComponent(ctx, l, s.env, "web")
		})
		_, _ = sibling.do("GET", "/", nil)
		receive(t, got, "request")
		eventually(t, func() error {
			tracer.mu.Lock()
			defer tracer.mu.Unlock()
			if len(tracer.records) != 2 {
				return io.ErrNoProgress
			}
			return nil
		})
		log.only(t)
	}
}

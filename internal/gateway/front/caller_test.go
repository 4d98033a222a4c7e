package front

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// previewed returns a server whose environment's preview is at addr.
func previewed(t *testing.T, admit func(_, _ netip.AddrPort, _ string) gateway.Admission) *site {
	t.Helper()
	web := says(`"seven"`)
	web.Name = "web"
	env := gateway.NewEnvironment(gateway.EnvironmentConfig{
		App: "shop", Version: 7, Components: map[string]*gateway.Component{"web": web}, Admit: admit,
		Routes: []teal.Route{route("", "/", "web"), route("Shop.example.com", "/", "web")},
	})
	s := &site{t: t, server: New(Config{Config: exchange.Config{Gateway: gateway.New()}}), env: env}
	s.addr, s.stop = serveOn(t, func(ctx context.Context, l net.Listener) error { return s.server.ServeEnvironment(ctx, l, env) })
	return s
}

// Of whom may call everything but from a foreign page, a foreign page's requests
// are refused: those that say where they come from, those that a browser sends
// without asking, and those of a page whose name has been made to lead here.
// Seen red without the call of invites, and with each of its three questions
// taken out.
func TestAForeignPageIsRefused(t *testing.T) {
	t.Parallel()
	s := previewed(t, func(_, _ netip.AddrPort, _ string) gateway.Admission { return gateway.AdmitNoPages })
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		headers []string
		served  bool
	}{
		{nil, true},
		{[]string{"Host", "localhost:" + port}, true},
		{[]string{"Host", "[::1]:" + port}, true},
		{[]string{"Host", "shop.example.com"}, true},
		{[]string{"Host", "SHOP.example.com:443"}, true},
		{[]string{"Host", "evil.example"}, false},
		{[]string{"Host", "127.0.0.1.evil.example:" + port}, false},
		{[]string{"Host", "10.0.0.1"}, false},
		{[]string{"Origin", "http://" + s.addr}, true},
		{[]string{"Origin", "http://localhost:3000"}, true},
		{[]string{"Origin", "https://shop.example.com"}, true},
		{[]string{"Origin", "https://evil.example"}, false},
		{[]string{"Origin", "null"}, false},
		{[]string{"Sec-Fetch-Site", "same-origin"}, true},
		{[]string{"Sec-Fetch-Site", "none"}, true},
		{[]string{"Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"Sec-Fetch-Site", "same-site"}, false},
	} {
		if !c.served {
			s.wantProblem(403, teal.CodeCallerForbidden, "GET", "/", nil, c.headers...)
			continue
		}
		if response, body := s.do("GET", "/", nil, c.headers...); response.StatusCode != 200 {
			t.Errorf("%v: %d %s", c.headers, response.StatusCode, body)
		}
	}
}

// Who is refused learns nothing of what is behind the address. Seen red when the
// sentence named the app and the version.
func TestWhoIsRefusedLearnsNothing(t *testing.T) {
	t.Parallel()
	s := previewed(t, func(_, _ netip.AddrPort, _ string) gateway.Admission { return gateway.AdmitNone })
	response, body := s.do("GET", "/", nil)
	if response.StatusCode != http.StatusForbidden || response.Header.Get("Teal-Version") != "" || strings.Contains(body, "shop") || strings.Contains(body, "7 of") {
		t.Errorf("%d %v %s", response.StatusCode, response.Header, body)
	}
}

// Who has opened a connection is asked once, and what was said holds for all of
// its requests. Seen red with a question for each request.
func TestACallerIsLookedUpOnceForEachConnection(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	var admission atomic.Int64
	s := previewed(t, func(client, _ netip.AddrPort, component string) gateway.Admission {
		if component != "" || !strings.HasPrefix(client.String(), "127.0.0.1:") {
			t.Errorf("asked about %s and %q", client, component)
		}
		asked.Add(1)
		return gateway.Admission(admission.Load())
	})
	for say, status := range map[gateway.Admission]int{gateway.AdmitNone: http.StatusForbidden, gateway.AdmitAll: http.StatusOK} {
		asked.Store(0)
		admission.Store(int64(say))
		one := client(t)
		for range 5 {
			response, err := one.Do(s.request("GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body) // or the connection is not used again
			_ = response.Body.Close()
			if response.StatusCode != status {
				t.Errorf("%d: status %d, want %d", say, response.StatusCode, status)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("%d: asked %d times", say, n)
		}
	}
}

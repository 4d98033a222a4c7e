package acme

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/await"
	"teal/internal/doctor"
	"teal/internal/store/memkv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running runs a manager until the test, or the function that it returns, ends it.
func running(t *testing.T, m *Manager) (stop func()) {
	t.Helper()
	if err := m.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	ended := false
	stop = func() {
		if !ended {
			ended = true
			cancel()
			await.Value(t, "the manager to end", done)
		}
	}
	t.Cleanup(stop)
	return stop
}

// serial returns the number of the certificate that a client of a host gets, "" for none.
func serial(m *Manager, host string) string {
	c, err := m.Certificate(&tls.ClientHelloInfo{ServerName: host})
	if err != nil {
		return ""
	}
	return c.Leaf.SerialNumber.String()
}

func alerted(alerts *doctor.Alerts, host string) string {
	for _, a := range alerts.List() {
		if a.Code == teal.AlertCertificate && a.Subject == host {
			return a.Message
		}
	}
	return ""
}

func soon(int) time.Duration { return 50 * time.Millisecond }

func (a *authority) config(t *testing.T, kv *memkv.KV, hosts ...string) Config {
	return Config{
		Automatic: true, Directory: a.directory, Email: "ops@shop.example", Roots: a.roots, KV: kv, Hosts: func() []string { return hosts },
		Alerts: doctor.New(testLogger(t), nil), Logger: testLogger(t), Every: 20 * time.Millisecond, Retry: soon,
	}
}

// Two dozen hosts get certificates by either proof, and have them after a restart with
// the authority gone. What none can be had for is said, with the authority's words.
func TestCertificatesForHosts(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour, "blocked.example")
	hosts := []string{"*.shop.example", "blocked.example", "localhost", "10.0.0.1"}
	for i := range 24 {
		hosts = append(hosts, fmt.Sprintf("h%d.shop.example", i))
	}
	kv := memkv.New()
	cfg := a.config(t, kv, hosts...)
	m := New(cfg)
	a.serve(m, true, true)
	stop := running(t, m)
	for _, host := range hosts[4:] {
		await.True(t, "a certificate for "+host, func() bool { return serial(m, host) != "" })
	}
	await.True(t, "the authority's words", func() bool {
		said := alerted(cfg.Alerts, "blocked.example")
		return strings.Contains(said, "the authority says: ") && strings.Contains(said, "rejectedIdentifier")
	})
	if said := alerted(cfg.Alerts, "*.shop.example"); !strings.Contains(said, "wildcards") {
		t.Errorf("of a wildcard it says %q", said)
	}
	if n := len(cfg.Alerts.List()); n != 2 {
		t.Errorf("%d alerts: %v", n, cfg.Alerts.List())
	}
	stop()
	a.stop()
	again := New(a.config(t, kv, hosts...))
	if err := again.Load(t.Context()); err != nil || serial(again, hosts[4]) != serial(m, hosts[4]) {
		t.Errorf("after a restart: %v", err)
	}
}

// One of the two proofs is enough; without either, the alert says why, and ends when one
// works.
func TestEitherProofIsEnough(t *testing.T) {
	t.Parallel()
	for name, works := range map[string][2]bool{"plain": {true, false}, "secure": {false, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, time.Hour)
			m := New(a.config(t, memkv.New(), "shop.example"))
			a.serve(m, works[0], works[1])
			running(t, m)
			await.True(t, "a certificate", func() bool { return serial(m, "shop.example") != "" })
		})
	}
}

// A certificate that ends soon is renewed; while the authority is gone the one before is
// served, and people are told.
func TestRenewalAndAnAuthorityThatIsGone(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	cfg := a.config(t, memkv.New(), "shop.example")
	var later atomic.Int64
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	m := New(cfg)
	a.serve(m, true, true)
	running(t, m)
	await.True(t, "a certificate", func() bool { return serial(m, "shop.example") != "" })
	first := serial(m, "shop.example")
	a.stop()
	later.Store(int64(70 * 24 * time.Hour))
	await.True(t, "an alert", func() bool { return strings.Contains(alerted(cfg.Alerts, "shop.example"), "cannot be renewed") })
	if serial(m, "shop.example") != first {
		t.Error("another certificate is served")
	}
	a.start() // it has forgotten the account
	await.True(t, "a renewed certificate", func() bool { return serial(m, "shop.example") != first })
	later.Store(0) // by which the new one is fresh
	await.True(t, "the end of the alert", func() bool { return alerted(cfg.Alerts, "shop.example") == "" })
}

package acme

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// challenge is what an authority asks about a host at this moment.
type challenge struct {
	path, answer string           // of HTTP-01
	certificate  *tls.Certificate // of TLS-ALPN-01
}

// challengePath is below which HTTP-01 asks.
const challengePath = "/.well-known/acme-challenge/"

// Challenge returns the answer to what an authority asks right now at a path of a host,
// in lower case. It takes no lock, allocates nothing, and keeps nothing.
func (m *Manager) Challenge(host, path string) (answer string, asked bool) {
	open := *m.challenges.Load()
	if len(open) == 0 || !strings.HasPrefix(path, challengePath) {
		return "", false
	}
	c, found := open[host]
	if !found || c.path != path {
		return "", false
	}
	return c.answer, true
}

// Instead returns where requests for a host, in lower case, that come without TLS are to
// be sent: nowhere where there is no certificate for it. It takes no lock, and allocates
// nothing unless there is.
func (m *Manager) Instead(host string) (origin string, elsewhere bool) {
	if !m.cfg.Redirect || m.cfg.Secure == nil {
		return "", false
	}
	if (*m.certificates.Load())[host] == nil && (m.cfg.Own == nil || !m.cfg.Own.Covers(host)) {
		return "", false
	}
	return "https://" + host + m.port, true
}

// portOf returns the port of an address as it stands in an origin.
func portOf(address net.Addr) string {
	if tcp, ok := address.(*net.TCPAddr); ok && tcp.Port != 443 {
		return fmt.Sprintf(":%d", tcp.Port)
	}
	return ""
}

// TransportSecurity returns the value of Strict-Transport-Security, "" for none.
func (m *Manager) TransportSecurity() string {
	if m.cfg.HSTS < time.Second {
		return ""
	}
	return fmt.Sprintf("max-age=%d", int64(m.cfg.HSTS.Seconds()))
}

// Certificate is what tls.Config.GetCertificate asks: the operator's own for that name,
// else the one that an authority has issued, else the operator's default. An authority
// that asks about a host gets what it wants to see.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol {
		if c := (*m.challenges.Load())[name].certificate; c != nil {
			return c, nil
		}
		return nil, fmt.Errorf("no authority is asked about %q", name)
	}
	if named := m.Named(hello); named != nil {
		return named, nil
	}
	if m.cfg.Own != nil {
		if own := m.cfg.Own.Default(); own != nil {
			return own, nil
		}
	}
	return nil, fmt.Errorf("there is no certificate for %q", name)
}

// Named returns the certificate for the name that a client gives, nil for none: the
// operator's own before the one that an authority has issued.
func (m *Manager) Named(hello *tls.ClientHelloInfo) *tls.Certificate {
	if m.cfg.Own != nil {
		if own := m.cfg.Own.Named(hello); own != nil {
			return own
		}
	}
	return (*m.certificates.Load())[strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))]
}

// solver makes answers to what an authority asks known, for as long as it asks.
type solver struct{ *Manager }

// Present implements acmez.Solver.
func (s solver) Present(_ context.Context, asked acme.Challenge) error {
	c := challenge{path: asked.HTTP01ResourcePath(), answer: asked.KeyAuthorization}
	if asked.Type == acme.ChallengeTypeTLSALPN01 {
		certificate, err := acmez.TLSALPN01ChallengeCert(asked)
		if err != nil {
			return err
		}
		c = challenge{certificate: certificate}
	}
	s.change(func(open map[string]challenge) { open[asked.Identifier.Value] = c })
	return nil
}

// CleanUp implements acmez.Solver.
func (s solver) CleanUp(_ context.Context, asked acme.Challenge) error {
	s.change(func(open map[string]challenge) { delete(open, asked.Identifier.Value) })
	return nil
}

func (s solver) change(edit func(map[string]challenge)) {
	s.changing.Lock()
	defer s.changing.Unlock()
	next := maps.Clone(*s.challenges.Load())
	edit(next)
	s.challenges.Store(&next)
}

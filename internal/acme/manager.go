package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"teal/internal/doctor"
	"teal/internal/store"
)

// LetsEncrypt is the directory of the authority that is asked when none is named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Certificates are those of the operator's own: they come first.
type Certificates interface {
	// Named returns the one for the name that the client gives, nil for none.
	Named(hello *tls.ClientHelloInfo) *tls.Certificate
	// Default returns one for clients that name nothing that a certificate is for.
	Default() *tls.Certificate
	// Covers reports whether there is one for a host, which may be a wildcard.
	Covers(host string) bool
}

// Config is what a Manager is made of. KV and Hosts are required.
type Config struct {
	Directory string         // address of the authority's directory; "" is LetsEncrypt
	Email     string         // that the authority may write to; "" is none
	Roots     *x509.CertPool // whom to believe that it is the authority; nil: as the system does
	KV        store.KV
	Hosts     func() []string // that are to have certificates, in lower case; asked often
	Own       Certificates    // nil: none
	Automatic bool            // an authority is asked; otherwise there is what Own has
	// Redirect sends requests that come without TLS, for hosts that have a certificate,
	// to Secure, the address where they are served over TLS; nil: they are not.
	Redirect bool
	Secure   net.Addr
	HSTS     time.Duration // how long browsers are to use TLS alone; 0: they are not told
	Alerts   *doctor.Alerts
	Logger   *slog.Logger // nil: nothing is logged

	Every time.Duration    // between two looks at the hosts; 0 is 2 s
	Now   func() time.Time // nil is time.Now
	// Retry is how long to wait after so many failures; nil is what authorities with
	// limits ask for.
	Retry func(failures int) time.Duration
}

// Manager has the certificates. Its methods are for concurrent use.
type Manager struct {
	cfg    Config
	port   string // of origins, ":8443"; "" for the usual one
	client acmez.Client

	accounts sync.Mutex // held while the account is looked up or made

	changing     sync.Mutex // of what follows; readers take none
	challenges   atomic.Pointer[map[string]challenge]
	certificates atomic.Pointer[map[string]*tls.Certificate]
}

// New returns a manager that does nothing yet.
func New(cfg Config) *Manager {
	if cfg.Directory == "" {
		cfg.Directory = LetsEncrypt
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Every == 0 {
		cfg.Every = 2 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Retry == nil {
		cfg.Retry = patience
	}
	m := &Manager{cfg: cfg, port: portOf(cfg.Secure)}
	m.client = acmez.Client{
		Client: &acme.Client{Directory: cfg.Directory, UserAgent: "teal", HTTPClient: httpClient(cfg.Roots), Logger: slog.New(quiet{cfg.Logger.Handler()})},
		ChallengeSolvers: map[string]acmez.Solver{
			acme.ChallengeTypeHTTP01: solver{m}, acme.ChallengeTypeTLSALPN01: solver{m},
		},
	}
	m.challenges.Store(&map[string]challenge{})
	m.certificates.Store(&map[string]*tls.Certificate{})
	return m
}

// httpClient returns a client for the authority.
func httpClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, IdleConnTimeout: 30 * time.Second},
		// The directory names every address that is asked.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// patience is how long to wait after so many failures: authorities count those of an
// hour, of one host.
func patience(failures int) time.Duration {
	steps := []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour}
	return steps[min(failures, len(steps))-1]
}

// atOnce is how many certificates are worked on at the same time.
const atOnce = 4

// outcome is what came of the work on a host.
type outcome struct {
	host string
	leaf *x509.Certificate
	err  error
}

// Run has certificates for the hosts until ctx ends; then it returns nil. What is in
// the store is served from Load on.
func (m *Manager) Run(ctx context.Context) error {
	if !m.cfg.Automatic {
		<-ctx.Done()
		return nil
	}
	outcomes := make(chan outcome, atOnce)
	var working sync.WaitGroup
	defer working.Wait()
	look := time.NewTicker(m.cfg.Every)
	defer look.Stop()
	hosts := m.known()
	for {
		m.report(hosts)
		for _, host := range hosts.due(m.cfg.Now(), atOnce) {
			hosts.byName[host].busy = true
			working.Go(func() {
				leaf, err := m.obtain(ctx, host)
				outcomes <- outcome{host, leaf, err}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case o := <-outcomes:
			m.settle(ctx, hosts, o)
		case <-look.C:
			hosts.want(m.wanted())
		}
	}
}

// wanted returns the hosts that have no certificate of the operator's.
func (m *Manager) wanted() []string {
	if m.cfg.Own == nil {
		return m.cfg.Hosts()
	}
	return slices.DeleteFunc(slices.Clone(m.cfg.Hosts()), m.cfg.Own.Covers)
}

// settle takes up what came of the work on a host.
func (m *Manager) settle(ctx context.Context, hosts *hosts, o outcome) {
	h := hosts.byName[o.host]
	h.busy = false
	if o.err == nil {
		h.leaf, h.failures, h.failure = o.leaf, 0, ""
		m.cfg.Logger.Info("a certificate has been issued", "host", o.host, "expires", o.leaf.NotAfter)
		return
	}
	if ctx.Err() != nil {
		return // the server stops: nobody has failed
	}
	h.failures++
	h.failure, h.asked = words(o.err)
	h.next = m.cfg.Now().Add(max(m.cfg.Retry(h.failures), retryAfter(o.err)))
}

// known returns the hosts that have certificates already.
func (m *Manager) known() *hosts {
	found := &hosts{byName: map[string]*host{}}
	for name, certificate := range *m.certificates.Load() {
		found.byName[name] = &host{leaf: certificate.Leaf}
	}
	found.want(m.wanted())
	return found
}

// publish adds a certificate for a host to those that are served.
func (m *Manager) publish(host string, certificate *tls.Certificate) {
	m.changing.Lock()
	defer m.changing.Unlock()
	next := maps.Clone(*m.certificates.Load())
	next[host] = certificate
	m.certificates.Store(&next)
}

package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"

	"teal/internal/acme"
	"teal/internal/gateway"
	"teal/internal/gateway/accesslog"
	"teal/internal/gateway/certificate"
	"teal/internal/gateway/front"
	"teal/internal/roles"
	"teal/internal/store"
	"teal/internal/systemd"
	"teal/internal/tracing"
)

// EdgeConfig is what a server is told about its gateway's edge.
type EdgeConfig struct {
	HTTPS        string // address; "" for none
	Certificates []certificate.Pair
	Folders      []string    // of certificates
	ACME         acme.Config // where certificates are had from; the server adds what is its own
	AccessLog    string      // file; "-" is standard output, "" no log
	Format       accesslog.Format
	Sample       float64
	Limits       gateway.Limits
	Underscores  bool // header names with underscores are passed on
}

// edge is what stands between the gateway and the world besides its listener.
type edge struct {
	secure       net.Listener       // nil without TLS
	certificates *certificate.Files // the operator's own, nil for none
	log          *accesslog.Log     // nil: no access log
	tracer       *tracing.Tracer    // nil: exchanges are not traced
}

func (d *Daemon) openEdge(parts *roles.Stack) (edge, error) {
	cfg, logger := d.cfg.Edge, d.cfg.Logger
	var e edge
	var err error
	if len(cfg.Certificates)+len(cfg.Folders) > 0 {
		e.certificates, err = certificate.Open(certificate.Config{Pairs: cfg.Certificates, Folders: cfg.Folders, Logger: logger})
		if err != nil {
			return e, err
		}
	}
	if cfg.HTTPS != "" {
		if e.secure, err = d.cfg.Sockets.Listen(systemd.HTTPS, cfg.HTTPS); err != nil {
			return e, err
		}
		parts.Closer("https port", func() error { return closeListener(e.secure) })
	}
	if cfg.AccessLog != "" {
		e.log, err = accesslog.Open(accesslog.Config{Path: cfg.AccessLog, Stdout: os.Stdout, Format: cfg.Format, Sample: cfg.Sample, Logger: logger})
		if err != nil {
			return e, err
		}
	}
	e.tracer, err = tracing.New(tracing.Config{Getenv: os.Getenv, Version: d.cfg.Version, Logger: logger})
	return e, err
}

// configure adds to what the gateway's server is told. A nil *Log in an
// interface would not be nil.
func (e edge) configure(cfg front.Config) front.Config {
	if e.log != nil {
		cfg.Log = e.log
	}
	if e.tracer != nil {
		cfg.Tracer = e.tracer
	}
	return cfg
}

// newCertificates returns what has certificates: files, and those of an authority.
func (s *server) newCertificates(kv store.KV) *acme.Manager {
	c := s.daemon.cfg.Edge.ACME
	c.KV, c.Alerts, c.Logger = kv, s.alerts, s.daemon.cfg.Logger
	c.Hosts = func() []string { return s.gateway.Table().LiveHosts() }
	if own := s.edge.certificates; own != nil { // a nil *Files in an interface would not be nil
		c.Own = own
	}
	if s.edge.secure != nil {
		c.Secure = s.edge.secure.Addr()
	}
	return acme.New(c)
}

// startWatching starts what outlives the gateway, which writes its last records
// when it stops.
func (e edge) startWatching(parts *roles.Stack) {
	if e.log != nil {
		parts.Start("access log", e.log.Run)
	}
	if e.tracer != nil {
		parts.Start("traces", e.tracer.Run)
	}
	if e.certificates != nil {
		parts.Start("certificates of files", e.certificates.Run)
	}
}

// serveGateway serves the gateway's addresses until ctx ends, all of them with
// the same grace for what is in flight, or until one fails.
func (s *server) serveGateway(ctx context.Context) error {
	e := s.edge
	if e.secure == nil {
		return s.web.Serve(ctx, s.front)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var serving sync.WaitGroup
	var secure error
	serving.Go(func() {
		defer stop()
		secure = s.web.ServeTLS(ctx, e.secure, s.acme.Certificate)
	})
	plain := s.web.Serve(ctx, s.front)
	stop()
	serving.Wait()
	return errors.Join(plain, secure)
}

// announceSecure makes the address for TLS known.
func (s *server) announceSecure(parts *roles.Stack) {
	if s.edge.secure == nil {
		return
	}
	s.daemon.httpsAddr = s.edge.secure.Addr()
	s.announce(parts, httpsAddressFile, s.daemon.httpsAddr)
}

// HTTPSAddr returns the gateway's address for TLS, nil without one; valid once
// Ready is closed.
func (d *Daemon) HTTPSAddr() net.Addr { return d.httpsAddr }

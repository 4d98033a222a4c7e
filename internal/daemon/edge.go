package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"

	"teal/internal/acme"
	"teal/internal/gateway"
	"teal/internal/gateway/accesslog"
	"teal/internal/gateway/certificate"
	"teal/internal/gateway/front"
	"teal/internal/roles"
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

// open takes what the edge needs of the machine.
func (cfg EdgeConfig) open(sockets systemd.Sockets, version string, logger *slog.Logger, parts *roles.Stack) (edge, error) {
	var e edge
	var err error
	if len(cfg.Certificates)+len(cfg.Folders) > 0 {
		e.certificates, err = certificate.Open(certificate.Config{Pairs: cfg.Certificates, Folders: cfg.Folders, Logger: logger})
		if err != nil {
			return e, err
		}
	}
	if cfg.HTTPS != "" {
		if e.secure, err = sockets.Listen(systemd.HTTPS, cfg.HTTPS); err != nil {
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
	e.tracer, err = tracing.New(tracing.Config{Getenv: os.Getenv, Version: version, Logger: logger})
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
func (e edge) newCertificates(c acme.Config) *acme.Manager {
	if e.certificates != nil { // a nil *Files in an interface would not be nil
		c.Own = e.certificates
	}
	if e.secure != nil {
		c.Secure = e.secure.Addr()
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

// serve serves the gateway's addresses until ctx ends, all of them with the same
// grace for what is in flight, or until one fails.
func (e edge) serve(ctx context.Context, web *front.Server, listener net.Listener, certificates *acme.Manager) error {
	if e.secure == nil {
		return web.Serve(ctx, listener)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var serving sync.WaitGroup
	var secure error
	serving.Go(func() {
		defer stop()
		secure = web.ServeTLS(ctx, e.secure, certificates.Certificate)
	})
	plain := web.Serve(ctx, listener)
	stop()
	serving.Wait()
	return errors.Join(plain, secure)
}

// closeListener closes a listener that its server may have closed already.
func closeListener(l net.Listener) error {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

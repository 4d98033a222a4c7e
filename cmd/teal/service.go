package main

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"teal"
	"teal/internal/acme"
	"teal/internal/cli"
	"teal/internal/daemon"
	"teal/internal/gateway/certificate"
	"teal/internal/systemd"
)

// checkCertificates reports what would keep a server from serving TLS.
func checkCertificates(edge daemon.EdgeConfig) error {
	if len(edge.Certificates)+len(edge.Folders) == 0 {
		return nil
	}
	_, err := certificate.Open(certificate.Config{Pairs: edge.Certificates, Folders: edge.Folders})
	return err
}

// inherited returns the sockets that a service manager has opened for the server, if
// what it was told goes with them.
func inherited(o cli.ServeOptions) (systemd.Sockets, error) {
	sockets, err := systemd.Inherited()
	if err != nil {
		return nil, err
	}
	if sockets[systemd.HTTPS] != nil && o.Edge.HTTPS == "" {
		return nil, teal.Errorf(teal.CodeInvalidInput, "systemd passes a socket for HTTPS, but HTTPS is not on; set --https (or https: in the file of --config) and a certificate, or disable that socket's unit")
	}
	return sockets, nil
}

// reachable reports whether the socket for the admin API that a service manager has opened
// is one that other machines reach, and nobody wants plain HTTP there.
func reachable(sockets systemd.Sockets, o cli.ServeOptions) bool {
	l := sockets[systemd.Admin]
	if l == nil || o.AdminPlain {
		return false
	}
	tcp, ok := l.Addr().(*net.TCPAddr)
	return !ok || !tcp.IP.IsLoopback()
}

// accompany tells the service manager, if there is one, how the server is, until the
// function that it returns is called.
func accompany(ctx context.Context, server *daemon.Daemon, logger *slog.Logger) (end func()) {
	telling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var told sync.WaitGroup
	told.Go(func() {
		systemd.NewNotifier(logger).Run(telling, server.Ready(), ctx.Done(), func() string {
			return "serving on " + server.HTTPAddr().String()
		})
	})
	return func() {
		stop()
		told.Wait()
	}
}

// authorityOf returns from whom certificates are had, and what becomes of requests
// without TLS.
func authorityOf(o cli.EdgeOptions) (acme.Config, error) {
	c := acme.Config{Redirect: o.Redirect, HSTS: time.Duration(o.HSTS), Automatic: o.ACME != nil}
	if o.ACME == nil {
		return c, nil
	}
	c.Directory, c.Email = o.ACME.Directory, o.ACME.Email
	if o.ACME.Roots == "" {
		return c, nil
	}
	pem, err := os.ReadFile(o.ACME.Roots)
	if err != nil {
		return c, teal.Errorf(teal.CodeInvalidInput, "--acme-ca-roots cannot be read: %w", err)
	}
	c.Roots = x509.NewCertPool()
	if !c.Roots.AppendCertsFromPEM(pem) {
		return c, teal.Errorf(teal.CodeInvalidInput, "--acme-ca-roots: there is no certificate in %s; it has to be PEM", o.ACME.Roots)
	}
	return c, nil
}

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	probeBody   = 64 << 10 // bytes of a health answer that are read
	probeHeader = 64 << 10
)

// newTransport returns the transport of one set's checks. Each check makes a
// connection of its own, because whether one can be made is half the question,
// and no proxy stands between.
func newTransport(http2 bool) *http.Transport {
	t := &http.Transport{
		DialContext:            (&net.Dialer{}).DialContext,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: probeHeader,
	}
	if http2 {
		t.Protocols = &http.Protocols{}
		t.Protocols.SetHTTP2(true)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return t
}

// probe asks one address whether it can take requests.
type probe struct {
	transport http.RoundTripper
	url       string
	shown     string // the address as people read it
	timeout   time.Duration
	grpc      bool // ask gRPC's health service
}

// errUnreachable says that no connection could be made.
type errUnreachable struct {
	shown string
	cause error
}

func (e *errUnreachable) Error() string {
	return "nothing answers on " + e.shown + ": " + plainCause(e.cause)
}

func (e *errUnreachable) Unwrap() error { return e.cause }

// check returns nil when the address answered a GET with a status from 200 to
// 399 and finished its answer, or its first 64 KiB, within the timeout.
// Redirects are an answer and are not followed. A gRPC server must say that it is
// serving. The error's text is for people.
func (p *probe) check(ctx context.Context) error {
	if p.grpc {
		return p.checkGRPC(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return fmt.Errorf("the health check's address %s cannot be used: %w", p.shown, err)
	}
	request.Header.Set("User-Agent", "Teal-Health-Check")
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		return p.explain(ctx, err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, probeBody))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("GET %s is answered with %d; a status from 200 to 399 was expected", p.shown, response.StatusCode)
	}
	if err != nil {
		return p.explain(ctx, err)
	}
	return nil
}

func (p *probe) explain(ctx context.Context, err error) error {
	var op *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("GET %s is not answered within %s", p.shown, p.timeout)
	case errors.As(err, &op) && op.Op == "dial":
		return &errUnreachable{shown: p.shown, cause: err}
	}
	return fmt.Errorf("GET %s is not answered properly: %s", p.shown, plainCause(err))
}

// plainCause returns the part of a network error that says what happened,
// without the addresses and system calls around it.
func plainCause(err error) string {
	var errno syscall.Errno
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return dns.Error()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer was complete"
	}
	return err.Error()
}

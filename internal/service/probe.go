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

	"teal"
)

const (
	probeBody   = 64 << 10 // bytes of a health answer that are read
	probeHeader = 64 << 10
	// probeRest is how long the body of an answer is read, so that an instance that
	// sends a short one is not cut off. What it says does not count.
	probeRest = 100 * time.Millisecond
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
	asks      teal.Health // the host, the headers and what is expected
	grpc      bool        // ask gRPC's health service
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

// check returns nil when the address answers a GET with a status that is expected,
// within the timeout. The head is enough: an answer may go on for ever. Redirects are an
// answer and are not followed. A gRPC server must say that it is serving. The error's
// text is for people.
func (p *probe) check(ctx context.Context) error {
	if p.grpc {
		return p.checkGRPC(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := p.request(ctx, http.MethodGet, nil)
	if err != nil {
		return err
	}
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		return p.explain(ctx, err)
	}
	defer time.AfterFunc(probeRest, cancel).Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, probeBody))
	_ = response.Body.Close()
	if !p.asks.Expects(response.StatusCode) {
		return fmt.Errorf("GET %s is answered with %d; %s was expected", p.shown, response.StatusCode, p.asks.Expected())
	}
	return nil
}

// request returns what to ask.
func (p *probe) request(ctx context.Context, method string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, p.url, body)
	if err != nil {
		return nil, fmt.Errorf("the health check's address %s cannot be used: %w", p.shown, err)
	}
	request.Header.Set("User-Agent", "Teal-Health-Check")
	for name, value := range p.asks.Headers {
		request.Header.Set(name, value)
	}
	if p.asks.Host != "" {
		request.Host = p.asks.Host
	}
	return request, nil
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

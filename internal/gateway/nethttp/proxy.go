package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// connectError is a connection to an instance that could not be made.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// flushAfter returns how long a piece of an answer whose length is known may wait
// for more, so that a small answer is written once and not in three frames.
// Answers without a length, such as streams of events, are passed on at once; and
// so are those of HTTP/2, whose instance may answer while the client still sends:
// the answer ends the request, so it must not wait for the request's end.
func (x *roundTrip) flushAfter() time.Duration {
	if x.Claim.Component.HTTP2 {
		return -1
	}
	return time.Millisecond
}

// proxy sends the request to an endpoint and the response back, both as they
// come.
func (x *roundTrip) proxy() {
	ctx, done := x.body.clientContext(x.in)
	defer done()
	ctx, done = x.Claim.Env.Bind(ctx)
	defer done()
	defer x.body.boundTo(ctx)()
	defer x.endAttempt(false)

	in := x.in.WithContext(ctx)
	if x.Claim.Component.HTTP2 || upgradesToHTTP2(in.Header) {
		in.Header = in.Header.Clone()
		in.Header.Del("Upgrade")
		in.Header.Del("Http2-Settings")
	}
	if x.body != nil {
		in.Body = x.body
	}
	if x.IsGRPC() {
		x.due = x.GRPCDeadline(time.Now())
	}
	if err := x.CheckBody(x.in.ContentLength); err != nil {
		x.fail(err)
		return
	}
	x.body.limit(x.CheckBody)
	proxy := httputil.ReverseProxy{
		Rewrite:        x.rewrite,
		Transport:      x,
		FlushInterval:  x.flushAfter(),
		ModifyResponse: x.begin,
		ErrorHandler:   x.proxyFailed,
		ErrorLog:       x.handler.server.errorLog,
		BufferPool:     buffers,
	}
	proxy.ServeHTTP(x.w, in)
}

// upgradesToHTTP2 reports whether the client asks to go on in HTTP/2.
func upgradesToHTTP2(h http.Header) bool {
	return slices.ContainsFunc(h["Upgrade"], exchange.IsUpgradeToHTTP2)
}

// rewrite makes the request as the instance gets it. ReverseProxy has removed
// what is hop-by-hop.
func (x *roundTrip) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.RawQuery = r.In.URL.RawQuery // as sent; ReverseProxy has dropped what it could not parse
	r.Out.Host = r.In.Host
	if x.Claim.Strip {
		r.Out.URL.RawPath = x.ForwardedPath()
		r.Out.URL.Path, _ = url.PathUnescape(r.Out.URL.RawPath) // it has been read before
	}
	if len(r.In.Trailer) > 0 { // its values come when the body has been read
		r.Out.Trailer = http.Header{}
		filterTrailer(r.Out.Trailer, r.In.Trailer, x.handler.policy.PassesTrailer)
		x.body.whenRead(func() { filterTrailer(r.Out.Trailer, r.In.Trailer, x.handler.policy.PassesTrailer) })
	}
	const ours = 6 // that Forward adds
	x.Forward(refilled(r.Out.Header, received{x}.Len()+ours, aboutRequest))
}

// aboutRequest are the fields about the connection to the instance that ReverseProxy
// has set, or that its transport understands.
var aboutRequest = []string{"Connection", "Upgrade", "Te", "Expect"}

// begin passes on the head of the instance's response.
func (x *roundTrip) begin(r *http.Response) error {
	sent := headOf(r.Header)
	upgrade := r.StatusCode == http.StatusSwitchingProtocols
	if upgrade && !strings.EqualFold(r.Header.Get("Upgrade"), x.in.Header.Get("Upgrade")) {
		return nil // ReverseProxy refuses it
	}
	x.Begins(r.StatusCode, sent)
	x.passResponse(r, sent)
	// A nil value keeps net/http from guessing a type that the instance did not
	// give. ReverseProxy forgets it when it passes an interim answer on.
	x.w.Header()["Content-Type"] = nil
	if upgrade {
		return nil // its body is the connection
	}
	if x.IsGRPC() {
		x.grpc = r
	}
	r.Trailer = filteredTrailer(r.Trailer)
	if isWhole(r) {
		x.endWithHead(r)
	}
	x.reply = reply{r.Body, x, r}
	r.Body = &x.reply
	return nil
}

// passResponse makes the header of a response what the client gets, with the framing
// that net/http keeps there.
func (x *roundTrip) passResponse(r *http.Response, sent fields) {
	kept := []string{"Content-Length"}
	if r.StatusCode == http.StatusSwitchingProtocols {
		kept = []string{"Connection", "Upgrade"}
	}
	x.PassResponse(refilled(r.Header, len(sent)+1, kept), sent)
}

// endWithHead passes on that a response has ended with its head, which ReverseProxy
// would flush on a timer, in a race with the handler's end.
func (x *roundTrip) endWithHead(r *http.Response) {
	if r.StatusCode == http.StatusNotModified {
		r.Body = http.NoBody // over HTTP/2, net/http misses the body whose length the head may say
	}
	if s, shared := x.w.(*stream); shared {
		s.endsWithHead()
	}
}

// isWhole reports whether a response has ended with its head. Its body then is one
// without state, which has nothing to give: http.NoBody, or what net/http has in its
// place over HTTP/2, which has no name. A length of 0 would not tell: trailers may
// follow, or an end that comes later.
func isWhole(r *http.Response) bool { return reflect.TypeOf(r.Body).Size() == 0 }

// reply is the body of an instance's response. It notices when the instance
// breaks off.
type reply struct {
	io.ReadCloser
	*roundTrip
	response *http.Response
}

// Read implements io.Reader.
func (r *reply) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.out += int64(n)
	if errors.Is(err, io.EOF) {
		r.response.Trailer = filteredTrailer(r.response.Trailer)
	}
	// The context has ended when it is the client that broke off.
	gone := r.in.Context().Err() != nil && !r.body.abandoned()
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || gone || r.Claim.IsOverdue() {
		return n, err
	}
	if r.overdue() {
		r.endOverdue()
		return n, io.EOF
	}
	r.Break(r.BrokenOff(err), gateway.FaultConnection)
	return n, err
}

// filterTrailer copies those fields that pass reports true for, and that neither
// frame nor are about one connection.
func filterTrailer(to, from http.Header, pass func(name []byte) bool) {
	for name, values := range from {
		if !http1.IsAboutConnection(name) && pass([]byte(name)) {
			to[name] = values
		}
	}
}

// filteredTrailer returns what of an answer's trailer is for the client.
func filteredTrailer(trailer http.Header) http.Header {
	if len(trailer) == 0 {
		return trailer
	}
	passed := make(http.Header, len(trailer))
	filterTrailer(passed, trailer, exchange.PassesTrailer)
	return passed
}

// RoundTrip implements http.RoundTripper: it sends the request to an endpoint,
// and to another one when no connection could be made.
func (x *roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	transport := x.handler.server.transport(x.Claim)
	var failure *connectError
	for range exchange.ConnectAttempts {
		endpoint, err := x.Claim.Component.Endpoints.Claim()
		if err != nil {
			return nil, err
		}
		x.endpoint = endpoint
		address := endpoint.Address()
		response, err := transport.RoundTrip(expecting(x.requestTo(r, address)))
		if err == nil {
			x.Instance = address.Host
			return response, nil
		}
		failed := errors.As(err, &failure) && r.Context().Err() == nil
		x.endAttempt(failed)
		if !failed {
			return nil, err
		}
	}
	return nil, failure
}

// endAttempt gives the endpoint back. It does nothing when that has been done.
func (x *roundTrip) endAttempt(failed bool) {
	if x.endpoint != nil {
		x.endpoint.Done(failed)
		x.endpoint = nil
	}
}

// requestTo returns r as it goes to an address. r stays as it is, for the next
// attempt.
func (x *roundTrip) requestTo(r *http.Request, to gateway.Address) *http.Request {
	out := *r
	target := *r.URL
	target.Scheme, target.Host = to.Scheme, to.Host
	if base := strings.TrimSuffix(to.Path, "/"); base != "" {
		target.Path = base + target.Path
		if target.RawPath != "" {
			target.RawPath = (&url.URL{Path: base}).EscapedPath() + target.RawPath
		}
	}
	out.URL = &target
	out.Host = x.ForwardedHost(to)
	if r.Body != nil && x.body != nil {
		out.Body = &attempt{requestBody: x.body, ctx: r.Context()}
	}
	return &out
}

// proxyFailed answers when there is no response from the instance.
func (x *roundTrip) proxyFailed(_ http.ResponseWriter, r *http.Request, err error) {
	err = x.explain(r.Context(), err)
	if own := (*teal.Error)(nil); !errors.As(err, &own) && !errors.Is(err, exchange.ErrClientGone) {
		err = x.upstreamError(err)
	}
	x.fail(err)
}

// upstreamError says how an instance failed.
func (x *roundTrip) upstreamError(err error) error {
	var connect *connectError
	var timeout net.Error
	switch {
	case errors.As(err, &connect):
		return x.NoConnection(err)
	case x.overdue():
		return x.NoAnswerInCall(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return x.NoAnswer(x.handler.policy.Limits.FirstByte, err)
	case strings.Contains(err.Error(), "malformed HTTP") || strings.Contains(err.Error(), "exceeded"):
		return x.NotHTTP(err)
	}
	return x.Broken(err)
}

func (s *Server) newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: s.policy.Limits.Connect}
	secure := &tls.Dialer{NetDialer: dialer}
	return &http.Transport{
		DialContext:            reportConnect(dialer.DialContext),
		DialTLSContext:         reportConnect(secure.DialContext),
		DisableCompression:     true, // what an instance sends is what the client gets
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        s.policy.Limits.BackendIdle,
		ResponseHeaderTimeout:  s.policy.Limits.FirstByte,
		ExpectContinueTimeout:  s.policy.Limits.Continue,
		MaxResponseHeaderBytes: int64(s.policy.Limits.HeaderBytes),
	}
}

// newHTTP1Transport returns a transport that speaks HTTP/1.1.
func (s *Server) newHTTP1Transport() *http.Transport {
	t := s.newTransport()
	t.DialContext = s.readingAnswers(t.DialContext)
	t.DialTLSContext = s.readingAnswers(t.DialTLSContext)
	return t
}

func (s *Server) readingAnswers(connect dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := connect(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newInstanceConn(c, s.policy.ResponseLimits()), nil
	}
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

func reportConnect(connect dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := connect(ctx, network, address)
		if err != nil {
			return nil, &connectError{err}
		}
		return c, nil
	}
}

// bufferPool lends the buffers through which bodies are copied.
type bufferPool struct{ pool sync.Pool }

// buffers is shared by all servers: memory that is lent, not state.
var buffers = &bufferPool{pool: sync.Pool{New: func() any { return new([32 << 10]byte) }}}

// Get implements httputil.BufferPool.
func (b *bufferPool) Get() []byte { return b.pool.Get().(*[32 << 10]byte)[:] }

// Put implements httputil.BufferPool.
func (b *bufferPool) Put(buffer []byte) { b.pool.Put((*[32 << 10]byte)(buffer)) }

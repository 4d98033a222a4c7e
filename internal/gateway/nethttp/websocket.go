package nethttp

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/xconnect"
)

func init() { xconnect.Restore() }

// headerProtocol is where net/http puts the pseudo-header of an extended
// CONNECT.
const headerProtocol = ":protocol"

// isConnect reports whether the request wants a tunnel through its stream
// (RFC 8441).
func isConnect(r *http.Request) bool {
	return r.Method == http.MethodConnect && len(r.Header[headerProtocol]) > 0
}

// connect opens a WebSocket in a stream of an HTTP/2 connection. For the instance
// it is an upgrade in HTTP/1.1; what it answers instead of agreeing is passed on.
// An instance that speaks HTTP/2 would have to get the same request again, which
// net/http's client cannot send.
func (x *roundTrip) connect() {
	if protocol := x.in.Header.Get(headerProtocol); protocol != "websocket" {
		x.fail(gateway.PublicErrorf(teal.CodeUnsupported, "the protocol %q in a CONNECT request is %w; use websocket", gateway.Excerpt(protocol, ""), exchange.ErrNotImplemented))
		return
	}
	if c := x.Claim.Component; c.Endpoints == nil || c.HTTP2 {
		x.fail(teal.Errorf(teal.CodeUnsupported, "a WebSocket to component %q is %w; route it to a service or upstream that speaks HTTP/1.1", c.Name, exchange.ErrNotImplemented))
		return
	}
	ctx, done := x.Claim.Env.Bind(x.in.Context())
	defer done()
	defer x.endAttempt(false)
	response, up, err := x.upgrade(ctx)
	if err != nil {
		x.proxyFailed(x.w, x.in.WithContext(ctx), err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	if err := x.CheckTunnel(response.StatusCode); err != nil {
		x.fail(err)
		return
	}
	h := x.w.Header()
	x.passResponse(response, headOf(response.Header))
	maps.Copy(h, response.Header)
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Accept"} {
		h.Del(name)
	}
	if up == nil {
		x.Answered(response.StatusCode)
		x.w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(flushing{x.w}, response.Body) // either may have gone; nobody is left to tell
		return
	}
	h.Del("Content-Length")
	x.Answered(http.StatusOK)
	x.Report() // it is answered when it begins, and may last for hours
	x.w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(x.w).Flush() // a client that has gone is found out below
	x.carry(ctx, response.Body, up)
}

// tunnelRequest returns the CONNECT request as the instance gets it, without what
// makes it one.
func (x *roundTrip) tunnelRequest(ctx context.Context) *http.Request {
	out := x.in.Clone(ctx)
	out.Body, out.ContentLength, out.RequestURI = nil, 0, ""
	out.Header = http.Header{}
	x.Forward(&header{Header: out.Header})
	return out
}

// tunnel is the way towards an instance.
type tunnel interface {
	io.Writer
	CloseWrite() error
}

// upgrade asks an instance. The tunnel is nil when it does not agree.
func (x *roundTrip) upgrade(ctx context.Context) (*http.Response, tunnel, error) {
	out := x.tunnelRequest(ctx)
	out.Method = http.MethodGet
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	out.Header.Set("Connection", "Upgrade")
	out.Header.Set("Upgrade", "websocket")
	out.Header.Set("Sec-Websocket-Key", key)
	response, err := x.RoundTrip(out)
	if err != nil {
		return nil, nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return response, nil, nil
	}
	up, ok := response.Body.(tunnel)
	if !ok || response.Header.Get("Sec-Websocket-Accept") != accepts(key) || !strings.EqualFold(response.Header.Get("Upgrade"), "websocket") {
		return nil, nil, errors.Join(errors.New("malformed HTTP answer to a WebSocket upgrade"), response.Body.Close())
	}
	return response, up, nil
}

// accepts returns the proof that a server has understood a WebSocket upgrade
// (RFC 6455, section 4.2.2).
func accepts(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// carry copies both ways until the instance has said its last, the client has
// gone, or ctx ends. It returns when nothing is being copied any more.
func (x *roundTrip) carry(ctx context.Context, down io.ReadCloser, up tunnel) {
	stop := context.AfterFunc(ctx, func() { _ = down.Close() })
	defer stop()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := io.Copy(up, x.in.Body); err != nil {
			_ = down.Close() // the client's stream is broken, so the other way ends too
			return
		}
		_ = up.CloseWrite()
	}()
	_, err := io.Copy(flushing{x.w}, down)
	_ = x.carrier.SetReadDeadline(past)
	_ = down.Close() // also ends a write that the instance does not take
	_ = up.CloseWrite()
	<-sent
	if err != nil || ctx.Err() != nil {
		panic(http.ErrAbortHandler) // resets the stream: the end was not the instance's
	}
}

// flushing passes on every write at once.
type flushing struct{ http.ResponseWriter }

// Write implements io.Writer.
func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = http.NewResponseController(f.ResponseWriter).Flush()
	}
	return n, err
}

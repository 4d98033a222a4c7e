package nethttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// handler handles the requests of one listener.
type handler struct {
	server *Server
	policy *exchange.Policy
	at     Listener
	life   context.Context // ends when the grace period of a shutdown is over
	gate   gateway.Gate    // counts the handlers that run
}

// ServeHTTP implements http.Handler: claim, answer, release.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.gate.Enter()
	defer h.gate.Release()
	c := connOf(r.Context())
	if c.spent.Load() {
		// What net/http took for a request is the rest of an unread body.
		panic(http.ErrAbortHandler)
	}
	defer h.reportPanic(r)

	x := &roundTrip{handler: h, w: w, in: r, carrier: c}
	if r.ProtoMajor == 2 {
		s := newStream(w, h.policy.Limits.WriteStall)
		defer s.end()
		x.w, x.carrier = s, s
	}
	x.look()
	defer x.record()
	x.body = newRequestBody(r, x.carrier, h.policy.Limits.BodyStall)
	defer x.body.finish()
	if x.body != nil {
		// Otherwise net/http reads the rest of the body, without a deadline,
		// before it lets the response begin.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	err := h.check(c, r)
	if err == nil {
		x.claim, err = h.claim(r)
	}
	if err != nil {
		x.fail(err)
		x.trace.Whole = true
		return
	}
	defer x.end()
	if err := h.checkLoad(x.claim, r); err != nil {
		x.fail(err)
		x.trace.Whole = true
		return
	}
	switch {
	case isConnect(r):
		x.connect()
	case x.claim.Component.Function != nil:
		x.invoke()
	default:
		x.proxy()
	}
	x.trace.Whole = true
}

// check returns why a request may not come in. Who has opened the connection is
// looked up with its first request: the listener goes on accepting meanwhile.
func (h *handler) check(c *conn, r *http.Request) error {
	if h.at.Environment == nil {
		return nil
	}
	c.visit.once.Do(func() {
		c.visit.admission = h.at.Admission(addressOf(c.RemoteAddr()), addressOf(c.LocalAddr()))
	})
	return h.at.CheckAdmission(c.visit.admission, r.Host, headOf(r.Header))
}

// visit is what is known of who has opened a connection.
type visit struct {
	once      sync.Once
	admission gateway.Admission
}

// claim returns what the request belongs to: a claim that has been made before it came
// here, or a new one.
func (h *handler) claim(r *http.Request) (gateway.Claim, error) {
	if h.at.Environment == nil {
		if claim, ok := claimed(r); ok {
			return claim, nil
		}
	}
	return h.policy.Claim(&h.at.Entrypoint, remoteAddr(r), r.Host, r.URL.Path, headOf(r.Header))
}

// checkLoad refuses a request that is one too many, or has too many header fields
// for one.
func (h *handler) checkLoad(claim gateway.Claim, r *http.Request) error {
	fields := 0
	for _, values := range r.Header {
		fields += len(values)
	}
	if err := h.policy.CheckFields(fields); err != nil {
		return err
	}
	return h.policy.CheckInFlight(claim)
}

// reportPanic logs a defect with its stack. net/http then closes the connection.
func (h *handler) reportPanic(r *http.Request) {
	if v := recover(); v != nil {
		if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			h.policy.Logger.Error("a request caused a panic", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
		}
		panic(http.ErrAbortHandler)
	}
}

// exchange is one request and its response.
type roundTrip struct {
	handler  *handler
	w        http.ResponseWriter
	in       *http.Request
	carrier  carrier
	body     *requestBody // nil for none
	claim    gateway.Claim
	endpoint gateway.Endpoint // of the attempt that goes on; nil for none
	held     int64            // of the server's budget for bodies
	result   gateway.Result   // what is known of it so far
	code     teal.Code        // of an error of Teal's own that was the answer
	// requestID is the invocation's, or that of an error of Teal's own.
	requestID string
	trace     exchange.Trace
	reported  bool
	reply     reply          // the body of an instance's response
	grpc      *http.Response // an instance's answer to a gRPC call; nil for none
	due       time.Time      // when a gRPC call is to be over; zero for never
}

// end says how the request went, unless that has been said, and gives the claim
// back.
func (x *roundTrip) end() {
	if !x.reported {
		x.noteGRPC()
		x.report()
	}
	x.claim.Release()
}

func (x *roundTrip) report() {
	x.reported = true
	x.result.Method, x.result.Host, x.result.Path = x.in.Method, x.in.Host, x.in.RequestURI
	x.claim.Report(x.result)
}

// answered notes that the response begins.
func (x *roundTrip) answered(status int) {
	x.result.Status, x.result.Answered = status, time.Now()
}

// remoteAddr returns the address of the peer; the zero Addr when it has none.
func remoteAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}

// addressOf returns the address of one end of a connection; not valid when it has
// none.
func addressOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

package nethttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

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
	x.peer = h.policy.Peer(&h.at.Entrypoint, remoteAddr(r))
	x.Begin(h.policy, &h.at.Entrypoint, &x.peer, received{x})
	x.Watch()
	x.body = newRequestBody(r, x.carrier, x.bodyStall())
	defer x.leave()
	if x.body != nil {
		// Otherwise net/http reads the rest of the body, without a deadline,
		// before it lets the response begin.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	defer x.end()
	err := x.admit(c)
	switch {
	case err != nil:
		x.fail(err)
	case isConnect(r):
		x.connect()
	case x.Claim.Component.Function != nil:
		x.invoke()
	case x.Claim.Component.Files != nil:
		x.file()
	default:
		x.proxy()
	}
	x.Whole = true
}

// leave ends the body of a request that has been answered and measured.
func (x *roundTrip) leave() {
	x.body.finish()
	if x.refused {
		x.body.linger()
	}
}

// admit claims the component that the request is for, or returns why it may not come
// in. Who has opened the connection is looked up with its first request: the listener
// goes on accepting meanwhile.
func (x *roundTrip) admit(c *conn) error {
	at := &x.handler.at
	if at.Environment != nil {
		c.visit.once.Do(func() {
			c.visit.admission = at.Admission(addressOf(c.RemoteAddr()), addressOf(c.LocalAddr()))
		})
		if err := at.CheckAdmission(c.visit.admission, received{x}); err != nil {
			return err
		}
	}
	if err := x.CheckFields(received{x}.Len()); err != nil {
		return err
	}
	if err := x.CheckLine(); err != nil {
		return err
	}
	if err := x.claim(); err != nil {
		return err
	}
	return x.CheckInFlight()
}

// visit is what is known of who has opened a connection.
type visit struct {
	once      sync.Once
	admission gateway.Admission
}

// claim takes the claim that has been made before the request came here, or makes one.
func (x *roundTrip) claim() error {
	if claim, ok := claimed(x.in); ok {
		x.Claim = claim
		return nil
	}
	return x.Choose()
}

// reportPanic logs a defect with its stack. net/http then closes the connection.
func (h *handler) reportPanic(r *http.Request) {
	if v := recover(); v != nil {
		if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			h.policy.LogPanic(v, "method", r.Method, "path", r.URL.Path)
		}
		panic(http.ErrAbortHandler)
	}
}

// roundTrip is one request and its response.
type roundTrip struct {
	exchange.Exchange
	handler   *handler
	w         http.ResponseWriter
	in        *http.Request
	fields    fields // of in, once they have been asked for
	peer      exchange.Peer
	carrier   carrier
	body      *requestBody     // nil for none
	refused   bool             // the gateway has answered, and the client has the whole answer
	endpoint  gateway.Endpoint // of the attempt that goes on; nil for none
	collected exchange.Body    // for a function
	out       int64            // bytes of the answer's body
	reply     reply            // the body of an instance's response
	grpc      *http.Response   // an instance's answer to a gRPC call; nil for none
	due       time.Time        // when a gRPC call is to be over; zero for never
}

// bodyStall returns how long a read of the request's body may take, zero for any time.
// The messages of a gRPC call may be as far apart as it likes: whether its client is
// still there, pings of the connection tell.
func (x *roundTrip) bodyStall() time.Duration {
	if x.IsGRPC() {
		return 0
	}
	return x.handler.policy.Limits.BodyStall
}

// end says how the request went, unless that has been said, and gives the claim
// back.
func (x *roundTrip) end() {
	x.noteGRPC()
	x.Record(x.body.received(), x.out)
	x.End()
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

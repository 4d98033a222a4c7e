package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"teal"
	"teal/internal/http1"
)

// front handles the requests of one listener.
type front struct {
	server   *Server
	claim    func(*http.Request) (Claim, error)
	trusted  func(netip.Addr) bool
	internal bool                     // the clients are components, calling each other
	env      *Environment             // whose listener it is; nil: of the public
	admit    func(net.Conn) Admission // nil: everybody may call
	secure   *tls.Config              // nil: cleartext
	shaken   bool                     // handshakes have been made before net/http gets a connection
	life     context.Context          // ends when the grace period of a shutdown is over
	gate     gate                     // counts the handlers that run
}

// ServeHTTP implements http.Handler: claim, answer, release.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.gate.enter()
	defer f.gate.release()
	c := connOf(r.Context())
	if c.spent.Load() {
		// What net/http took for a request is the rest of an unread body.
		panic(http.ErrAbortHandler)
	}
	defer f.reportPanic(r)

	x := &exchange{front: f, w: w, in: r, carrier: c}
	if r.ProtoMajor == 2 {
		s := newStream(w, f.server.limits.WriteStall)
		defer s.end()
		x.w, x.carrier = s, s
	}
	x.look()
	defer x.record()
	x.body = newRequestBody(r, x.carrier, f.server.limits.BodyStall)
	defer x.body.finish()
	if x.body != nil {
		// Otherwise net/http reads the rest of the body, without a deadline,
		// before it lets the response begin.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	err := f.checkCaller(c, r)
	if err == nil {
		x.claim, err = f.claim(r)
	}
	if err != nil {
		x.fail(err)
		x.sight.whole = true
		return
	}
	defer x.end()
	if err := f.server.checkLoad(x.claim, r); err != nil {
		x.fail(err)
		x.sight.whole = true
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
	x.sight.whole = true
}

// checkLoad refuses a request that is one too many, or has too many header fields
// for one.
func (s *Server) checkLoad(claim Claim, r *http.Request) error {
	fields := 0
	for _, values := range r.Header {
		fields += len(values)
	}
	if fields > s.limits.HeaderFields {
		return refusal(&http1.Error{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "the request has too many header fields"})
	}
	return s.checkInFlight(claim)
}

func (s *Server) checkInFlight(claim Claim) error {
	if most := s.limits.InFlight; claim.Env.InFlight() > most {
		return teal.Errorf(teal.CodeUnavailable, "version %s of app %q has %d requests in flight, which is what it takes; try again", claim.Version, claim.Env.app, most)
	}
	return nil
}

// reportPanic logs a defect with its stack. net/http then closes the connection.
func (f *front) reportPanic(r *http.Request) {
	if v := recover(); v != nil {
		if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			f.server.logger.Error("a request caused a panic", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
		}
		panic(http.ErrAbortHandler)
	}
}

// exchange is one request and its response.
type exchange struct {
	front    *front
	w        http.ResponseWriter
	in       *http.Request
	carrier  carrier
	body     *requestBody // nil for none
	claim    Claim
	endpoint Endpoint  // of the attempt that goes on; nil for none
	held     int64     // of the server's budget for bodies
	result   Result    // what is known of it so far
	code     teal.Code // of an error of Teal's own that was the answer
	// requestID is the invocation's, or that of an error of Teal's own.
	requestID string
	sight     sight
	reported  bool
	reply     reply          // the body of an instance's response
	grpc      *http.Response // an instance's answer to a gRPC call; nil for none
	due       time.Time      // when a gRPC call is to be over; zero for never
}

// end says how the request went, unless that has been said, and gives the claim
// back.
func (x *exchange) end() {
	if !x.reported {
		x.noteGRPC()
		x.report()
	}
	x.claim.Release()
}

func (x *exchange) report() {
	x.reported = true
	x.result.Method, x.result.Host, x.result.Path = x.in.Method, x.in.Host, x.in.RequestURI
	x.claim.Report(x.result)
}

// answered notes that the response begins.
func (x *exchange) answered(status int) {
	x.result.Status, x.result.Answered = status, time.Now()
}

// randomPoint decides a request that has no affinity key.
func randomPoint() teal.Weight { return teal.Weight(rand.Int32N(int32(teal.All))) }

// remoteAddr returns the address of the peer; the zero Addr when it has none.
func remoteAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}

package exchange

import (
	"net/netip"
	"strings"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/http1"
)

// Exchange is one request and its answer, as far as they are the same whatever carries
// them. A carrier has one for each request and goes with it through
//
//	Begin → Watch → Choose → Forward → Begins → PassResponse ┐
//	                       → Invocation → Answered           ├→ Record → End
//	                       → Fail                            ┘
//
// and sets Result.Gone, Result.Failure, Instance and Whole when it knows. An Exchange is
// for one goroutine at a time.
type Exchange struct {
	Claim    gateway.Claim
	Result   gateway.Result // what is known of it so far
	Instance string         // the address of the instance that answered
	Whole    bool           // it came to its end

	policy *Policy
	at     *Entrypoint
	peer   *Peer
	in     Request

	code      teal.Code // of an error of Teal's own that was the answer
	requestID string    // the invocation's, or that of an error of Teal's own
	reported  bool
	start     time.Time // zero when nobody looks on
	span      gateway.Span
	chain     []string // of X-Forwarded-For; kept from one request to the next
}

// Begin makes x ready for a request from a peer.
func (x *Exchange) Begin(p *Policy, at *Entrypoint, peer *Peer, in Request) {
	*x = Exchange{policy: p, at: at, peer: peer, in: in, chain: x.chain[:0]}
}

// Peer is who has opened a connection.
type Peer struct {
	Addr    netip.Addr // the zero Addr when it has none
	trusted bool       // what it says about its own client stands
	text    string     // of Addr
}

// Peer returns what there is to know of a peer at an entrypoint.
func (p *Policy) Peer(at *Entrypoint, addr netip.Addr) Peer {
	peer := Peer{Addr: addr, trusted: p.trusts(at, addr)}
	if addr.IsValid() {
		peer.text = addr.String()
	}
	return peer
}

// Watch begins the record of an exchange, if anybody wants one.
func (x *Exchange) Watch() {
	p := x.policy
	if p.log == nil && p.tracer == nil {
		return
	}
	x.start = time.Now()
	if p.tracer != nil {
		// Copies: a span outlives the buffer.
		parent, state := strings.Clone(Get(x.in, headerTraceParent)), strings.Clone(Get(x.in, headerTraceState))
		x.span = p.tracer.Start(parent, state, x.start)
	}
}

// CheckLine refuses what HTTP/2 lets through and a request over HTTP/1.1 cannot say, so
// that no instance can be asked for it. The codec has looked at what comes over HTTP/1.1.
func (x *Exchange) CheckLine() error {
	line := x.in.Line()
	switch {
	case !http1.IsToken(line.Method):
		return gateway.PublicErrorf(teal.CodeInvalidInput, "the method is not a token")
	case !http1.IsHost(line.Host):
		return gateway.PublicErrorf(teal.CodeInvalidInput, "the host is not HOST or HOST:PORT")
	case !http1.IsTarget(line.Target):
		return gateway.PublicErrorf(teal.CodeInvalidInput, "the path or the query has a character that must be percent-encoded")
	}
	return nil
}

// Answered notes that the answer begins.
func (x *Exchange) Answered(status int) {
	x.Result.Status = status
	if x.Claim.Measured() || !x.start.IsZero() {
		x.Result.Answered = time.Now()
	}
}

// Report tells the meter how the exchange went, once. What lasts is reported when it
// begins: a stream or a connection of hours is answered then.
func (x *Exchange) Report() {
	if x.reported || !x.Claim.Measured() {
		return
	}
	x.reported = true
	line := x.in.Line()
	x.Result.Method, x.Result.Host, x.Result.Path = line.Method, line.Host, line.Target
	x.Claim.Report(x.Result)
}

// End reports how the exchange went and gives the claim back, once.
func (x *Exchange) End() {
	if x.Claim.Env == nil {
		return
	}
	x.Report()
	x.Claim.Release()
	x.Claim = gateway.Claim{}
}

// ClientAddress returns the address of the client: the one that a trusted peer names,
// else the peer's.
func (x *Exchange) ClientAddress() string {
	if x.peer.trusted {
		if client, known := lastClient(chainOf(x.in), x.policy.trusted); known {
			return client.String()
		}
	}
	return x.peer.text
}

// Leave takes the claim out of the exchange, nil for none, for another carrier to go
// on with the request: nothing of x is recorded.
func (x *Exchange) Leave() *gateway.Claim {
	x.start, x.span = time.Time{}, nil
	if x.Claim.Env == nil {
		return nil
	}
	claim := x.Claim
	x.Claim = gateway.Claim{}
	return &claim
}

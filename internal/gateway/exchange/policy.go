package exchange

import (
	"log/slog"
	"net/netip"

	"teal"
	"teal/internal/gateway"
	"teal/internal/http1"
)

// Config is what a Policy is made of. Gateway is required.
type Config struct {
	Gateway *gateway.Gateway
	Logger  *slog.Logger // nil: nothing is logged
	// Override says which clients may choose a version with the Teal-Version and
	// Teal-Alias headers; nil is nobody. Others who try get 403, as does who comes
	// through a proxy that is not trusted, or that does not name its client.
	Override func(remote netip.Addr) bool
	// Trusted says whose X-Forwarded-* headers are believed and added to: a load
	// balancer in front. nil is nobody; what others send is replaced.
	Trusted func(remote netip.Addr) bool
	// Underscores passes header fields on whose names have underscores, unless
	// they could be taken for what Teal or a trusted peer says. Behind WSGI and CGI
	// X_Real_IP and X-Real-IP are the same.
	Underscores bool
	// Certificates, if set, is asked about requests that come to everybody's listeners
	// without TLS.
	Certificates Certificates
	// TransportSecurity is the value of Strict-Transport-Security in what is answered
	// over TLS; "" is none.
	TransportSecurity string
	Limits            gateway.Limits
	Log               gateway.Log    // nil: exchanges are not logged
	Tracer            gateway.Tracer // nil: exchanges are not traced
}

// ConnectAttempts bounds how many endpoints are tried for one request when
// connections cannot be made. Nothing has been sent by then, so trying another
// one is always safe.
const ConnectAttempts = 3

// Policy is what holds for every exchange of one server, and what they all draw on.
// It is for concurrent use.
type Policy struct {
	Limits gateway.Limits // with defaults
	Logger *slog.Logger

	gateway  *gateway.Gateway
	override func(netip.Addr) bool
	trusted  func(netip.Addr) bool
	rules    headerRules
	log      gateway.Log
	tracer   gateway.Tracer

	certificates      Certificates // nil for none
	transportSecurity string

	bodies   *budget
	failures failureBudget
}

// NewPolicy returns the policy of a server.
func NewPolicy(config Config) *Policy {
	p := &Policy{
		Limits:   config.Limits.WithDefaults(),
		Logger:   config.Logger,
		gateway:  config.Gateway,
		override: config.Override,
		trusted:  config.Trusted,
		rules:    headerRules{underscores: config.Underscores},
		log:      config.Log,
		tracer:   config.Tracer,

		certificates:      config.Certificates,
		transportSecurity: config.TransportSecurity,
	}
	p.bodies = newBudget(int64(p.Limits.FunctionBodies))
	nobody := func(netip.Addr) bool { return false }
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.override == nil {
		p.override = nobody
	}
	if p.trusted == nil {
		p.trusted = nobody
	}
	return p
}

// CheckFields refuses a head with too many fields.
func (x *Exchange) CheckFields(n int) error {
	if n <= x.policy.Limits.HeaderFields {
		return nil
	}
	return Refusal(&http1.Error{Status: statusRequestHeaderFieldsTooLarge, Reason: "there are too many header fields"})
}

// responseFields bounds the header fields of a response. The bytes of its head do
// already; this keeps what is done for each field from becoming long.
const responseFields = 2000

// ResponseLimits bounds the head of an instance's response.
func (p *Policy) ResponseLimits() http1.Limits {
	return http1.Limits{Bytes: p.Limits.HeaderBytes, Fields: responseFields}
}

// CheckInFlight refuses a request that is one too many.
func (x *Exchange) CheckInFlight() error {
	claim := x.Claim
	if most := x.policy.Limits.InFlight; claim.Env.InFlight() > most {
		return teal.Errorf(teal.CodeUnavailable, "version %s of app %q has %d requests in flight, which is what it takes; try again", claim.Version, claim.Env.App(), most)
	}
	return nil
}

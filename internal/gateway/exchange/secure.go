package exchange

import (
	"errors"
	"strings"

	"teal/internal/gateway"
)

// Certificates is what is known about TLS of the hosts of requests that come without
// it. Hosts are in lower case and without a port. Neither method may block, nor keep
// what it is given.
type Certificates interface {
	// Challenge returns the answer to what a certificate authority asks right now at a
	// path of a host.
	Challenge(host, path string) (answer string, asked bool)
	// Instead returns the origin, such as https://shop.example, where requests for a
	// host are to be sent instead; false where they may come as they are.
	Instead(host string) (origin string, elsewhere bool)
}

// challengePath is below which an authority asks, and so what is never redirected: what
// it does not ask there is the app's own.
const challengePath = "/.well-known/acme-challenge/"

// beforeRoutes answers, by its error, what is not for an app.
func (x *Exchange) beforeRoutes(host, path string) error {
	host = gateway.NormalHost(host)
	if strings.HasPrefix(path, challengePath) {
		if answer, asked := x.policy.certificates.Challenge(host, path); asked {
			return &proof{answer}
		}
		return nil
	}
	origin, elsewhere := x.policy.certificates.Instead(host)
	if !elsewhere || x.peer.trusted && strings.EqualFold(Get(x.in, headerForwardedProto), "https") {
		return nil
	}
	return gateway.Securely(origin)
}

// proof is the answer to a certificate authority, as the error that there is no route.
type proof struct{ text string }

// Error implements error.
func (p *proof) Error() string { return "a certificate authority asks" }

func isProof(err error) bool {
	_, is := errors.AsType[*proof](err)
	return is
}

const headerTransportSecurity = "Strict-Transport-Security"

// transportSecurity returns what an answer says about TLS, "" for nothing: browsers
// believe it over TLS alone.
func (x *Exchange) transportSecurity() string {
	if !x.at.Secure {
		return ""
	}
	return x.policy.transportSecurity
}

func addTransportSecurity(to Fields, value string) {
	if value != "" {
		to.Add(headerTransportSecurity, value)
	}
}

package exchange

import (
	"net/netip"
	"strings"

	"teal"
	"teal/internal/gateway"
)

// Entrypoint says where the requests of one listener go and who sends them there. The
// zero Entrypoint is a public one: the gateway's table decides.
type Entrypoint struct {
	// Environment is set for a listener of a running version: every request goes to
	// that very environment, whatever the table says, by its own routes. Who is
	// admitted runs inside Teal or as its user, so what it says about forwarding
	// stands and what is behind is no secret.
	Environment *gateway.Environment
	// Component, of Environment, gets every request: its callers are the components of
	// the environment, so that green talks to green.
	Component *gateway.Component
	Secure    bool // its clients speak TLS
}

// Public is the entrypoint for everybody.
func Public(secure bool) Entrypoint { return Entrypoint{Secure: secure} }

// Preview is the entrypoint to an environment by its own routes.
func Preview(env *gateway.Environment) Entrypoint { return Entrypoint{Environment: env} }

// Sibling is the entrypoint for calls from inside an environment to one of its
// components. The error carries teal.CodeUnknownComponent.
func Sibling(env *gateway.Environment, component string) (Entrypoint, error) {
	c, err := env.Component(component)
	return Entrypoint{Environment: env, Component: c}, err
}

// Scheme returns how its clients speak.
func (e *Entrypoint) Scheme() string {
	if e.Secure {
		return "https"
	}
	return "http"
}

// name returns the component whose listener it is, "" for the preview.
func (e *Entrypoint) name() string {
	if e.Component == nil {
		return ""
	}
	return e.Component.Name
}

// IsPublic reports whether everybody may come in.
func (e *Entrypoint) IsPublic() bool { return e.Environment == nil }

// isInternal reports whether components call each other there.
func (e *Entrypoint) isInternal() bool { return e.Component != nil }

// trusts reports whether what a peer says about its own client stands.
func (p *Policy) trusts(at *Entrypoint, peer netip.Addr) bool {
	return at.Environment != nil || p.trusted(peer)
}

// Choose claims the component that the request is for and counts the request in. It
// allocates nothing unless it fails, the request overrides, or its path is not in normal
// form. Nothing of the claim lies in the carrier's buffer.
func (x *Exchange) Choose() (err error) {
	line := x.in.Line()
	method := line.Method
	if method == "CONNECT" { // of a WebSocket over HTTP/2, which is a GET over HTTP/1.1 (RFC 8441)
		method = "GET"
	}
	x.Claim, err = x.claim(gateway.Head{Host: line.Host, Path: line.Path, Method: method})
	return err
}

func (x *Exchange) claim(head gateway.Head) (gateway.Claim, error) {
	switch env := x.at.Environment; {
	case x.at.Component != nil:
		env.Enter()
		return gateway.Claim{Env: env, Component: x.at.Component, Version: env.Version(), Inside: true}, nil
	case env != nil:
		return env.Preview(head)
	}
	if !x.at.Secure && x.policy.certificates != nil {
		if err := x.beforeRoutes(head.Host, head.Path); err != nil {
			return gateway.Claim{}, err
		}
	}
	head.Version, head.Alias = overrides(x.in)
	if (head.Version != "" || head.Alias != "") && !x.policy.mayOverride(x.peer.Addr, x.in) {
		return gateway.Claim{}, gateway.PublicErrorf(teal.CodeOverrideForbidden, "this client may not choose a version with %s or %s", headerVersion, headerAlias)
	}
	return x.policy.gateway.Claim(head, gateway.RandomPoint())
}

// overrides returns which version or alias a request asks for.
func overrides(head Head) (version, alias string) {
	for i := range head.Len() {
		switch name, value, _ := head.Field(i); {
		case isName(name, headerVersion):
			version = or(version, strings.Clone(value)) // a claim outlives the buffer
		case isName(name, headerAlias):
			alias = or(alias, strings.Clone(value))
		}
	}
	return version, alias
}

// seesInternals reports whether the sender of a request may read what is behind the
// gateway: whoever is admitted to a listener of an environment, and on the public
// ones whoever asks for a version and may.
func (p *Policy) seesInternals(at *Entrypoint, peer netip.Addr, head Head) bool {
	if at.Environment != nil {
		return true
	}
	for i := range head.Len() {
		if name, _, _ := head.Field(i); isName(name, headerVersion) || isName(name, headerAlias) {
			return p.mayOverride(peer, head)
		}
	}
	return false
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

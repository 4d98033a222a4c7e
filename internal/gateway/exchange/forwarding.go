package exchange

import (
	"strings"

	"teal/internal/gateway"
)

// The headers of Teal's own. Those that a client sends with the prefix are never
// passed on, so that a service can believe what it sees.
const (
	headerVersion = "Teal-Version"
	headerAlias   = "Teal-Alias"

	prefixTeal = "Teal-"
)

// The headers that say where a request came from before its peer sent it.
const (
	headerForwardedFor   = "X-Forwarded-For"
	headerForwardedProto = "X-Forwarded-Proto"
	headerForwardedHost  = "X-Forwarded-Host"
	headerForwardedPort  = "X-Forwarded-Port"
	headerPrefix         = "X-Forwarded-Prefix" // what of the path was left out on the way
	headerForwarded      = "Forwarded"
	headerRealIP         = "X-Real-IP"

	prefixForwarded = "X-Forwarded-"
)

// Forward passes on to the component what the request's head says, and tells it who
// sent the request, which version the component belongs to and which trace it is part
// of. What a trusted peer said about its own client is kept and added to; what anybody
// else said is left out. What is about one connection, and framing, are the carrier's.
func (x *Exchange) Forward(to Fields) {
	for i := range x.in.Len() {
		if name, value, endToEnd := x.in.Field(i); x.isForComponent(name, endToEnd) && x.passes(name) {
			to.Add(name, value)
		}
	}
	to.Add(headerVersion, x.Claim.Env.Label())
	x.forwardOrigin(to)
	x.forwardPrefix(to)
	x.forwardTrace(to)
}

// ForwardedPath returns the path, percent-encoded, that the component is asked for.
func (x *Exchange) ForwardedPath() string {
	path := x.in.Line().Path
	if !x.strips() {
		return path
	}
	return gateway.Stripped(path, x.Claim.Route)
}

// strips reports whether the path of the route is left out.
func (x *Exchange) strips() bool { return x.Claim.Strip && x.Claim.Route != "" }

// forwardPrefix says what is left out of the path, behind what a trusted peer has left
// out before.
func (x *Exchange) forwardPrefix(to Fields) {
	if !x.strips() {
		return
	}
	before := ""
	if x.peer.trusted {
		before = strings.TrimRight(Get(x.in, headerPrefix), "/")
	}
	to.Add(headerPrefix, before+x.Claim.Route)
}

// ForwardedHost returns the Host header that an instance gets.
func (x *Exchange) ForwardedHost(to gateway.Address) string {
	if to.OwnHost {
		return to.Host
	}
	return x.in.Line().Host
}

// isForComponent reports whether a field is not about the connection. What a trusted
// peer says about its client stands, even if Connection names it: whoever had that
// written could make a component believe that the proxy is the client.
func (x *Exchange) isForComponent(name string, endToEnd bool) bool {
	return endToEnd || x.peer.trusted && isForwarding(name)
}

// passes reports whether a header is passed on as it is: not what the rules keep out,
// nor what is written anew.
func (x *Exchange) passes(name string) bool {
	if !x.policy.rules.passes(name, x.peer.trusted) {
		return false
	}
	switch name[0] | 0x20 {
	case 't':
		return x.span == nil || !isName(name, headerTraceParent) && !isName(name, headerTraceState)
	case 'x':
		return !isName(name, headerForwardedFor) && !isName(name, headerForwardedProto) && !isName(name, headerForwardedHost) &&
			(!x.strips() || !isName(name, headerPrefix))
	}
	return true
}

func (x *Exchange) forwardOrigin(to Fields) {
	proto, host := "", ""
	x.chain = x.chain[:0]
	if x.peer.trusted {
		for i := range x.in.Len() {
			switch name, value, _ := x.in.Field(i); {
			case isName(name, headerForwardedFor):
				x.chain = append(x.chain, value)
			case isName(name, headerForwardedProto):
				proto = or(proto, value)
			case isName(name, headerForwardedHost):
				host = or(host, value)
			}
		}
	}
	if x.peer.text != "" {
		x.chain = append(x.chain, x.peer.text)
	}
	if len(x.chain) > 0 {
		to.AddList(headerForwardedFor, x.chain)
	}
	to.Add(headerForwardedProto, or(proto, x.at.Scheme()))
	to.Add(headerForwardedHost, or(host, x.in.Line().Host))
}

// forwardTrace makes the component's part of the trace follow this one.
func (x *Exchange) forwardTrace(to Fields) {
	if x.span == nil {
		return
	}
	parent, state := x.span.Context()
	to.Add(headerTraceParent, parent)
	if state != "" {
		to.Add(headerTraceState, state)
	}
}

// headerRules decides which header and trailer fields of a client's reach a
// component, in requests and in events.
type headerRules struct {
	underscores bool // names with underscores are passed on
}

// passes reports whether a header of that name is passed on: not what only Teal may
// say, nor, unless the peer is trusted, what a proxy says about its client. Names with
// an underscore are left out: to a program behind WSGI or CGI Teal_Version and
// Teal-Version are the same.
func (h headerRules) passes(name string, trusted bool) bool {
	if strings.IndexByte(name, '_') >= 0 {
		return h.underscores && headerRules{}.passes(strings.ReplaceAll(name, "_", "-"), false)
	}
	switch name[0] | 0x20 {
	case 't':
		return !hasPrefix(name, prefixTeal)
	case 'f', 'x':
		return trusted || !isForwarding(name)
	}
	return true
}

// isForwarding reports whether a field says where a request came from before its
// peer sent it.
func isForwarding(name string) bool {
	return hasPrefix(name, prefixForwarded) || isName(name, headerForwarded) || isName(name, headerRealIP)
}

// PassesTrailer reports whether a trailer field of a request is passed on. Nobody
// is trusted for what comes there.
func (p *Policy) PassesTrailer(name []byte) bool {
	return p.rules.passes(string(name), false) && PassesTrailer(name)
}

// PassesTrailer keeps out of trailers what a recipient must not learn there, and
// what only Teal may say.
func PassesTrailer(name []byte) bool {
	field := string(name)
	for _, kept := range keptOutOfTrailers {
		if isName(field, kept) {
			return false
		}
	}
	return !hasPrefix(field, prefixTeal) && !isForwarding(field)
}

var keptOutOfTrailers = []string{
	"Content-Type", "Content-Encoding", "Content-Range", "Authorization", "Cookie", "Set-Cookie", "Trailer",
}

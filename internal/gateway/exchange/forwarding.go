package exchange

import (
	"bytes"
	"net/netip"
	"net/textproto"
	"strings"

	"teal/internal/http1"
)

// The headers of Teal's own. Those that a client sends with the prefix are never
// passed on, so that a service can believe what it sees.
const (
	HeaderVersion = "Teal-Version"
	HeaderAlias   = "Teal-Alias"

	headerForwardedFor = "X-Forwarded-For"
)

// headerRules decides which header and trailer fields of a client's reach a
// component, in requests and in events.
type headerRules struct {
	underscores bool // names with underscores are passed on
}

// passes reports whether a header of that name is passed on as it is: not what
// only Teal may say, nor, unless the peer is trusted, what a proxy says about its
// client. Names with an underscore are left out: to a program behind WSGI or CGI
// Teal_Version and Teal-Version are the same.
func (h headerRules) passes(name []byte, trusted bool) bool {
	if bytes.IndexByte(name, '_') >= 0 {
		return h.underscores && headerRules{}.passes(bytes.ReplaceAll(name, []byte("_"), []byte("-")), false)
	}
	switch name[0] | 0x20 {
	case 't':
		return !http1.HasPrefixFold(name, "teal-")
	case 'f', 'x':
		return trusted || !isForwarding(name)
	}
	return true
}

// passesTrailer reports whether a trailer field of a request is passed on. Nobody
// is trusted for what comes there.
func (h headerRules) passesTrailer(name []byte) bool {
	return h.passes(name, false) && PassesTrailer(name)
}

// Passes reports whether a header of that name is passed on to a component as it is.
func (p *Policy) Passes(name []byte, trusted bool) bool { return p.rules.passes(name, trusted) }

// PassesTrailer reports whether a trailer field of a request is passed on.
func (p *Policy) PassesTrailer(name []byte) bool { return p.rules.passesTrailer(name) }

// isForwarding reports whether a field says where a request came from before its
// peer sent it.
func isForwarding(name []byte) bool {
	return http1.HasPrefixFold(name, "x-forwarded-") || http1.EqualFold(name, "forwarded") || http1.EqualFold(name, "x-real-ip")
}

// PassesTrailer keeps out of trailers what a recipient must not learn there, and
// what only Teal may say.
func PassesTrailer(name []byte) bool {
	switch {
	case http1.HasPrefixFold(name, "teal-"), isForwarding(name),
		http1.EqualFold(name, "content-type"), http1.EqualFold(name, "content-encoding"), http1.EqualFold(name, "content-range"),
		http1.EqualFold(name, "authorization"), http1.EqualFold(name, "cookie"), http1.EqualFold(name, "set-cookie"),
		http1.EqualFold(name, "trailer"):
		return false
	}
	return true
}

// FilterTrailer copies those fields that pass reports true for, and that neither
// frame nor are about one connection.
func FilterTrailer(to, from textproto.MIMEHeader, pass func(name []byte) bool) {
	for name, values := range from {
		if !http1.IsAboutConnection(name) && pass([]byte(name)) {
			to[name] = values
		}
	}
}

// Origin is where a request comes from, as a component is told.
type Origin struct {
	Peer    netip.Addr // the zero Addr when it has none
	Trusted bool       // what the peer says about its own client stands
	Scheme  string     // that it speaks
	Host    string     // as sent
	Label   string     // of the version that answers
	policy  *Policy
}

// Set sets what a component is told about the request: who sent it, and which
// version the component belongs to. What a trusted peer said about its own client
// is kept and added to; what anybody else said is removed.
func (o Origin) Set(out, in textproto.MIMEHeader) {
	for name := range out {
		if !o.policy.rules.passes([]byte(name), false) {
			delete(out, name)
		}
	}
	out.Set(HeaderVersion, o.Label)

	chain, proto, host := "", o.Scheme, o.Host
	if o.Trusted {
		for name, values := range in {
			if isForwarding([]byte(name)) {
				out[name] = values
			}
		}
		chain = strings.Join(in["X-Forwarded-For"], ", ")
		proto, host = or(in.Get("X-Forwarded-Proto"), proto), or(in.Get("X-Forwarded-Host"), host)
	}
	if o.Peer.IsValid() && chain != "" {
		chain += ", "
	}
	if o.Peer.IsValid() {
		chain += o.Peer.String()
	}
	if chain != "" {
		out.Set("X-Forwarded-For", chain)
	}
	out.Set("X-Forwarded-Proto", proto)
	out.Set("X-Forwarded-Host", host)
}

// SourceIP returns the address of the client: the peer's, or, when that is a
// trusted proxy, the one that it names.
func (o Origin) SourceIP(in textproto.MIMEHeader) string {
	if chain := in["X-Forwarded-For"]; len(chain) > 0 && o.Trusted {
		return lastClient(chain, o.policy.trusted)
	}
	if !o.Peer.IsValid() {
		return ""
	}
	return o.Peer.String()
}

// Origin returns where a request from a peer comes from, that was sent to a host and
// is answered by the version of the label, "" while none is known.
func (p *Policy) Origin(at *Entrypoint, peer netip.Addr, host, label string) Origin {
	return Origin{Peer: peer, Trusted: p.Trusts(at, peer), Scheme: at.Scheme(), Host: host, Label: label, policy: p}
}

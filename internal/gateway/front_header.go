package gateway

import (
	"bytes"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"

	"teal/internal/http1"
)

// The headers of Teal's own. Those that a client sends with the prefix are never
// passed on, so that a service can believe what it sees.
const (
	headerVersion = "Teal-Version"
	headerAlias   = "Teal-Alias"
)

// hopByHop names the headers that are about one connection.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// removeHopByHop removes what is about one connection, also what the Connection
// header names.
func removeHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// headerRules decides which header and trailer fields of a client's reach a
// component: one rule for both fronts, for requests and events.
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
	return h.passes(name, false) && passesTrailer(name)
}

// isForwarding reports whether a field says where a request came from before its
// peer sent it.
func isForwarding(name []byte) bool {
	return http1.HasPrefixFold(name, "x-forwarded-") || http1.EqualFold(name, "forwarded") || http1.EqualFold(name, "x-real-ip")
}

// passesTrailer keeps out of trailers what a recipient must not learn there, and
// what only Teal may say.
func passesTrailer(name []byte) bool {
	switch {
	case http1.HasPrefixFold(name, "teal-"), isForwarding(name),
		http1.EqualFold(name, "content-type"), http1.EqualFold(name, "content-encoding"), http1.EqualFold(name, "content-range"),
		http1.EqualFold(name, "authorization"), http1.EqualFold(name, "cookie"), http1.EqualFold(name, "set-cookie"),
		http1.EqualFold(name, "trailer"):
		return false
	}
	return true
}

// filterTrailer copies those fields that pass reports true for, and that neither
// frame nor are about one connection.
func filterTrailer(to, from http.Header, pass func(name []byte) bool) {
	for name, values := range from {
		if !http1.IsAboutConnection(name) && pass([]byte(name)) {
			to[name] = values
		}
	}
}

// origin is where a request comes from, as a component is told.
type origin struct {
	peer    netip.Addr // the zero Addr when it has none
	trusted bool       // what the peer says about its own client stands
	scheme  string     // that it speaks
	host    string     // as sent
	label   string     // of the version that answers
	rules   headerRules
	proxies func(netip.Addr) bool // whose addresses in X-Forwarded-For are not the client's
}

// set sets what a component is told about the request: who sent it, and which
// version the component belongs to. What a trusted peer said about its own client
// is kept and added to; what anybody else said is removed.
func (o origin) set(out, in http.Header) {
	for name := range out {
		if !o.rules.passes([]byte(name), false) {
			delete(out, name)
		}
	}
	out.Set(headerVersion, o.label)

	chain, proto, host := "", o.scheme, o.host
	if o.trusted {
		for name, values := range in {
			if isForwarding([]byte(name)) {
				out[name] = values
			}
		}
		chain = strings.Join(in["X-Forwarded-For"], ", ")
		proto, host = or(in.Get("X-Forwarded-Proto"), proto), or(in.Get("X-Forwarded-Host"), host)
	}
	if o.peer.IsValid() && chain != "" {
		chain += ", "
	}
	if o.peer.IsValid() {
		chain += o.peer.String()
	}
	if chain != "" {
		out.Set("X-Forwarded-For", chain)
	}
	out.Set("X-Forwarded-Proto", proto)
	out.Set("X-Forwarded-Host", host)
}

// sourceIP returns the address of the client: the one that a trusted peer names,
// else the peer's.
func (o origin) sourceIP(in http.Header) string {
	if o.trusted {
		if client, known := lastClient(in["X-Forwarded-For"], o.proxies); known {
			return client.String()
		}
	}
	if !o.peer.IsValid() {
		return ""
	}
	return o.peer.String()
}

// introduce makes what is sent to the component say where the request comes
// from, and which trace it belongs to.
func (x *exchange) introduce(out http.Header) {
	x.origin().set(out, x.in.Header)
	x.sight.passTrace(out)
}

// origin may be asked before anything is claimed; then there is no label.
func (x *exchange) origin() origin {
	peer := remoteAddr(x.in)
	o := origin{peer: peer, trusted: x.front.trusted(peer), scheme: x.front.scheme(), host: x.in.Host, rules: x.front.server.headers, proxies: x.front.server.trusted}
	if x.claim.Env != nil {
		o.label = x.claim.Env.label
	}
	return o
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

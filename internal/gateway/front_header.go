package gateway

import (
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
)

// The headers of Teal's own. Those that a client sends with the prefix are never
// passed on, so that a service can believe what it sees.
const (
	headerVersion = "Teal-Version"
	headerAlias   = "Teal-Alias"
	headerPrefix  = "Teal-"
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

// origin is where a request comes from, as a component is told.
type origin struct {
	peer    netip.Addr // the zero Addr when it has none
	trusted bool       // what the peer says about its own client stands
	scheme  string     // that it speaks
	host    string     // as sent
	label   string     // of the version that answers
}

// set sets what a component is told about the request: who sent it, and which
// version the component belongs to. What a trusted peer said about its own client
// is kept and added to; what anybody else said is removed.
func (o origin) set(out, in http.Header) {
	for name := range out {
		if strings.HasPrefix(name, headerPrefix) || isForwarding(name) {
			out.Del(name)
		}
	}
	out.Set(headerVersion, o.label)

	chain, proto, host := "", o.scheme, o.host
	if o.trusted {
		for name, values := range in {
			if isForwarding(name) {
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

func isForwarding(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" || name == "X-Real-Ip"
}

// sourceIP returns the address of the client: the peer's, or, when that is a
// trusted proxy, the one that it saw.
func (o origin) sourceIP(in http.Header) string {
	chain := in["X-Forwarded-For"]
	if len(chain) > 0 && o.trusted {
		list := strings.Split(chain[len(chain)-1], ",")
		return strings.TrimSpace(list[len(list)-1])
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
	o := origin{peer: peer, trusted: x.front.trusted(peer), scheme: x.front.scheme(), host: x.in.Host}
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

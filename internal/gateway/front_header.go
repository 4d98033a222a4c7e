package gateway

import (
	"net/http"
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

// setForwarded sets what a component is told about the request: who sent it, and
// which version the component belongs to. What a trusted peer said about its own
// client is kept and added to; what anybody else said is removed.
func (x *exchange) setForwarded(out http.Header) {
	in := x.in.Header
	for name := range out {
		if strings.HasPrefix(name, headerPrefix) || strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" || name == "X-Real-Ip" {
			out.Del(name)
		}
	}
	out.Set(headerVersion, x.claim.Env.label)
	x.passTrace(out)

	chain, proto, host := "", x.front.scheme(), x.in.Host
	peer := remoteAddr(x.in)
	if x.front.trusted(peer) {
		for name, values := range in {
			if strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" || name == "X-Real-Ip" {
				out[name] = values
			}
		}
		chain = strings.Join(in["X-Forwarded-For"], ", ")
		proto, host = or(in.Get("X-Forwarded-Proto"), proto), or(in.Get("X-Forwarded-Host"), host)
	}
	if peer.IsValid() && chain != "" {
		chain += ", "
	}
	if peer.IsValid() {
		chain += peer.String()
	}
	if chain != "" {
		out.Set("X-Forwarded-For", chain)
	}
	out.Set("X-Forwarded-Proto", proto)
	out.Set("X-Forwarded-Host", host)
}

// sourceIP returns the address of the client: the peer's, or, when that is a
// trusted proxy, the one that it saw.
func (x *exchange) sourceIP() string {
	peer := remoteAddr(x.in)
	chain := x.in.Header["X-Forwarded-For"]
	if len(chain) > 0 && x.front.trusted(peer) {
		list := strings.Split(chain[len(chain)-1], ",")
		return strings.TrimSpace(list[len(list)-1])
	}
	if !peer.IsValid() {
		return ""
	}
	return peer.String()
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

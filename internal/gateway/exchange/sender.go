package exchange

import (
	"net/netip"
	"slices"
	"strings"
)

// isOfProxy reports whether a field says that a request has come through a proxy,
// also when it is written with underscores.
func isOfProxy(name string) bool {
	const prefix = "X-Forwarded"
	name = strings.ReplaceAll(name, "_", "-")
	if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
		return true
	}
	return slices.ContainsFunc(proxyFields, func(field string) bool { return strings.EqualFold(field, name) })
}

// proxyFields are what proxies add besides X-Forwarded…
var proxyFields = []string{
	"Forwarded", "Via", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Original-Forwarded-For",
	"True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP",
}

// clientOf returns the address of who has sent a request, and whether it is
// known. It is the peer's, unless the request has come through a proxy, whose own
// address says nothing about its clients: then it is the one that X-Forwarded-For
// names if the peer is trusted, and nobody's if not.
//
// This is the one rule for who counts as local.
func (p *Policy) clientOf(peer netip.Addr, head Head) (client netip.Addr, known bool) {
	proxied := false
	for i := range head.Len() {
		name, _ := head.Field(i)
		proxied = proxied || isOfProxy(name)
	}
	if !proxied {
		return peer, peer.IsValid()
	}
	if !p.trusted(peer) {
		return netip.Addr{}, false
	}
	return parseHop(lastClient(chainOf(head), p.trusted))
}

// mayOverride reports whether the sender of a request may choose its version.
func (p *Policy) mayOverride(peer netip.Addr, head Head) bool {
	client, known := p.clientOf(peer, head)
	return known && p.override(client)
}

// chainOf returns the lines of X-Forwarded-For, as sent.
func chainOf(head Head) (chain []string) {
	for i := range head.Len() {
		if name, value := head.Field(i); strings.EqualFold(name, headerForwardedFor) {
			chain = append(chain, strings.Clone(value))
		}
	}
	return chain
}

// NamedClient returns the client that the head of a request from a trusted peer names,
// "" for none.
func (p *Policy) NamedClient(head Head) string {
	chain := chainOf(head)
	if len(chain) == 0 {
		return ""
	}
	return lastClient(chain, p.trusted)
}

// lastClient returns the client that the lines of X-Forwarded-For from a trusted
// peer name: the last address that is not a trusted proxy's own. What stands
// before it was written by the client.
func lastClient(chain []string, trusted func(netip.Addr) bool) string {
	hop := ""
	for _, line := range slices.Backward(chain) {
		for _, text := range slices.Backward(strings.Split(line, ",")) {
			hop = strings.TrimSpace(text)
			if address, ok := parseHop(hop); !ok || !trusted(address) {
				return hop
			}
		}
	}
	return hop
}

// parseHop reads an address, with or without a port.
func parseHop(text string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Unmap(), true
	}
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both.Addr().Unmap(), true
	}
	return netip.Addr{}, false
}

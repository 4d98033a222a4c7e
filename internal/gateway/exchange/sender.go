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
		name, _, _ := head.Field(i)
		proxied = proxied || isOfProxy(name)
	}
	if !proxied {
		return peer, peer.IsValid()
	}
	if !p.trusted(peer) {
		return netip.Addr{}, false
	}
	return lastClient(chainOf(head), p.trusted)
}

// mayOverride reports whether the sender of a request may choose its version.
func (p *Policy) mayOverride(peer netip.Addr, head Head) bool {
	client, known := p.clientOf(peer, head)
	return known && p.override(client)
}

// chainOf returns the lines of X-Forwarded-For, as sent.
func chainOf(head Head) (chain []string) {
	for i := range head.Len() {
		if name, value, _ := head.Field(i); isName(name, headerForwardedFor) {
			chain = append(chain, strings.Clone(value))
		}
	}
	return chain
}

// lastClient returns the client that the lines of X-Forwarded-For from a trusted
// peer name: from the right the first address that is not a trusted proxy's own,
// or the leftmost when all are. What stands before it was written by the client.
// It is not known when there is none, or what stands in its place is no address.
// Empty elements mean nothing.
func lastClient(chain []string, trusted func(netip.Addr) bool) (client netip.Addr, known bool) {
	for _, line := range slices.Backward(chain) {
		for _, text := range slices.Backward(strings.Split(line, ",")) {
			hop := strings.TrimSpace(text)
			if hop == "" {
				continue
			}
			if client, known = parseHop(hop); !known || !trusted(client) {
				return client, known
			}
		}
	}
	return client, known
}

// parseHop reads an address, in brackets or not, with or without a port.
func parseHop(text string) (netip.Addr, bool) {
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both.Addr().Unmap().WithZone(""), true
	}
	if inside, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inside, "]")
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}

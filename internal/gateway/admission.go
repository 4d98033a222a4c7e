package gateway

import (
	"net/netip"
	"slices"
)

// Admission is what whoever has opened a connection to a listener of an
// environment may do there.
type Admission int

// The admissions.
const (
	AdmitNone    Admission = iota // nothing: every request gets 403
	AdmitNoPages                  // everything, unless a web page of somebody else's asks
	AdmitAll                      // everything
)

// AdmitFunc says what whoever has opened a connection to a listener of an
// environment may do: to that of a component, or of the preview for "". client and
// server are the ends of the connection; not valid where they have no address. It is
// asked once for each connection, and may block.
type AdmitFunc func(client, server netip.AddrPort, component string) Admission

// AnswersTo reports whether a host is this machine's loopback, or stands in the
// environment's routes.
func (e *Environment) AnswersTo(host string) bool {
	host = NormalHost(host)
	if address, err := netip.ParseAddr(host); err == nil {
		return address.IsLoopback()
	}
	candidates := hostsFor(host)
	return host == "localhost" || slices.ContainsFunc(candidates[:], func(own string) bool {
		_, routed := e.routes[place{host: own}]
		return own != "" && routed
	})
}

// Admit says what whoever has opened a connection to the listener of a component, ""
// for the preview, may do there, as AdmitFunc does.
func (e *Environment) Admit(client, server netip.AddrPort, component string) Admission {
	if e.admit == nil {
		return AdmitAll
	}
	return e.admit(client, server, component)
}

package gateway

import "net/netip"

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

package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"

	"teal"
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
// environment may do: to that of a component, or of the preview for "". It is
// asked once for each connection, and may block.
type AdmitFunc func(c net.Conn, component string) Admission

// visit is what is known of who has opened a connection.
type visit struct {
	once      sync.Once
	admission Admission
}

// checkCaller returns why a request may not come in on the front's listener. Who
// has opened the connection is looked up with its first request: the listener
// goes on accepting meanwhile. The errors name nothing: who is refused here is no
// insider.
func (f *front) checkCaller(c *conn, r *http.Request) error {
	if f.admit == nil {
		return nil
	}
	c.visit.once.Do(func() { c.visit.admission = f.admit(c) })
	switch c.visit.admission {
	case AdmitAll:
		return nil
	case AdmitNoPages:
		if f.env.invites(r) {
			return nil
		}
		return publicErrorf(teal.CodeCallerForbidden, "requests of web pages from elsewhere are refused here; call this address as 127.0.0.1 or by a host of the app's routes, and without the Origin of another page")
	}
	return publicErrorf(teal.CodeCallerForbidden, "this address is for the processes of one running version and for its checks; call the gateway, which takes the version in the header %s", headerVersion)
}

// invites reports whether a request is not one that a browser makes for a page of
// somebody else's: browsers say from where they come, and a page that has made
// its own name lead to this machine gives that name as the host.
func (e *Environment) invites(r *http.Request) bool {
	if !e.answersTo(r.Host) {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		from, err := url.Parse(origin)
		return err == nil && from.Host != "" && e.answersTo(from.Host)
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "cross-site" && site != "same-site"
}

// answersTo reports whether a host is this machine's loopback, or stands in the
// environment's routes.
func (e *Environment) answersTo(host string) bool {
	host = normalHost(host)
	if address, err := netip.ParseAddr(host); err == nil {
		return address.IsLoopback()
	}
	_, routed := e.routes[place{host: host}]
	return host == "localhost" || (host != "" && routed)
}

// admitter returns what decides who may call a component of the environment, ""
// for its preview; nil is everybody.
func (e *Environment) admitter(component string) func(net.Conn) Admission {
	if e.admit == nil {
		return nil
	}
	return func(c net.Conn) Admission { return e.admit(c, component) }
}

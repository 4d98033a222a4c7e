package exchange

import (
	"net/netip"
	"net/url"

	"teal"
	"teal/internal/gateway"
)

// Admission looks up what whoever has opened a connection may do at the entrypoint.
// Ask once for each connection; it may block.
func (e *Entrypoint) Admission(client, server netip.AddrPort) gateway.Admission {
	if e.Environment == nil {
		return gateway.AdmitAll
	}
	return e.Environment.Admit(client, server, e.name())
}

// CheckAdmission returns why a request may not come in. The errors name nothing:
// who is refused here is not to learn what is behind.
func (e *Entrypoint) CheckAdmission(admitted gateway.Admission, r Request) error {
	switch admitted {
	case gateway.AdmitAll:
		return nil
	case gateway.AdmitNoPages:
		if e.isInvited(r.Line().Host, r) {
			return nil
		}
		return gateway.PublicErrorf(teal.CodeCallerForbidden, "requests of web pages from elsewhere are refused here; call this address as 127.0.0.1 or by a host of the app's routes, and without the Origin of another page")
	}
	return gateway.PublicErrorf(teal.CodeCallerForbidden, "this address is for the processes of one running version and for its checks; call the gateway, which takes the version in the header %s", headerVersion)
}

// isInvited reports whether a request is not one that a browser makes for a page of
// somebody else's: browsers say from where they come, and a page that has made
// its own name lead to this machine gives that name as the host.
func (e *Entrypoint) isInvited(host string, head Head) bool {
	if !e.Environment.AnswersTo(host) {
		return false
	}
	if origin := Get(head, "Origin"); origin != "" {
		from, err := url.Parse(origin)
		return err == nil && from.Host != "" && e.Environment.AnswersTo(from.Host)
	}
	site := Get(head, "Sec-Fetch-Site")
	return site != "cross-site" && site != "same-site"
}

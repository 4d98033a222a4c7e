package exchange

// Fields receives the fields of a head that a carrier sends.
type Fields interface {
	Add(name, value string)
	// AddList adds one field whose value is a list.
	AddList(name string, values []string)
}

// Begins notes that the answer of an instance begins. What lasts is reported now: a
// stream of events or a connection of hours is answered when it begins.
func (x *Exchange) Begins(status int, head Head) {
	x.Answered(status)
	if status == statusSwitchingProtocols || hasPrefix(Get(head, headerContentType), "text/event-stream") {
		x.Report()
	}
}

// PassResponse passes the fields of a component's response on to the client and says
// which version has answered. Framing is the carrier's, and so is the Date of a
// response that has none: dated reports whether it has (RFC 9110, section 6.6.1).
func (x *Exchange) PassResponse(to Fields, from Head) (dated bool) {
	return passResponse(to, from, x.Claim.Env.Label(), x.transportSecurity())
}

func passResponse(to Fields, from Head, version, secure string) (dated bool) {
	for i := range from.Len() {
		name, value, endToEnd := from.Field(i)
		if !endToEnd || isName(name, headerVersion) {
			continue
		}
		to.Add(name, value)
		switch {
		case isName(name, headerDate):
			dated = true
		case secure != "" && isName(name, headerTransportSecurity):
			secure = "" // the application has said more
		}
	}
	addTransportSecurity(to, secure)
	to.Add(headerVersion, version)
	return dated
}

// PassInterim passes the fields of an interim response on.
func PassInterim(to Fields, from Head) {
	for i := range from.Len() {
		if name, value, endToEnd := from.Field(i); endToEnd && !isName(name, headerVersion) {
			to.Add(name, value)
		}
	}
}

const headerDate = "Date"

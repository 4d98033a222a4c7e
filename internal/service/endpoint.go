package service

import "sync/atomic"

// Endpoint is one address that takes requests: one life of one process, or one
// URL of an upstream. A process that is restarted gets a new Endpoint.
type Endpoint struct {
	scheme  string
	host    string
	address string
	path    string
	ownHost bool
	name    string

	inFlight atomic.Int64
	refused  func(*Endpoint)
	recheck  chan struct{} // holds a token while a check is wanted at once
}

// Scheme returns "http" or "https".
func (e *Endpoint) Scheme() string { return e.scheme }

// Host returns the authority for the URL of a request, as in "127.0.0.1:4000";
// an upstream's is written as in its manifest, so the port may be missing.
func (e *Endpoint) Host() string { return e.host }

// Address returns what to connect to, always with a port: "10.0.0.7:443".
func (e *Endpoint) Address() string { return e.address }

// Path returns the prefix for the path of every request, without a slash at
// its end: "" for a process, "/base" for an upstream http://host/base/.
func (e *Endpoint) Path() string { return e.path }

// OwnHost reports whether requests get Host as their Host header, in place of the
// client's.
func (e *Endpoint) OwnHost() bool { return e.ownHost }

// Name returns the name of the instance, as the logs have it: "web-1", or an
// upstream's URL.
func (e *Endpoint) Name() string { return e.name }

// InFlight returns how many claims are not done.
func (e *Endpoint) InFlight() int { return int(e.inFlight.Load()) }

// Done ends one claim; it must be called exactly once per Claim. failed says
// that no connection could be made (and nothing else: an answer of 500 is an
// answer): the endpoint then gets no request until a check has passed, unless
// it is the only one left. Done does not block.
func (e *Endpoint) Done(failed bool) {
	e.inFlight.Add(-1)
	if failed {
		e.refused(e)
	}
}

// check asks for a check as soon as may be.
func (e *Endpoint) check() {
	select {
	case e.recheck <- struct{}{}:
	default:
	}
}

// Claim returns the healthy endpoint with the fewest requests in flight, in
// turn among equals, and counts one request on it until [Endpoint.Done]. When
// none is healthy, those that are merely suspect are used: trying costs a client
// nothing that a refusal would not. With none of either, the error has
// teal.CodeNoHealthyInstance and says why. It takes no lock, allocates nothing
// and may be called at any time, before Run and after it too.
func (s *Set) Claim() (*Endpoint, error) {
	v := s.view.Load()
	n := uint64(len(v.usable))
	if n == 0 {
		return nil, v.err
	}
	first := s.nextEndpoint.Add(1) % n
	best := v.usable[first]
	least := best.inFlight.Load()
	for i := uint64(1); i < n && least > 0; i++ {
		e := v.usable[(first+i)%n]
		if load := e.inFlight.Load(); load < least {
			best, least = e, load
		}
	}
	best.inFlight.Add(1)
	return best, nil
}

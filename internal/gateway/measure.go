package gateway

import (
	"encoding/json"
	"strings"
	"time"
)

// Meter measures what one component of one version does for users. Its methods
// are called on the path of every such request, from many goroutines; they must
// not block. A user's request is one whose version the weights of an alias have
// chosen: no override header, version number or preview, no check, and no call
// from inside the environment.
type Meter interface {
	// Begin says that a request is in flight.
	Begin()
	// Record says how it went; once for each, between Begin and Done.
	Record(Sample)
	// Done says that it is in flight no more.
	Done()
}

// serverErrors is the first status that says that the server is to blame.
const serverErrors = 500

// Result is how a request went, as its front end saw it.
type Result struct {
	Status int // as the client got it; 0 when it went away before there was one
	Fault  Fault
	// Gone says that the client had gone before it could be answered, whatever
	// Status was meant for it. A Meter is told status 0 then, unless it is known
	// that the version failed the request.
	Gone bool
	// Refused says that a status of 500 and above is about what the client has asked
	// for, and no fault.
	Refused bool
	// Answered is when the first byte of the answer was there; zero when none
	// was before the end.
	Answered time.Time
	// Method, Host and Path, with its query, are as sent, and valid only during
	// the call. "" where a request has none.
	Method, Host, Path string
	Failure            *Failure // what a function that failed said; else nil
}

// Sample is a result as a Meter gets it.
type Sample struct {
	Result
	Route   string        // the prefix of the route that led to the component; valid only during the call
	Latency time.Duration // from the claim to the first byte of the answer, or to the end without one
}

// Failure is what a function said when it failed.
type Failure struct {
	Type    string
	Message string
	Stack   []string
}

// FailureOf reads a function's error document. One that is none gives a failure
// without words.
func FailureOf(document []byte) *Failure {
	var said struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
		StackTrace   lines  `json:"stackTrace"`
		Trace        lines  `json:"trace"` // as Node's runtime has it
	}
	if json.Unmarshal(document, &said) != nil {
		return &Failure{}
	}
	return &Failure{Type: said.ErrorType, Message: said.ErrorMessage, Stack: append(said.StackTrace, said.Trace...)}
}

// lines are the frames of a stack in whatever form a runtime writes them.
type lines []string

// UnmarshalJSON implements json.Unmarshaler. It accepts everything.
func (l *lines) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*l = strings.Split(text, "\n")
		return nil
	}
	var frames []json.RawMessage
	_ = json.Unmarshal(data, &frames) // what is no list has no frames
	for _, frame := range frames {
		if json.Unmarshal(frame, &text) != nil {
			text = string(frame)
		}
		*l = append(*l, strings.TrimSuffix(text, "\n"))
	}
	return nil
}

// Measured reports whether the claim is a user's, and somebody measures.
func (c *Claim) Measured() bool { return c.user && c.Component != nil && c.Component.Meter != nil }

// begin counts a claim that has been admitted into what users have in flight.
func (c *Claim) begin() {
	if c.Measured() {
		c.Component.Meter.Begin()
		c.since = time.Now()
	}
}

// Report tells the component's meter how the request went. Call it once, before
// Release; End does both. It does nothing for a request that is no user's. It
// neither blocks nor allocates.
func (c Claim) Report(r Result) {
	if !c.Measured() {
		return
	}
	if r.Answered.IsZero() {
		r.Answered = time.Now()
	}
	if r.Fault == FaultNone && r.Status >= serverErrors && !r.Refused {
		r.Fault = FaultStatus
	}
	if r.Gone && r.Fault == FaultNone {
		r.Status = 0
	}
	r.Failure = c.Component.Shown(r.Failure)
	c.Component.Meter.Record(Sample{Result: r, Route: c.Route, Latency: r.Answered.Sub(c.since)})
}

// End reports how the request went and gives the claim back.
func (c Claim) End(r Result) {
	c.Report(r)
	c.Release()
}

// Release gives the claim back.
func (c Claim) Release() {
	if c.Measured() {
		c.Component.Meter.Done()
	}
	c.Env.Release()
}

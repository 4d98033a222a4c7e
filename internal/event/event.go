package event

import (
	"time"

	"teal"
	"teal/internal/store"
)

// Function says which function an event is for.
type Function struct{ App, Component string }

// Event is an asynchronous invocation: from the moment it is accepted until it has
// been dealt with for good. It is stored under its fields' names.
type Event struct {
	App           string
	ID            string // the request's
	Component     string
	Name          string // by which the function was called
	Qualifier     string
	Version       teal.VersionRef // chosen when the event was accepted; retries stay on it
	Payload       []byte          `json:"Event"`
	ClientContext string          `json:",omitempty"`
	TraceID       string          `json:",omitempty"`

	// Trigger is the name of the trigger whose firing the event is, and ID then the
	// firing's; "" for an invocation that somebody has asked for.
	Trigger string `json:",omitempty"`

	AcceptedAt time.Time
	Attempts   int       // how often the function has failed at it
	Refusals   int       // how often it could not be run, or delivered, since
	NotBefore  time.Time // of the next attempt

	// Report is what the destination is to be told; then nothing but that is
	// left to do.
	Report      []byte `json:",omitempty"`
	Destination string `json:",omitempty"`

	// Outcome is what became of the event in the end, for whoever has called the worker:
	// it is not kept. nil while that is not known.
	Outcome *Outcome `json:"-"`
}

// Outcome says what became of an event in the end.
type Outcome struct {
	Failed bool
	Why    string // of a failure, for people
}

func (e Event) key() store.SideKey { return store.SideKey{App: e.App, Name: e.ID} }

// function says with which events this one shares a bound. Firings of a trigger are apart
// from the invocations of its component, so that neither keeps the other waiting.
func (e Event) function() Function {
	if e.Trigger != "" {
		return Function{App: e.App, Component: "trigger " + e.Trigger}
	}
	return Function{App: e.App, Component: e.Component}
}

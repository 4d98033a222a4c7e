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

	AcceptedAt time.Time
	Attempts   int       // how often the function has failed at it
	Refusals   int       // how often it could not be run, or delivered, since
	NotBefore  time.Time // of the next attempt

	// Report is what the destination is to be told; then nothing but that is
	// left to do.
	Report      []byte `json:",omitempty"`
	Destination string `json:",omitempty"`
}

func (e Event) key() store.SideKey { return store.SideKey{App: e.App, Name: e.ID} }

func (e Event) function() Function { return Function{App: e.App, Component: e.Component} }

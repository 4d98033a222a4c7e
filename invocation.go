package teal

import "time"

// Invocation is one call of a function, as the Runtime API hands it over.
type Invocation struct {
	RequestID string // "": the runtime makes one
	Event     []byte // JSON
	TraceID   string // X-Amzn-Trace-Id; "" for none
	// ClientContext is base64-encoded JSON from the Invoke API; "" for none.
	ClientContext string
	// Alias is what the function's ARN ends in: an alias, or "" for the bare
	// version number.
	Alias string
	// Stream gets the payload of an answer that the function streams. Where it is
	// nil such an answer is collected, as one that is not streamed is.
	Stream Stream
	// Inside says that a component of the same environment calls, whose own work
	// waits for the answer.
	Inside bool
}

// Stream takes a streamed answer as it comes. Its methods are called on the
// goroutine of Invoke's caller, before Invoke returns; a function that does not
// stream calls none.
type Stream interface {
	// Begin says that the answer begins, and of which media type it is; "" for
	// none. It is called once.
	Begin(mediaType string)
	// Write takes the next piece, and does not keep it. The function waits
	// meanwhile, and its time runs. After an error nothing more is written; the
	// invocation goes on to its end.
	Write(piece []byte) (int, error)
}

// Answer is what a function said. FunctionError is "" for a normal result;
// otherwise it is AWS's word ("Unhandled") and Payload is the error document
// with errorType, errorMessage and, where there is one, stackTrace. Payload is
// empty when a Stream has got it, and FunctionError then says that it is not the
// whole.
type Answer struct {
	RequestID     string
	Payload       []byte
	FunctionError string
	Duration      time.Duration // of the handler
	InitDuration  time.Duration // of the instance's start, on its first invocation; else 0
}

// MaxPayload is the largest event and the largest answer of a synchronous
// invocation: 6 MB, as AWS Lambda's quota has it.
const MaxPayload = 6 * MiB

// MaxStreamed is the largest answer that a Stream gets: 200 MB, as AWS Lambda's
// quota has it.
const MaxStreamed = 200 * MiB

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
}

// Answer is what a function said. FunctionError is "" for a normal result;
// otherwise it is AWS's word ("Unhandled") and Payload is the error document
// with errorType, errorMessage and, where there is one, stackTrace.
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

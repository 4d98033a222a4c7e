// Package http1 is a strict HTTP/1.1 codec (RFC 9112) without I/O: bytes in,
// events out. Event loops, goroutines and a fuzzer drive the same code.
//
// A Request or Response is parsed in place, line by line as its bytes arrive;
// what it returns points into the caller's buffer. A Body follows the framing of
// what comes after a head and hands out the content piece by piece. Both are
// reused from message to message and then allocate nothing.
//
// It is strict where leniency is an attack: whatever two implementations could
// read in two ways is refused, and what is passed on is written anew from what
// was understood. An error is an *Error with the status to answer with; after
// one, nothing more can be told about where messages begin, and the connection
// must be closed.
package http1

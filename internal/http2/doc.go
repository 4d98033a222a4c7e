// Package http2 is a strict HTTP/2 codec (RFC 9113), for the side of the server,
// without I/O: bytes in, events and bytes out. Event loops and a fuzzer drive the same
// code; it has no goroutine and no clock.
//
//	frame.go     frames, as they are read and written
//	settings.go  what the two sides tell each other
//	conn.go      one connection: what may come in which state, and what is answered
//	receive.go   what is done with the frames of streams
//	head.go      the head of a request and its trailer: what is malformed
//	stream.go    one request of a connection, and the windows of both ways
//	send.go      heads, bodies and ends of answers
//	hpack.go     how the fields of an answer are written
//	budget.go    what a peer may cost without asking for anything
//
// A Conn is given what has arrived (Next) and says frame by frame what that means to
// its caller. What has to be written, answers to settings and pings too, gathers in
// Conn.Out, which the caller takes away. Streams belong to the caller: Accept makes a
// request one, and a Stream may be used again when its connection has forgotten it.
//
// It is strict where leniency is an attack: what HTTP/1.1 could read in another way is
// refused here (RFC 9113, section 8.2), and what a peer may send without end is bounded
// by windows, limits and a budget. An error of Next is the connection's; Out ends in a
// GOAWAY that says so, and nothing more can be read. Priorities are ignored, as RFC
// 9113, section 5.3.2, allows.
package http2

// Package gateway is the data plane: it decides which version of which app
// answers a request, keeps that version running until it has answered, and
// carries the bytes.
//
// The core — Table, Gateway, Environment — knows no HTTP library. A Table is
// immutable; the Gateway holds the current one behind one atomic pointer, so a
// switch is one pointer swap, and a request sees one table from its first byte
// to its last. The path of a request takes no lock and allocates nothing until
// it has claimed its environment:
//
//	Claim: load the table → host and path → app → version → component → Acquire
//
// Acquire is what makes a switch lose nothing. It counts the request into the
// environment, or answers "retired, look again"; an environment that has been
// retired and counts nothing has drained, and only then is it stopped. A writer
// swaps the table first and retires second, so whoever is told to look again
// finds a table without the retired environment.
//
// The front ends, in files that start with front_, are the only ones that know
// sockets and net/http. On Linux the public listener is served by event loops
// with the codec of package http1 (front_loop_*.go); Server on net/http serves
// everything else, and what the loops hand over to it. Both claim, then proxy to
// an endpoint of a service or upstream, or invoke a function with an API Gateway
// event (package payload).
package gateway

// Package gateway is the core of the data plane: it decides which version of which app
// answers a request, and keeps that version running until it has answered.
//
// It knows neither sockets nor HTTP. A Table is immutable; the Gateway holds the current
// one behind one atomic pointer, so a switch is one pointer swap, and a request sees one
// table from its first byte to its last. The path of a request takes no lock and
// allocates nothing until it has claimed its environment:
//
//	Claim: load the table → host and path → app → version → component → Acquire
//
// Acquire is what makes a switch lose nothing. It counts the request into the
// environment, or answers "retired, look again"; an environment that has been
// retired and counts nothing has drained, and only then is it stopped. A writer
// swaps the table first and retires second, so whoever is told to look again
// finds a table without the retired environment.
//
// What a request means beyond that — its headers, its answer, its errors, what it may
// cost — is package exchange's. The bytes are carried by package loop, on event loops,
// and by package nethttp, on net/http; package front puts the two together. Each of
// these imports only what stands before it in this list's order: gateway, exchange,
// loop and nethttp, front.
package gateway

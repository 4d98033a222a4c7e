// Package runtimeapi speaks the AWS Lambda Runtime API, version 2018-06-01, to
// the runtime inside one function instance: next, response, error and init
// error.
//
// Each instance has an Endpoint of its own, a listener on a loopback port that
// the kernel chose: the listener is the instance's identity, so the address
// that the runtime gets stays a plain host:port. The endpoint holds the
// protocol's state; what an instance is used for is the business of its Owner.
// Who may connect is asked once for each connection, see process.Caller. Of
// several connections of one instance on which a next waits, the newest one
// counts: a runtime that has lost its connection asks again.
//
// The codec is the gateway's, package http1. The peer is one process on the same
// machine, and every microsecond here is a part of every invocation: Deliver
// writes the event on the connection that waits for it from the caller's own
// goroutine; an answer costs one goroutine switch. Heads, bodies and connections
// are bounded.
package runtimeapi

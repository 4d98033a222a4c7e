// Package conformance asks the public test tools of HTTP/2 and gRPC what they
// make of a Teal server: h2spec, and the interoperability tests of grpc-go. It is
// a module of its own, so that what they need is nobody else's.
package conformance

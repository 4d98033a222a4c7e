// Package acme has certificates for the hosts of live routes: it asks an authority that
// speaks ACME (RFC 8555) for them, answers what that asks, renews them in time, and
// keeps them in the store.
//
// A [Manager] looks at the hosts every few seconds. What has no certificate, or one
// that ends soon, is worked on by a few goroutines; one that fails waits, longer each
// time, and is an alert with the authority's own words. Handshakes wait for none of
// this: they get the certificate that is there.
//
// The authority proves who has a host by HTTP-01 (RFC 8555, 8.3) on the plain listener
// or by TLS-ALPN-01 (RFC 8737) in a handshake; it is enough that one of them works. No
// wildcards, whose proof is a record in the DNS.
package acme

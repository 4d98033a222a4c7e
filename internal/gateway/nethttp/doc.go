// Package nethttp carries requests on net/http: HTTP/1.1 and HTTP/2, in cleartext and
// over TLS, from clients and to instances. It serves listeners by itself, and through a
// Handoff the connections that another carrier has accepted and does not speak the
// protocol of.
//
// It reads, writes and keeps the time; what a request means is decided in package
// exchange.
package nethttp

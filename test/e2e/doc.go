// Package e2e drives the real binary: real processes, real sockets, real load,
// real kills. It has tests only.
package e2e

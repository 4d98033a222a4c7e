// Package teal is the domain of Teal, the blue-green release system: what an
// app, a version, an environment, an alias and a release are, which phase may
// follow which, and what an error says.
//
// It uses the standard library alone, does no I/O, starts no goroutine and
// reads no clock: time is always a parameter. Everything else in the module
// depends on this package; it depends on nothing.
package teal

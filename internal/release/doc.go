// Package release moves an alias from one version to another and survives
// anything on the way.
//
// A release is a stored record. The engine is a loop over it: observe the
// world, [Decide] what to do (a pure function), save the intent by
// compare-and-swap, act, save the outcome. Every act is idempotent, so a crash
// between any two of these is followed by the same end: the next tick observes
// again and decides again.
//
// The engine sees the world through small interfaces: a [Journal] that keeps
// the records, a [Runner] that runs environments, a [Router] that moves
// aliases. Nothing here assumes that they are Teal's own: a router may take
// seconds until its weights hold everywhere.
package release

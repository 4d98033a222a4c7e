// Package exchange says what a request means, whatever carries it: who may send it
// and which version it may ask for, what of its head goes on to a component and what
// is added, the event that a function gets, what the answer is and what is answered
// instead when there is none, which limits and budgets it draws on, and what the log,
// the meter and the trace are told of it.
//
// A carrier — package loop, package nethttp — reads and writes bytes and keeps the
// time; it asks here for every decision that is about the request itself. What is
// written here is written nowhere else: the names of the headers that Teal reads and
// sets stand in this package alone.
//
// It does no I/O and starts no goroutine. What a request to a service needs
// allocates nothing.
package exchange

// Package event is the durable queue of asynchronous invocations.
//
// A [Queue] has a record of every [Event] from when it is accepted until it is
// done, decides when which of them is worked on, and hands it to a [Worker]. What
// an event is about, and how often it is tried, is the worker's business. What
// waits of one function is bounded by [Limits].
package event

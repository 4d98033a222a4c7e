// Package consumer has the components of apps work on the messages of queues, as their
// triggers say.
//
// A [Consumer] looks at what is live. For each version of it that has a trigger, a reader
// receives the messages that the alias's weights give to that version, invokes the
// function or asks the service, and says to the queue what became of each message. A
// version that is not live any more, and still has messages to be tried again, has a
// reader for those; it is started where it does not run.
//
// What users would see of a version is measured of messages, too: each one counts as a
// request.
package consumer

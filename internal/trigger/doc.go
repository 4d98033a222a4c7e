// Package trigger fires what schedules say.
//
// A [Scheduler] decides: it looks at the schedules of what is live and, when a time has
// come, writes down that it is fired and by which version, by compare-and-swap and before
// anything is done. Only then does an event go to the durable queue, under an ID that
// follows from the app, the trigger and the time: whatever ends the server in between, the
// next one finds what was written down, and hands over the same event once more. A
// [Worker] does it, and writes down what became of it before the event is forgotten.
//
// So a time is fired once. What it runs may be begun again: after a crash in the middle of
// it, and when it has failed and is to be tried again; always by the same version, and
// under the same ID.
package trigger

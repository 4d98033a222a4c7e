// Package queue keeps durable message queues.
//
// A [Broker] has the queues of a server. What is sent is in the store when
// [Broker.Send] returns; what has been received stays there until it is finished, and
// is given out again when it is not finished within its visibility. Each message is
// therefore worked on at least once.
//
// # Records
//
// Messages that are accepted by one write are one record, a pack: as many as a producer
// sends together, and those of several producers that come while the disk writes. A
// pack is never changed while any of its messages waits. Which version works on which
// messages, and what has become of them so far, is in records of claims, written before
// the messages are given out; the newest claim of a message counts. A message that
// nobody could work on becomes a dead letter, a record of its own.
//
// # Order and versions
//
// Messages of one group are given out in the order in which they were sent, and none
// before those before it are finished or dead. A message belongs to the version that
// has got it first, until it is finished, its tries are used up, or [Broker.GiveBack]
// takes it away from the version.
package queue

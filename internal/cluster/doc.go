// Package cluster holds the observed state of the nodes: which of them live, and which
// revisions of aliases their gateways follow.
//
// All of it is ephemeral: true only while the node lives that has said it. So it is kept
// in a [store.KV] of its own that need not outlive the nodes, and no record of it costs
// a write to a disk. The records are
//
//	heartbeat.<node>        the node lives: its incarnation, and a number that grows
//	applied.<node>.<app>    the revisions of the app's aliases, and under "" of its own
//	                        record, that its gateway follows
//
// A node is believed for as long as its heartbeat keeps changing, by the clock of who
// looks: clocks of two machines are never compared. What an earlier incarnation of a node
// has said counts for nothing.
package cluster

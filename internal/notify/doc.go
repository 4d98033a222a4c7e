// Package notify tells addresses outside when releases change.
//
// A notification never holds up a release: telling does not block, what cannot
// be delivered is tried again for a while and then given up, and of too many the
// oldest are dropped. To one address they come in the order in which things
// happened. They are kept in memory: a server that ends forgets those that it
// has not delivered.
package notify

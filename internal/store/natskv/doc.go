// Package natskv is a store.KV on NATS JetStream: on a server of its own inside
// this process (Open), or on a NATS cluster somewhere else (Connect).
//
// # Layout
//
// A bucket is the stream KV_<bucket> with one message per subject, laid out as
// NATS's own key-value buckets are, so that NATS's tools can read it. A revision
// is a sequence number of that stream: it grows strictly and is never used
// twice.
//
// # Deletes
//
// A delete writes a marker, which watches see, and which the server itself
// removes after Config.MarkerTTL; a bucket does not fill up with them. Neither a
// marker nor its removal weakens compare-and-swap: the revision of a deleted
// value is never the newest of its key again. A watch that has not looked for
// half of that time could have missed a marker, and fails with store.ErrLagged.
//
// # Durability
//
// Open's server syncs every write to disk before it answers. On a cluster a
// write is on a majority of the replicas; how they sync is that cluster's
// configuration.
//
// # A disk that cannot be written
//
// Open's server keeps the first error of a write and takes no more. The DB then
// puts a new one in its place: by itself where Run runs, and else when the next
// urgent write comes. Until it is writable, writes fail with store.ErrReadOnly;
// while the disk is full, those that store.WithUrgency marks get the space of
// the ballast.
package natskv

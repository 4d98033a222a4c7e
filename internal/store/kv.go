// Package store keeps Teal's records: apps, versions, aliases, environments and
// releases.
//
// It has two levels. Below is KV, a small key-value contract with
// compare-and-swap and watches; natskv implements it on NATS JetStream, memkv in
// memory, and storetest holds the tests that both pass. Above are the typed
// tables of Store, which give every error a sentence for people.
//
// Nothing here reads a clock to stamp a record: times are the caller's.
package store

import (
	"context"
	"errors"
)

// The outcomes that callers tell apart with errors.Is, at both levels.
var (
	// ErrNotFound: there is no such key.
	ErrNotFound = errors.New("store: not found")
	// ErrExists: Create met a key that is there.
	ErrExists = errors.New("store: exists already")
	// ErrConflict: the revision is not the newest, or the key is gone. Nothing
	// was written.
	ErrConflict = errors.New("store: revision is not the newest")
	// ErrOutcomeUnknown: a write was sent and no answer came. It may or may not
	// have happened, now or later: read before doing it again. An error of a
	// write that is not ErrOutcomeUnknown means that nothing was written.
	ErrOutcomeUnknown = errors.New("store: it is not known whether the write happened")
	// ErrLagged: a watch can no longer promise that it has shown every change.
	// Open a new one and start from its snapshot.
	ErrLagged = errors.New("store: the watch fell too far behind")
	// ErrStopped: Watch.Stop was called.
	ErrStopped = errors.New("store: the watch was stopped")
	// ErrClosed: the store itself was closed. Nothing was written.
	ErrClosed = errors.New("store: closed")
	// ErrInvalidKey: the key or the pattern is not of the form that KV states.
	ErrInvalidKey = errors.New("store: invalid key")
	// ErrTooLarge: the value is over MaxValue. Nothing was written.
	ErrTooLarge = errors.New("store: value is too large")
)

// MaxValue is the largest value, in bytes, that every KV takes.
const MaxValue = 4 << 20

// Entry is the newest value of a key and the revision that wrote it.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
}

// Event is one change of a key. For a delete, Value is nil and Revision is that
// of the delete itself.
type Event struct {
	Entry
	Deleted bool
}

// KV is a flat map of keys to values with compare-and-swap.
//
// A key is one or more tokens of [A-Za-z0-9_-] joined by dots. A pattern is a
// key in which a token may be "*", which stands for exactly one token, and the
// last may be ">", which stands for one or more.
//
// Every write, deletes included, gets a revision; revisions are above 0 and grow
// strictly over the whole KV, restarts included, so a revision is never used
// twice. A write that has returned without error is durable, as far as the
// implementation is, and visible to every read that starts afterwards through
// the same KV.
//
// All methods may be called at the same time, block until done or until ctx
// ends, and keep no reference to the values that they are given; the values that
// they return belong to the caller.
type KV interface {
	// Get returns the newest value of key, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Create writes a key that is not there, or returns ErrExists. A deleted key
	// may be created again.
	Create(ctx context.Context, key string, value []byte) (revision uint64, err error)
	// Update replaces the value that revision wrote; ErrConflict when that is
	// not the newest, or the key is gone.
	Update(ctx context.Context, key string, value []byte, revision uint64) (newRevision uint64, err error)
	// Delete removes the value that revision wrote; ErrConflict like Update.
	Delete(ctx context.Context, key string, revision uint64) error
	// List returns the entries whose keys match the pattern, sorted by key. It
	// holds every key that exists from before the call until after it.
	List(ctx context.Context, pattern string) ([]Entry, error)
	// Scan calls visit with the entries that List would return, in no order, and
	// holds no more than a few of them at a time. An entry that changes meanwhile
	// may be visited more than once, one that is deleted, all the same. An error of
	// visit ends it and is returned as it is.
	Scan(ctx context.Context, pattern string, visit func(Entry) error) error
	// Watch returns what List would, and every change after that.
	Watch(ctx context.Context, pattern string) (*Watch, error)
}

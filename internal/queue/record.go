package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"teal"
	"teal/internal/store"
)

// settings is the record of a queue.
type settings struct {
	Queue     string
	CreatedAt time.Time
}

// pack is messages that were accepted by one write.
type pack struct {
	Queue    string
	ID       string
	Messages []Message
	// Done says that nothing is left to do about them: what remains is their
	// deduplication IDs.
	Done bool `json:",omitempty"`
}

// claim is which messages a version works on, and what has become of them.
type claimRecord struct {
	Queue    string
	ID       string
	App      string
	Version  teal.VersionRef // 0: of none
	Messages []claimed
}

// claimed is a message of a claim.
type claimed struct {
	Pack     string
	Index    int
	Failures int       `json:",omitempty"` // at this version
	Due      time.Time `json:",omitzero"`
	Reason   string    `json:",omitempty"` // of the last failure
	Done     bool      `json:",omitempty"`
	Unbound  bool      `json:",omitempty"` // it belongs to no version any more
	Returned bool      `json:",omitempty"` // its failures have been forgiven once
}

// Dead is a message that nobody could work on.
type Dead struct {
	Queue    string
	Message  Message
	Reason   string
	Failures int
	App      string          `json:",omitempty"` // that had it
	Version  teal.VersionRef `json:",omitempty"`
	At       time.Time
}

// recordTables are the records of all queues.
type recordTables struct {
	settings *store.Table[store.SideKey, settings]
	packs    *store.Table[store.SideKey, pack]
	claims   *store.Table[store.SideKey, claimRecord]
	dead     *store.Table[store.SideKey, Dead]
}

func tablesOf(kv store.KV) recordTables {
	return recordTables{
		settings: store.NewSide(kv, "queue", "settings", func(s settings) store.SideKey { return store.AppKey(s.Queue) }),
		packs:    store.NewSide(kv, "queue", "pack", func(p pack) store.SideKey { return store.SideKey{App: p.Queue, Name: p.ID} }),
		claims:   store.NewSide(kv, "queue", "claim", func(c claimRecord) store.SideKey { return store.SideKey{App: c.Queue, Name: c.ID} }),
		dead:     store.NewSide(kv, "queue", "dead", func(d Dead) store.SideKey { return store.SideKey{App: d.Queue, Name: d.Message.ID} }),
	}
}

// remove deletes a record that nobody else writes: one that is gone, by a write of which
// no answer came, is deleted.
func remove[T any](ctx context.Context, table *store.Table[store.SideKey, T], key store.SideKey, revision uint64) error {
	err := table.Delete(ctx, key, revision)
	if err == nil {
		return nil
	}
	now, getErr := table.Get(ctx, key)
	switch {
	case errors.Is(getErr, store.ErrNotFound):
		return nil
	case getErr == nil && now.Revision != revision:
		return table.Delete(ctx, key, now.Revision)
	}
	return err
}

// formatID returns the name of a pack or a claim: the order of names is that of numbers.
func formatID(id uint64) string { return fmt.Sprintf("%016x", id) }

func parseID(name string) (uint64, error) { return strconv.ParseUint(name, 16, 64) }

// CheckName refuses what cannot be the name of a queue.
func CheckName(name string) error { return teal.CheckName("queue", name) }

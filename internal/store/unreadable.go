package store

import (
	"context"
	"errors"
	"fmt"
)

// ErrUnreadable says that the record is there and cannot be understood. It stays as it is
// until somebody replaces it, see [Table.Replace] and [SetAside].
var ErrUnreadable = errors.New("store: record cannot be understood")

// ErrNewer is the ErrUnreadable of a record that a newer Teal wrote: its schema has
// a higher number than this one's. No method of a Table writes over it.
var ErrNewer = errors.New("store: record of a newer schema")

// whyUnreadable says, for people, why a record cannot be understood.
func whyUnreadable(err error) string {
	if errors.Is(err, ErrNewer) {
		return "a newer Teal wrote it"
	}
	return "it is damaged, or was written by a newer Teal"
}

// Unreadable is a record that is there and cannot be understood.
type Unreadable struct {
	Key    string
	App    string // "" where the key does not say
	Number int    // of the version or the release, likewise 0
	Err    error  // wraps ErrUnreadable
}

// Damage is told which records cannot be understood. Its methods must not block.
type Damage interface {
	// Unreadable is called whenever somebody meets the record under key.
	Unreadable(key string, err error)
	// Written is called when a record has been written or deleted.
	Written(key string)
}

// WithDamage returns kv, whose tables tell damage about the records that they
// cannot understand.
func WithDamage(kv KV, damage Damage) KV { return watched{kv, damage} }

type watched struct {
	KV
	damage Damage
}

func (w watched) reportsTo() Damage { return w.damage }

type noDamage struct{}

func (noDamage) Unreadable(string, error) {}
func (noDamage) Written(string)           {}

// damageOf returns who wants to know about the records of a KV.
func damageOf(kv KV) Damage {
	if reports, ok := kv.(interface{ reportsTo() Damage }); ok {
		return reports.reportsTo()
	}
	return noDamage{}
}

func (m *Mirror[T]) reportsTo() Damage { return damageOf(m.KV) }

// AsidePrefix begins the keys under which records are kept that could not be
// understood and have been replaced or moved out of the way. What follows is the
// key that the record had, and its revision.
const AsidePrefix = "aside."

// keepAside copies an entry to where nothing reads it.
func keepAside(ctx context.Context, kv KV, entry Entry) error {
	_, err := kv.Create(ctx, fmt.Sprintf("%s%s.%d", AsidePrefix, entry.Key, entry.Revision), entry.Value)
	if errors.Is(err, ErrExists) {
		return nil // an earlier try was cut off after this
	}
	return err
}

// SetAside moves the record under key out of the way: a copy is kept below
// AsidePrefix, and from then on there is no record. It may be cut off anywhere
// and done again.
func SetAside(ctx context.Context, kv KV, key string) error {
	entry, err := kv.Get(ctx, key)
	if err != nil {
		return err
	}
	if err := keepAside(ctx, kv, entry); err != nil {
		return err
	}
	if err := kv.Delete(ctx, key, entry.Revision); err != nil {
		return err
	}
	damageOf(kv).Written(key)
	return nil
}

// Readable returns what List returns, without the records that cannot be
// understood, and those apart. It is for callers that go on with what there is;
// whoever deletes something because no record names it must use List.
func (t *Table[K, T]) Readable(ctx context.Context, app string) (records []Record[T], unreadable []Unreadable, err error) {
	pattern, ok := t.pattern(app)
	if !ok {
		return nil, nil, nil
	}
	entries, err := t.kv.List(ctx, pattern)
	if err != nil {
		return nil, nil, fmt.Errorf("store: list %s records: %w", t.schema.kind, err)
	}
	records = make([]Record[T], 0, len(entries))
	for _, entry := range entries {
		p, known := parsePath(entry.Key)
		if !known && t.schema.pattern == nil {
			continue
		}
		record, err := t.Decode(entry)
		if err != nil {
			unreadable = append(unreadable, Unreadable{Key: entry.Key, App: p.app, Number: p.number, Err: err})
			continue
		}
		records = append(records, record)
	}
	return records, unreadable, nil
}

// Replace writes the whole record, whatever is there, and as often as it takes
// when others write at the same time. Of a record that cannot be understood a copy
// is kept below AsidePrefix first; one of a newer Teal's is left as it is, and the
// error wraps ErrNewer.
func (t *Table[K, T]) Replace(ctx context.Context, value T) (Record[T], error) {
	key := t.schema.key(value)
	path, _, err := t.encode(key, value)
	if err != nil {
		return Record[T]{}, err
	}
	return t.retry(ctx, func() (Record[T], error) {
		entry, err := t.kv.Get(ctx, path)
		if errors.Is(err, ErrNotFound) {
			return t.Create(ctx, value)
		}
		if err != nil {
			return Record[T]{}, t.explain("get", key, err)
		}
		_, err = t.Decode(entry)
		if errors.Is(err, ErrNewer) {
			return Record[T]{}, err
		}
		if err != nil {
			if err := keepAside(ctx, t.kv, entry); err != nil {
				return Record[T]{}, t.explain("keep a copy of", key, err)
			}
		}
		return t.Update(ctx, value, entry.Revision)
	})
}

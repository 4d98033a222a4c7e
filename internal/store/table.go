package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"teal"
)

// Record is a stored value and the revision that wrote it.
type Record[T any] struct {
	Value    T
	Revision uint64
}

// Table holds the records of one kind. A record's key is part of its value, so
// the two cannot disagree.
//
// The errors are *teal.Error where a user may see them: not found is the kind's
// own code (unknown_app, unknown_version, unknown_alias, unknown_release;
// version_not_running for an environment) and wraps ErrNotFound; CodeExists
// wraps ErrExists; CodeConflict wraps ErrConflict; CodeTimeout wraps
// ErrOutcomeUnknown; CodeInvalidInput is a key that no record can have, except
// that reading such a key is not found.
type Table[K comparable, T any] struct {
	kv     KV
	damage Damage
	schema schema[K, T]
}

// schema is what distinguishes one kind from another.
type schema[K comparable, T any] struct {
	kind Kind
	// number is the schema that this Teal writes, and the highest that it reads; 0
	// is firstSchema. It is raised by whatever an earlier Teal must not drop: see
	// number.go.
	number int
	// needs returns the schema that a record needs, at most number: one of which an
	// earlier Teal would drop nothing keeps the number that that one reads. nil is
	// number for all.
	needs func(T) int
	key   func(T) K
	path  func(K) (string, error)
	name  func(K) string // for people: "version 3 of app shop"
	// valid says what else a record must hold to be understood; nil is nothing.
	valid   func(T) error
	missing func(K) *teal.Error
	// pattern returns what matches the keys of an app, or of all apps for "";
	// nil is the records that Store has tables of.
	pattern func(app string) string
}

func newTable[K comparable, T any](kv KV, s schema[K, T]) *Table[K, T] {
	s.number = max(s.number, firstSchema)
	return &Table[K, T]{kv: kv, damage: damageOf(kv), schema: s}
}

// Path returns the key of the KV under which a record is kept.
func (t *Table[K, T]) Path(key K) (string, error) { return t.schema.path(key) }

// Get returns the record of key.
func (t *Table[K, T]) Get(ctx context.Context, key K) (Record[T], error) {
	record, _, err := t.load(ctx, key)
	return record, err
}

// Create stores a record that does not exist yet.
func (t *Table[K, T]) Create(ctx context.Context, value T) (Record[T], error) {
	key := t.schema.key(value)
	path, data, err := t.encode(key, value)
	if err != nil {
		return Record[T]{}, err
	}
	revision, err := t.kv.Create(ctx, path, data)
	if err != nil {
		return Record[T]{}, t.explain("create", key, err)
	}
	t.damage.Written(path)
	return Record[T]{Value: value, Revision: revision}, nil
}

// Update replaces the record whose newest revision is revision.
func (t *Table[K, T]) Update(ctx context.Context, value T, revision uint64) (Record[T], error) {
	key := t.schema.key(value)
	path, data, err := t.encode(key, value)
	if err != nil {
		return Record[T]{}, err
	}
	written, err := t.kv.Update(ctx, path, data, revision)
	if err != nil {
		return Record[T]{}, t.explain("update", key, err)
	}
	t.damage.Written(path)
	return Record[T]{Value: value, Revision: written}, nil
}

// Delete removes the record whose newest revision is revision.
func (t *Table[K, T]) Delete(ctx context.Context, key K, revision uint64) error {
	path, err := t.schema.path(key)
	if err != nil {
		return err
	}
	if err := t.kv.Delete(ctx, path, revision); err != nil {
		return t.explain("delete", key, err)
	}
	t.damage.Written(path)
	return nil
}

// List returns the records of an app, or of all apps when app is "", sorted by
// app, then by number or name. An app that does not exist has none. One record
// that cannot be understood is an error that wraps ErrUnreadable; see Readable.
func (t *Table[K, T]) List(ctx context.Context, app string) ([]Record[T], error) {
	records, unreadable, err := t.Readable(ctx, app)
	if err == nil && len(unreadable) > 0 {
		err = unreadable[0].Err
	}
	if err != nil {
		return nil, err
	}
	return records, nil
}

// Scan calls visit with the records that List returns, in no order, and holds no
// more than a few of them at a time; see [KV]. It gets the key of the KV, and, for
// a record that cannot be read, why. An error of visit ends it.
func (t *Table[K, T]) Scan(ctx context.Context, app string, visit func(path string, record Record[T], err error) error) error {
	pattern, ok := t.pattern(app)
	if !ok {
		return nil
	}
	return t.kv.Scan(ctx, pattern, func(entry Entry) error {
		if _, known := parsePath(entry.Key); !known && t.schema.pattern == nil {
			return nil
		}
		record, err := t.Decode(entry)
		return visit(entry.Key, record, err)
	})
}

// load returns the record and the entry that it was read from.
func (t *Table[K, T]) load(ctx context.Context, key K) (Record[T], Entry, error) {
	path, err := t.schema.path(key)
	if err != nil {
		return Record[T]{}, Entry{}, t.explain("get", key, ErrNotFound)
	}
	entry, err := t.kv.Get(ctx, path)
	if err != nil {
		return Record[T]{}, Entry{}, t.explain("get", key, err)
	}
	record, err := t.Decode(entry)
	return record, entry, err
}

func (t *Table[K, T]) encode(key K, value T) (path string, data []byte, err error) {
	if path, err = t.schema.path(key); err != nil {
		return "", nil, err
	}
	if data, err = json.Marshal(value); err != nil {
		return "", nil, fmt.Errorf("store: encode %s: %w", t.schema.name(key), err)
	}
	if data[0] != '{' {
		return "", nil, fmt.Errorf("store: %s is no JSON object, so it has no place for the number of its schema", t.schema.name(key))
	}
	number := t.schema.number
	if t.schema.needs != nil {
		number = t.schema.needs(value)
	}
	return path, WithNumber(data, number), nil
}

func (t *Table[K, T]) sameKey(key K, value T) error {
	if got := t.schema.key(value); got != key {
		return fmt.Errorf("store: a change of %s turned it into %s", t.schema.name(key), t.schema.name(got))
	}
	return nil
}

// pattern returns what matches the table's keys; false when app can be no app.
func (t *Table[K, T]) pattern(app string) (string, bool) {
	if app != "" && teal.CheckName("app", app) != nil {
		return "", false
	}
	if t.schema.pattern != nil {
		return t.schema.pattern(app), true
	}
	if app == "" {
		app = "*"
	}
	if t.schema.kind == KindApp {
		return "apps." + app + ".app", true
	}
	return "apps." + app + "." + string(t.schema.kind) + ".*", true
}

// explain turns an error of the KV into one for people.
func (t *Table[K, T]) explain(op string, key K, err error) error {
	name := t.schema.name(key)
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return &teal.Error{Code: teal.CodeTimeout, Err: err, Message: "It is not known whether the change of the " + name + " was saved; look at it before you do it again."}
	case errors.Is(err, ErrNotFound):
		missing := t.schema.missing(key)
		missing.Err = err
		return missing
	case errors.Is(err, ErrExists):
		return &teal.Error{Code: teal.CodeExists, Err: err, Message: "The " + name + " exists already."}
	case errors.Is(err, ErrConflict):
		return &teal.Error{Code: teal.CodeConflict, Err: err, Message: "The " + name + " was changed in the meantime and nothing was saved; look at it and do it again."}
	case errors.Is(err, ErrTooLarge):
		return &teal.Error{Code: teal.CodeTooLarge, Err: err, Message: fmt.Sprintf("The %s is too large to be stored; its record may have at most %s.", name, teal.Bytes(MaxValue))}
	}
	return fmt.Errorf("store: %s %s: %w", op, name, err)
}

// Decode reads an entry of the table. The error, for which whoever the KV reports
// to is told, wraps ErrUnreadable.
func (t *Table[K, T]) Decode(entry Entry) (Record[T], error) {
	record := Record[T]{Revision: entry.Revision}
	err := CheckNumber(entry.Value, t.schema.number)
	if err == nil {
		err = json.Unmarshal(entry.Value, &record.Value)
	}
	if err == nil {
		err = t.check(entry.Key, record.Value)
	}
	if err == nil {
		return record, nil
	}
	err = &teal.Error{
		Code: teal.CodeInternal, Err: fmt.Errorf("%w: %w", ErrUnreadable, err),
		Message: "The record " + entry.Key + " cannot be read: " + whyUnreadable(err) + ". `teal doctor` says what to do.",
	}
	t.damage.Unreadable(entry.Key, err)
	return Record[T]{}, err
}

// check refuses a value that is well-formed and not what its key promises.
func (t *Table[K, T]) check(key string, value T) error {
	path, err := t.schema.path(t.schema.key(value))
	if err != nil || path != key {
		return fmt.Errorf("it does not say that it is %s", key)
	}
	if t.schema.valid == nil {
		return nil
	}
	return t.schema.valid(value)
}

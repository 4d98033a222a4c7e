package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	schema schema[K, T]
}

// schema is what distinguishes one kind from another.
type schema[K comparable, T any] struct {
	kind    Kind
	key     func(T) K
	path    func(K) (string, error)
	name    func(K) string // for people: "version 3 of app shop"
	missing func(K) *teal.Error
}

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
	return nil
}

// List returns the records of an app, or of all apps when app is "", sorted by
// app, then by number or name. An app that does not exist has none.
func (t *Table[K, T]) List(ctx context.Context, app string) ([]Record[T], error) {
	pattern, ok := t.pattern(app)
	if !ok {
		return nil, nil
	}
	entries, err := t.kv.List(ctx, pattern)
	if err != nil {
		return nil, fmt.Errorf("store: list %s records: %w", t.schema.kind, err)
	}
	records := make([]Record[T], 0, len(entries))
	for _, entry := range entries {
		if _, known := parsePath(entry.Key); !known {
			continue
		}
		record, err := decode[T](entry)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// ErrUnchanged is what a change function returns to leave the record as it is.
var ErrUnchanged = errors.New("store: leave the record unchanged")

// Modify loads the record of key, lets change edit it, and saves it at the
// revision that was loaded. When somebody else was faster, it starts again from
// what they wrote, until that works or ctx ends. It returns the record as it is
// stored afterwards.
//
// change gets a value of its own each time and may be called several times: what
// it does must depend on nothing but that value. When it returns ErrUnchanged, or
// leaves the value as it was, nothing is written and Modify succeeds. With any
// other error Modify writes nothing and returns that error as it is. change must
// not alter the key.
//
// A record that does not exist is an error, see Upsert. A write whose outcome is
// unknown (ErrOutcomeUnknown) is returned, not repeated.
func (t *Table[K, T]) Modify(ctx context.Context, key K, change func(*T) error) (Record[T], error) {
	return t.retry(ctx, func() (Record[T], error) {
		record, data, err := t.load(ctx, key)
		if err != nil {
			return Record[T]{}, err
		}
		return t.modifyOnce(ctx, key, record, data, change)
	})
}

// Upsert is Modify for a record that may not exist: then change gets the zero
// value and exists is false, and must set the key's fields; the record is
// created. When change returns ErrUnchanged for a record that does not exist,
// the result is that it was not found.
func (t *Table[K, T]) Upsert(ctx context.Context, key K, change func(value *T, exists bool) error) (Record[T], error) {
	return t.retry(ctx, func() (Record[T], error) {
		record, data, err := t.load(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return t.createOnce(ctx, key, err, change)
		}
		if err != nil {
			return Record[T]{}, err
		}
		return t.modifyOnce(ctx, key, record, data, func(v *T) error { return change(v, true) })
	})
}

func (t *Table[K, T]) modifyOnce(ctx context.Context, key K, record Record[T], stored []byte, change func(*T) error) (Record[T], error) {
	before := record.Revision
	err := change(&record.Value)
	if errors.Is(err, ErrUnchanged) {
		return decode[T](Entry{Value: stored, Revision: before})
	}
	if err != nil {
		return Record[T]{}, settled{err}
	}
	if err := t.sameKey(key, record.Value); err != nil {
		return Record[T]{}, err
	}
	_, data, err := t.encode(key, record.Value)
	if err != nil {
		return Record[T]{}, err
	}
	if bytes.Equal(data, stored) {
		return record, nil
	}
	return t.Update(ctx, record.Value, before)
}

func (t *Table[K, T]) createOnce(ctx context.Context, key K, missing error, change func(*T, bool) error) (Record[T], error) {
	var value T
	err := change(&value, false)
	if errors.Is(err, ErrUnchanged) {
		return Record[T]{}, missing
	}
	if err != nil {
		return Record[T]{}, settled{err}
	}
	if err := t.sameKey(key, value); err != nil {
		return Record[T]{}, err
	}
	return t.Create(ctx, value)
}

// settled marks an error of the caller's change function: it ends the loop even
// when it happens to wrap a conflict.
type settled struct{ error }

// maxPause bounds the wait between two tries of Modify.
const maxPause = 20 * time.Millisecond

// retry runs try until it ends in something other than a lost race. The pause
// grows, so that many writers of one record do not keep each other busy.
func (t *Table[K, T]) retry(ctx context.Context, try func() (Record[T], error)) (Record[T], error) {
	for pause := time.Duration(0); ; pause = min(maxPause, 2*pause+time.Millisecond/8) {
		record, err := try()
		if own, ok := err.(settled); ok {
			return record, own.error
		}
		lost := errors.Is(err, ErrConflict) || errors.Is(err, ErrExists)
		if err == nil || !lost || errors.Is(err, ErrOutcomeUnknown) {
			return record, err
		}
		if ctxErr := sleep(ctx, pause); ctxErr != nil {
			return Record[T]{}, fmt.Errorf("%w (gave up: %w)", err, ctxErr)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// load returns the record and the bytes that it was read from.
func (t *Table[K, T]) load(ctx context.Context, key K) (Record[T], []byte, error) {
	path, err := t.schema.path(key)
	if err != nil {
		return Record[T]{}, nil, t.explain("get", key, ErrNotFound)
	}
	entry, err := t.kv.Get(ctx, path)
	if err != nil {
		return Record[T]{}, nil, t.explain("get", key, err)
	}
	record, err := decode[T](entry)
	return record, entry.Value, err
}

func (t *Table[K, T]) encode(key K, value T) (path string, data []byte, err error) {
	if path, err = t.schema.path(key); err != nil {
		return "", nil, err
	}
	if data, err = json.Marshal(value); err != nil {
		return "", nil, fmt.Errorf("store: encode %s: %w", t.schema.name(key), err)
	}
	return path, data, nil
}

func (t *Table[K, T]) sameKey(key K, value T) error {
	if got := t.schema.key(value); got != key {
		return fmt.Errorf("store: a change of %s turned it into %s", t.schema.name(key), t.schema.name(got))
	}
	return nil
}

// pattern returns what matches the table's keys; false when app can be no app.
func (t *Table[K, T]) pattern(app string) (string, bool) {
	if app == "" {
		app = "*"
	} else if teal.CheckName("app", app) != nil {
		return "", false
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

func decode[T any](entry Entry) (Record[T], error) {
	record := Record[T]{Revision: entry.Revision}
	if err := json.Unmarshal(entry.Value, &record.Value); err != nil {
		return Record[T]{}, &teal.Error{Code: teal.CodeInternal, Err: err, Message: "The record " + entry.Key + " cannot be read: it is damaged, or was written by a newer Teal. Restore the data directory from a backup, or run the newer Teal."}
	}
	return record, nil
}

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

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
		record, entry, err := t.load(ctx, key)
		if err != nil {
			return Record[T]{}, err
		}
		return t.modifyOnce(ctx, key, record, entry, change)
	})
}

// Upsert is Modify for a record that may not exist: then change gets the zero
// value and exists is false, and must set the key's fields; the record is
// created. When change returns ErrUnchanged for a record that does not exist,
// the result is that it was not found.
func (t *Table[K, T]) Upsert(ctx context.Context, key K, change func(value *T, exists bool) error) (Record[T], error) {
	return t.retry(ctx, func() (Record[T], error) {
		record, entry, err := t.load(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return t.createOnce(ctx, key, err, change)
		}
		if err != nil {
			return Record[T]{}, err
		}
		return t.modifyOnce(ctx, key, record, entry, func(v *T) error { return change(v, true) })
	})
}

func (t *Table[K, T]) modifyOnce(ctx context.Context, key K, record Record[T], stored Entry, change func(*T) error) (Record[T], error) {
	before := record.Revision
	err := change(&record.Value)
	if errors.Is(err, ErrUnchanged) {
		return t.Decode(stored)
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
	if bytes.Equal(withoutNumber(data), withoutNumber(stored.Value)) {
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
		if own := (settled{}); errors.As(err, &own) {
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

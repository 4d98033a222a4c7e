package store

import (
	"context"
	"errors"
)

// ErrReadOnly: the store takes no writes at the moment, because its disk is full
// or broken. Nothing was written; reads go on. It takes writes again by itself.
var ErrReadOnly = errors.New("store: it takes no writes now")

type urgentKey struct{}

// Urgent marks the writes under ctx as those that bring a running release to its
// end, forwards or back. A store that is short of space keeps some for them,
// so it must not be given to writes that begin something.
func Urgent(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgentKey{}, true)
}

// IsUrgent reports whether ctx was marked by Urgent.
func IsUrgent(ctx context.Context) bool {
	urgent, _ := ctx.Value(urgentKey{}).(bool)
	return urgent
}

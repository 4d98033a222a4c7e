package store

import (
	"context"
	"errors"
)

// ErrReadOnly says that the store takes no writes at the moment, because its disk
// is full or broken. Nothing was written; reads go on. It takes writes again by itself.
var ErrReadOnly = errors.New("store: it takes no writes now")

// Urgency says for which writes a store that is short of space uses what it has
// set aside.
type Urgency int

// The urgencies. What begins something new is never more than ordinary.
const (
	Ordinary Urgency = iota
	Running          // of a release that runs: as long as enough is left for going back
	Back             // brings a release to its end, or to where it came from
)

type urgencyKey struct{}

// WithUrgency marks the writes under ctx.
func WithUrgency(ctx context.Context, u Urgency) context.Context {
	return context.WithValue(ctx, urgencyKey{}, u)
}

// UrgencyOf returns how ctx was marked; Ordinary when it was not.
func UrgencyOf(ctx context.Context) Urgency {
	u, _ := ctx.Value(urgencyKey{}).(Urgency)
	return u
}

package memkv

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"teal/internal/store"
)

// ErrInjected is in the chain of every error that a Fault causes.
var ErrInjected = errors.New("memkv: injected fault")

// Op names an operation of a KV.
type Op string

// The operations. OpAny stands for all of them, OpAnyWrite for those that write.
const (
	OpGet      Op = "get"
	OpCreate   Op = "create"
	OpUpdate   Op = "update"
	OpDelete   Op = "delete"
	OpList     Op = "list"
	OpWatch    Op = "watch"
	OpAny      Op = "any"
	OpAnyWrite Op = "any write"
)

// Mode says what becomes of an operation that fails.
type Mode int

// The modes. On an operation that writes nothing all three look alike: an error
// that wraps ErrInjected alone.
const (
	// Refused: nothing is written and the error says so.
	Refused Mode = iota
	// RequestLost: nothing is written, and the error is ErrOutcomeUnknown.
	RequestLost
	// AnswerLost: the operation is carried out, and the error is
	// ErrOutcomeUnknown whatever came of it.
	AnswerLost
)

// Always means, as Fault.Times, that the fault stays until Heal.
const Always = -1

// Fault describes which operations fail, and how.
type Fault struct {
	Op Op
	// Key is the pattern that the operation's key must match; "" matches every
	// operation. A list or a watch has its own pattern for a key, compared
	// literally.
	Key   string
	Mode  Mode
	Skip  int // so many matching operations go well first
	Times int // then so many fail; 0 means one; Always: all
}

// Fail adds a fault. When several match an operation, the oldest applies, and
// only that one counts it.
func (kv *KV) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	kv.mu.Lock()
	defer kv.mu.Unlock()
	kv.faults = append(kv.faults, &f)
}

// Heal removes all faults.
func (kv *KV) Heal() {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	kv.faults = nil
}

// BreakWatches makes every open watch fail with store.ErrLagged at its next
// Next, even where changes are waiting.
func (kv *KV) BreakWatches() {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	for f := range kv.feeds {
		f.breakLocked()
	}
}

// do runs apply under the lock, unless a fault says otherwise.
func (kv *KV) do(ctx context.Context, op Op, key string, apply func() error) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	return kv.apply(ctx, op, key, apply)
}

func (kv *KV) doWrite(ctx context.Context, op Op, key string, value []byte, apply func() error) error {
	if len(value) > store.MaxValue {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", store.ErrTooLarge, key, len(value), store.MaxValue)
	}
	return kv.do(ctx, op, key, apply)
}

func (kv *KV) doPattern(ctx context.Context, op Op, pattern string, apply func()) error {
	if err := store.CheckPattern(pattern); err != nil {
		return err
	}
	return kv.apply(ctx, op, pattern, func() error { apply(); return nil })
}

func (kv *KV) apply(ctx context.Context, op Op, key string, apply func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	kv.mu.Lock()
	defer kv.mu.Unlock()
	fault := kv.takeFaultLocked(op, key)
	switch {
	case fault == nil:
		return apply()
	case fault.Mode == Refused || !op.writes():
		return fmt.Errorf("%s %s: %w", op, key, ErrInjected)
	case fault.Mode == AnswerLost:
		// What it answers is what gets lost.
		_ = apply()
	}
	return fmt.Errorf("%s %s: %w: %w", op, key, store.ErrOutcomeUnknown, ErrInjected)
}

// takeFaultLocked returns the fault that makes this operation fail, counted, or
// nil.
func (kv *KV) takeFaultLocked(op Op, key string) *Fault {
	i := slices.IndexFunc(kv.faults, func(f *Fault) bool { return f.matches(op, key) })
	if i < 0 {
		return nil
	}
	fault := kv.faults[i]
	if fault.Skip > 0 {
		fault.Skip--
		return nil
	}
	if fault.Times != Always {
		if fault.Times--; fault.Times == 0 {
			kv.faults = slices.Delete(kv.faults, i, i+1)
		}
	}
	return fault
}

func (f *Fault) matches(op Op, key string) bool {
	if f.Op != OpAny && f.Op != op && (f.Op != OpAnyWrite || !op.writes()) {
		return false
	}
	if op == OpList || op == OpWatch {
		return f.Key == "" || f.Key == key
	}
	return f.Key == "" || store.Match(f.Key, key)
}

func (op Op) writes() bool { return op == OpCreate || op == OpUpdate || op == OpDelete }

package natskv

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"teal/internal/store"
)

// codeStoreFailed is the server's error when its storage failed in the middle of
// a write.
const codeStoreFailed jetstream.ErrorCode = 10077

// writeError says what an error of a publish means for what is stored. Only the
// server's own refusal, or the certainty that nothing was sent, is a plain
// error; all else is ErrOutcomeUnknown.
func writeError(op string, err error) error {
	var refused *jetstream.APIError
	switch {
	case errors.As(err, &refused):
		return refusal(op, refused)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("natskv: %s: nothing was written, the NATS server has no such bucket or no leader for it: %w", op, err)
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("natskv: %s: nothing was written: %w", op, err)
	}
	return fmt.Errorf("natskv: %s: %w: %w", op, store.ErrOutcomeUnknown, err)
}

func refusal(op string, refused *jetstream.APIError) error {
	switch refused.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return store.ErrConflict
	case codeStoreFailed:
		return fmt.Errorf("natskv: %s: %w: %w", op, store.ErrOutcomeUnknown, refused)
	}
	return fmt.Errorf("natskv: %s: nothing was written: %w", op, refused)
}

// readError adds what a failed read means.
func (db *DB) readError(ctx context.Context, op string, err error) error {
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case db.isClosed():
		err = store.ErrClosed
	}
	return fmt.Errorf("natskv: %s: %w", op, err)
}

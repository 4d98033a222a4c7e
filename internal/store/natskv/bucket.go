package natskv

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"teal/internal/store"
)

// messageOverhead is room for the headers of the largest value.
const messageOverhead = 64 << 10

func (db *DB) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              db.streamName(),
		Description:       "Teal's records",
		Subjects:          []string{db.subject(">")},
		MaxMsgsPerSubject: 1,
		MaxMsgSize:        store.MaxValue + messageOverhead,
		Storage:           jetstream.FileStorage,
		Replicas:          db.replicas,
		Discard:           jetstream.DiscardNew,
		DenyDelete:        true,
		AllowRollup:       true,
		AllowMsgTTL:       true,
		// A direct get may be answered by a replica that is behind.
		AllowDirect: db.replicas == 1,
	}
}

// openStream binds the bucket's stream to the session; it returns
// jetstream.ErrStreamNotFound when there is none.
func (db *DB) openStream(ctx context.Context, s *session) (err error) {
	s.stream, err = s.js.Stream(ctx, db.streamName())
	if err != nil {
		return err
	}
	if cfg := s.stream.CachedInfo().Config; cfg.MaxMsgsPerSubject != 1 || !cfg.AllowMsgTTL {
		return fmt.Errorf("natskv: the bucket %s was not made by Teal: it needs a history of 1 and per-message TTLs; use another bucket", db.bucket)
	}
	return nil
}

// createStream makes the bucket; when somebody else makes it at the same time,
// theirs is used.
func (db *DB) createStream(ctx context.Context, s *session) (err error) {
	s.stream, err = s.js.CreateStream(ctx, db.streamConfig())
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return db.openStream(ctx, s)
	}
	return err
}

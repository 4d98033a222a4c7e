package natskv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"teal/internal/store"
)

// DB is a store.KV on a JetStream stream.
type DB struct {
	bucket    string
	markerTTL time.Duration
	replicas  int

	// What follows is nil for a remote bucket.
	mark *mark
	disk *disk
	log  *slog.Logger
	kick chan struct{} // capacity 1: Run has something to look at

	now atomic.Pointer[session]
	// replacing is held while the session is replaced, and for good by Close.
	replacing chan struct{} // capacity 1
	ended     chan struct{} // closed when Close begins
	lastTry   time.Time     // of replacing a session, guarded by replacing
	lastErr   error         // what came of it, likewise
	doubted   bool          // a sync has failed, guarded by replacing
	reopened  atomic.Int64

	closing  sync.Once
	closeErr error
	cleanups []cleanup
}

type cleanup struct {
	name string
	do   func() error
}

var _ store.KV = (*DB)(nil)

func newDB(bucket string, ttl time.Duration) *DB {
	return &DB{
		bucket: bucket, markerTTL: ttl, replicas: 1,
		kick: make(chan struct{}, 1), replacing: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

func (db *DB) isClosed() bool {
	select {
	case <-db.ended:
		return true
	default:
		return false
	}
}

func (db *DB) cleanup(name string, do func() error) {
	db.cleanups = append(db.cleanups, cleanup{name, do})
}

// Close ends the connection, and the server if it is our own, and waits until
// that is down and the directory may be opened again. Writes under way may end
// with store.ErrOutcomeUnknown. It may be called more than once.
func (db *DB) Close() error {
	db.closing.Do(func() {
		close(db.ended)
		db.replacing <- struct{}{} // never given back
		for i := len(db.cleanups) - 1; i >= 0; i-- {
			c := db.cleanups[i]
			if err := c.do(); err != nil {
				db.closeErr = errors.Join(db.closeErr, fmt.Errorf("natskv: close the %s: %w", c.name, err))
			}
		}
	})
	return db.closeErr
}

func (db *DB) streamName() string { return "KV_" + db.bucket }

func (db *DB) subject(key string) string { return "$KV." + db.bucket + "." + key }

func (db *DB) key(subject string) string { return subject[len("$KV.")+len(db.bucket)+1:] }

// Get implements store.KV.
func (db *DB) Get(ctx context.Context, key string) (store.Entry, error) {
	entry, deleted, err := db.last(ctx, key)
	if err != nil {
		return store.Entry{}, err
	}
	if deleted {
		return store.Entry{}, store.ErrNotFound
	}
	return entry, nil
}

// Create implements store.KV. Every try but the last is known to have written
// nothing.
func (db *DB) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	if err := store.CheckKey(key); err != nil {
		return 0, err
	}
	expected := uint64(0)
	for {
		revision, err := db.publish(ctx, put(key, value), expected)
		if !errors.Is(err, store.ErrConflict) {
			return revision, err
		}
		entry, deleted, err := db.last(ctx, key)
		switch {
		case err == nil && !deleted:
			return 0, store.ErrExists
		case err == nil:
			expected = entry.Revision
		case errors.Is(err, store.ErrNotFound):
			// The marker that was in the way has just expired.
			expected = 0
		default:
			return 0, err
		}
	}
}

// Update implements store.KV.
func (db *DB) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := db.checkLive(ctx, key, revision); err != nil {
		return 0, err
	}
	return db.publish(ctx, put(key, value), revision)
}

// Delete implements store.KV. It is made on a full disk, too: what is deleted makes
// room, or is an event that would be run again.
func (db *DB) Delete(ctx context.Context, key string, revision uint64) error {
	ctx = store.WithUrgency(ctx, max(store.Running, store.UrgencyOf(ctx)))
	if err := db.checkLive(ctx, key, revision); err != nil {
		return err
	}
	_, err := db.publish(ctx, marker(key, db.markerTTL), revision)
	return err
}

// checkLive returns ErrConflict unless revision is the newest of key and a value.
// The server compares the revision again when it writes; what it cannot tell is
// a value from a delete marker, nor "revision 0" from "must not exist".
func (db *DB) checkLive(ctx context.Context, key string, revision uint64) error {
	entry, deleted, err := db.last(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.ErrConflict
	case err != nil:
		return err
	case deleted || entry.Revision != revision:
		return store.ErrConflict
	}
	return nil
}

// last returns the newest message of key and whether it is a delete marker.
func (db *DB) last(ctx context.Context, key string) (entry store.Entry, deleted bool, err error) {
	if err := store.CheckKey(key); err != nil {
		return store.Entry{}, false, err
	}
	var msg *jetstream.RawStreamMsg
	err = db.read(ctx, func(s *session) (err error) {
		msg, err = s.stream.GetLastMsgForSubject(ctx, db.subject(key))
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return store.Entry{}, false, store.ErrNotFound
	}
	if err != nil {
		return store.Entry{}, false, db.readError(ctx, "get "+key, err)
	}
	return store.Entry{Key: key, Value: msg.Data, Revision: msg.Sequence}, isMarker(msg.Header), nil
}

// message is a write that has not been given a revision.
type message struct {
	key    string
	value  []byte
	header nats.Header
}

func put(key string, value []byte) message {
	return message{key: key, value: value, header: nats.Header{}}
}

// The headers of NATS's key-value buckets.
const (
	headerOperation = "KV-Operation"
	operationDelete = "DEL"
)

func marker(key string, ttl time.Duration) message {
	return message{key: key, header: nats.Header{
		headerOperation:        {operationDelete},
		jetstream.MsgTTLHeader: {strconv.Itoa(max(1, int(ttl/time.Second)))},
	}}
}

// isMarker knows the markers of NATS's own tools too.
func isMarker(h nats.Header) bool {
	return h.Get(headerOperation) != "" || h.Get(jetstream.MarkerReasonHeader) != ""
}

// maxTries bounds how often an urgent write is tried again on a full disk.
const maxTries = 8

// publish writes m if the newest revision of its key is expected, 0 meaning that
// there is none.
func (db *DB) publish(ctx context.Context, m message, expected uint64) (uint64, error) {
	if len(m.value) > store.MaxValue {
		return 0, fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", store.ErrTooLarge, m.key, len(m.value), store.MaxValue)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for try := 1; ; try++ {
		s, err := db.writable(ctx, len(m.value))
		if err != nil {
			return 0, err
		}
		revision, err := db.send(ctx, s, m, expected)
		if err == nil || !s.hasFailed() {
			return revision, err
		}
		// The stream has failed before, during or after this write.
		if err := db.settle(ctx, s, m.key, expected, err); err != nil {
			return 0, err
		}
		if try == maxTries || !db.disk.ballast.release(store.UrgencyOf(ctx)) {
			free, _ := db.disk.space()
			return 0, db.disk.refusal(s.why(), true, free)
		}
	}
}

// send gives a write to the server of a session, once.
func (db *DB) send(ctx context.Context, s *session, m message, expected uint64) (revision uint64, err error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(s.life, stop)()
	if db.disk != nil {
		done := db.disk.waits()
		defer func() { done(errors.Is(err, store.ErrOutcomeUnknown)) }()
	}
	ack, err := s.js.PublishMsg(waiting, &nats.Msg{Subject: db.subject(m.key), Header: m.header, Data: m.value},
		jetstream.WithExpectLastSequencePerSubject(expected), jetstream.WithExpectStream(db.streamName()))
	if err != nil {
		return 0, writeError("write "+m.key, err)
	}
	if db.mark != nil {
		db.mark.raise(ack.Sequence)
	}
	return ack.Sequence, nil
}

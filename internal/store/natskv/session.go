package natskv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"teal/internal/store"
)

// session is one connection to the bucket, and the server behind it when that is
// our own. A DB has one after the other: the server's file store keeps the first
// error of a write for good, so a new one has to be started on the same files.
type session struct {
	srv    *server.Server // nil: somebody else's
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream

	// life ends when the stream takes no writes any more; it can be read still.
	life context.Context
	fail context.CancelCauseFunc
	// unsynced: what can be read was perhaps never written to the disk itself.
	unsynced bool
}

func newSession() *session {
	s := &session{}
	s.life, s.fail = context.WithCancelCause(context.Background())
	return s
}

func (s *session) bind(nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("natskv: %w", err)
	}
	s.nc, s.js = nc, js
	return nil
}

// errEnded is why the life of a session ends that was ended in good order.
var errEnded = errors.New("natskv: the session has ended")

// end stops everything of the session and waits for that.
func (s *session) end() {
	s.fail(errEnded)
	if s.nc != nil {
		s.nc.Close()
	}
	if s.srv != nil {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
	}
}

// isOver reports whether nothing can be done with the session any more.
func (s *session) isOver() bool {
	return s.nc.IsClosed() || s.srv != nil && !s.srv.JetStreamEnabled()
}

// hasFailed reports whether the stream has stopped taking writes by itself.
func (s *session) hasFailed() bool {
	return s.life.Err() != nil && !errors.Is(context.Cause(s.life), errEnded)
}

// why returns the server's words about its failure.
func (s *session) why() string {
	if cause := context.Cause(s.life); cause != nil {
		return cause.Error()
	}
	return "the server has stopped"
}

// forSpace reports whether the failure was that a write found no space. All that
// there is of it is a text. A sync that finds none, as on a disk that was promised
// more than there is, is another matter: nobody knows what is on the disk.
func (s *session) forSpace() bool {
	why := s.why()
	return (strings.Contains(why, "no space left") || strings.Contains(why, "quota exceeded")) && !strings.Contains(why, "sync ") && !s.unsynced
}

// use returns the session that is in force. One that is over is replaced first.
func (db *DB) use(ctx context.Context) (*session, error) {
	if s := db.now.Load(); !s.isOver() {
		return s, nil
	}
	return db.replace(ctx, (*session).isOver)
}

// read runs f, which may be run again: when a session ends meanwhile, on the next
// one.
func (db *DB) read(ctx context.Context, f func(*session) error) error {
	for {
		s, err := db.use(ctx)
		if err != nil {
			return err
		}
		err = f(s)
		if err == nil || !s.isOver() || ctx.Err() != nil {
			return err
		}
	}
}

// writable returns a session that takes a value of so many bytes, or why there is
// none.
func (db *DB) writable(ctx context.Context, size int) (*session, error) {
	s, err := db.use(ctx)
	if err != nil || db.disk == nil {
		return s, err
	}
	if err := db.disk.admit(ctx, size); err != nil {
		return nil, err
	}
	if !s.hasFailed() {
		return s, nil
	}
	if !s.forSpace() && !db.disk.works() {
		return nil, db.disk.refusal(s.why(), false, 0)
	}
	s, err = db.replace(ctx, (*session).hasFailed)
	if err == nil && s.hasFailed() {
		return nil, db.disk.refusal(s.why(), false, 0)
	}
	return s, err
}

// settle finds out what became of a write in whose time the stream failed with
// the error given. It returns nil when nothing was written.
//
// For want of space the files can be opened again at once, and say so. Where the
// disk is broken that could cost what can still be read.
func (db *DB) settle(ctx context.Context, s *session, key string, expected uint64, cause error) error {
	db.disk.failed(s.why(), s.forSpace())
	db.nudge()
	if !s.forSpace() {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	if _, err := db.replace(ctx, (*session).hasFailed); err != nil {
		return errors.Join(cause, err)
	}
	newest, _, err := db.last(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil || newest.Revision > expected:
		return cause
	}
	return nil
}

// replaceAgain is how soon after a session could not be replaced it is tried again.
const replaceAgain = time.Second

// replace puts a new session in the place of one that is unfit and returns it; or
// the one that somebody else has put there.
func (db *DB) replace(ctx context.Context, unfit func(*session) bool) (*session, error) {
	select {
	case <-db.ended:
		return nil, store.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	case db.replacing <- struct{}{}:
	}
	defer func() { <-db.replacing }()
	old := db.now.Load()
	switch {
	case db.isClosed(), old.srv == nil:
		return nil, store.ErrClosed
	case !unfit(old):
		return old, nil
	case db.lastErr != nil && time.Since(db.lastTry) < replaceAgain:
		return nil, db.lastErr
	}
	s, err := db.successor(old)
	db.lastTry, db.lastErr = time.Now(), err
	if err != nil {
		db.nudge()
		return nil, err
	}
	db.now.Store(s)
	db.reopened.Add(1)
	return s, nil
}

// successor makes the session after old: a new connection to its server when that
// is well, else a new server.
func (db *DB) successor(old *session) (*session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if old.srv.Running() && old.srv.JetStreamEnabled() && !old.hasFailed() {
		db.logger().Warn("lost the connection to the store; connecting again")
		s := &session{srv: old.srv, life: old.life, fail: old.fail}
		err := db.connect(ctx, s)
		if err == nil {
			return s, nil
		}
		old.fail(err)
	}
	db.logger().Warn("opening the store again", "reason", old.why())
	doubtful := old.hasFailed() && !old.forSpace()
	old.end()
	if err := distrustIndex(db.disk.dir); err != nil {
		return nil, err
	}
	var unsynced error
	if doubtful {
		db.doubted = true
		unsynced = rewriteNewest(db.disk.dir)
	}
	s, err := db.openSession(ctx)
	if err != nil {
		return nil, err
	}
	if unsynced != nil { // it is there to be read from
		s.unsynced = true
		s.fail(unsynced)
		db.disk.failed(unsynced.Error(), false)
		db.logger().Warn("the store can only be read", "error", unsynced)
		return s, nil
	}
	db.logger().Info("the store is open again")
	return s, nil
}

func (db *DB) logger() *slog.Logger {
	if db.log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return db.log
}

// openSession starts a server, opens the bucket and makes sure that it is all
// there. It makes the bucket if the directory has never had one. Where the disk is
// too full even for that, the ballast gives way.
func (db *DB) openSession(ctx context.Context) (*session, error) {
	for {
		s, err := db.tryOpen(ctx)
		if err == nil {
			return s, nil
		}
		if free, _ := db.disk.space(); ctx.Err() != nil || errors.Is(err, ErrDamaged) || free > writeOverhead || !db.disk.ballast.release(store.Back) {
			return nil, err
		}
	}
}

func (db *DB) tryOpen(ctx context.Context) (*session, error) {
	s := newSession()
	log := newServerLog(db.log, func(why string) {
		s.fail(errors.New(why))
		db.nudge()
	})
	var err error
	if s.srv, err = startServer(ctx, db.disk.dir, log); err != nil {
		return nil, err
	}
	if err = db.connect(ctx, s); errors.Is(err, jetstream.ErrStreamNotFound) {
		err = nil
	}
	if err == nil {
		err = db.recover(ctx, s, log)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// connect connects the session with its server and binds the stream.
func (db *DB) connect(ctx context.Context, s *session) error {
	nc, err := nats.Connect("", nats.InProcessServer(s.srv), nats.NoReconnect(), nats.Name("teal"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			db.logger().Debug("store connection", "error", err)
		}))
	if err != nil {
		return fmt.Errorf("natskv: connect to the embedded server: %w", err)
	}
	if err := s.bind(nc); err != nil {
		return err
	}
	return db.openStream(ctx, s)
}

// recover compares what the server found with what was acknowledged, and makes
// the bucket if there is none and never was.
func (db *DB) recover(ctx context.Context, s *session, log *serverLog) error {
	warnings := log.startWarnings()
	newest := uint64(0)
	if s.stream != nil {
		newest = s.stream.CachedInfo().State.LastSeq
	}
	if err := db.mark.check(db.disk.dir, newest, warnings); err != nil || s.stream != nil {
		return err
	}
	if err := db.createStream(ctx, s); err != nil {
		return fmt.Errorf("natskv: make the bucket %s: %w", db.bucket, err)
	}
	return nil
}

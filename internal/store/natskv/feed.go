package natskv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"teal/internal/store"
)

const (
	// A pull asks for so much at once; that bounds what a watch holds here.
	pullMessages = 256
	pullBytes    = 2 * maxPayload
	// How long the server keeps a pull open, and how often it says that it does.
	pullExpires   = 30 * time.Second
	pullHeartbeat = 5 * time.Second
	// The server forgets a consumer that nobody has pulled from for so long;
	// the feed then makes a new one.
	inactiveThreshold = 5 * time.Minute
)

// feed reads a stream through a consumer without acknowledgements. It pulls only
// when Next is waiting: what the consumer of the watch does not take stays in the
// stream, where newer changes replace older ones.
type feed struct {
	db      *DB
	subject string // with wildcards

	mu       sync.Mutex // guards the next four against Close
	closed   bool
	session  *session // in which the consumer is
	consumer string   // the server's name for it
	inbox    *nats.Subscription

	expected uint64 // the consumer's number of its next message
	position uint64 // the revision up to which everything has been shown
	pulled   int    // messages asked for and not received yet
	lastCall time.Time
}

// errLost means that the consumer cannot go on and must be made anew.
var errLost = errors.New("natskv: the consumer is gone or lost a message")

// List implements store.KV.
func (db *DB) List(ctx context.Context, pattern string) ([]store.Entry, error) {
	f, snapshot, err := db.openFeed(ctx, pattern)
	if err != nil {
		return nil, err
	}
	f.Close()
	return snapshot, nil
}

// Scan implements store.KV.
func (db *DB) Scan(ctx context.Context, pattern string, visit func(store.Entry) error) error {
	if err := checkRead(ctx, pattern); err != nil {
		return err
	}
	var refused error
	err := db.read(ctx, func(s *session) error {
		f := db.newFeed(s, pattern)
		defer f.Close()
		err := f.start(ctx, func(event store.Event) error {
			if !event.Deleted {
				refused = visit(event.Entry)
			}
			return refused
		})
		if refused != nil {
			return nil // the visitor has had enough, whatever became of the session
		}
		return err
	})
	if refused != nil || err == nil {
		return refused
	}
	return db.readError(ctx, "read "+pattern, err)
}

// Watch implements store.KV.
func (db *DB) Watch(ctx context.Context, pattern string) (*store.Watch, error) {
	f, snapshot, err := db.openFeed(ctx, pattern)
	if err != nil {
		return nil, err
	}
	return store.NewWatch(ctx, snapshot, f), nil
}

func (db *DB) openFeed(ctx context.Context, pattern string) (*feed, []store.Entry, error) {
	if err := checkRead(ctx, pattern); err != nil {
		return nil, nil, err
	}
	var f *feed
	var entries map[string]store.Entry
	err := db.read(ctx, func(s *session) error {
		f, entries = db.newFeed(s, pattern), map[string]store.Entry{}
		err := f.start(ctx, func(event store.Event) error {
			if delete(entries, event.Key); !event.Deleted {
				entries[event.Key] = event.Entry
			}
			return nil
		})
		if err != nil {
			f.Close()
		}
		return err
	})
	if err != nil {
		return nil, nil, db.readError(ctx, "read "+pattern, err)
	}
	return f, sorted(entries), nil
}

// checkRead refuses what cannot be read before anybody is asked for it.
func checkRead(ctx context.Context, pattern string) error {
	if err := store.CheckPattern(pattern); err != nil {
		return err
	}
	return ctx.Err()
}

func (db *DB) newFeed(s *session, pattern string) *feed {
	return &feed{db: db, session: s, subject: db.subject(pattern), lastCall: wallClock()}
}

// start makes a consumer of the newest message of every subject and what comes
// later, and shows take what there is.
func (f *feed) start(ctx context.Context, take func(store.Event) error) error {
	if err := f.subscribe(ctx, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}); err != nil {
		return err
	}
	return f.catchUp(ctx, take)
}

// catchUp shows take what there is until it has caught up with the stream. Stopping
// earlier would miss keys: one that is overwritten meanwhile has only its new
// message left, which comes later.
func (f *feed) catchUp(ctx context.Context, take func(store.Event) error) error {
	for {
		before := f.position
		if err := f.drain(ctx, take); err != nil {
			return err
		}
		// The server says "no messages" by a counter, which may run behind.
		if done, err := f.caughtUp(ctx); done || err != nil {
			return err
		}
		if f.position == before {
			// What a stream that has failed says is its newest message may be one that
			// it failed at, and shows to nobody.
			if f.session.hasFailed() {
				return nil
			}
			if err := f.pull(pullRequest{Batch: 1, Expires: time.Second}); err != nil {
				return err
			}
		}
	}
}

// drain shows take what the server has ready, until the pull ends.
func (f *feed) drain(ctx context.Context, take func(store.Event) error) error {
	for {
		if f.pulled <= 0 {
			if err := f.pull(pullRequest{Batch: pullMessages, MaxBytes: pullBytes, NoWait: true}); err != nil {
				return err
			}
		}
		msg, status, err := f.receive(ctx)
		if err != nil || status == statusNoMessages || status == statusTimeout {
			return err
		}
		if msg == nil {
			continue
		}
		if err := take(f.event(msg)); err != nil {
			return err
		}
	}
}

// caughtUp reports whether nothing that matches is newer than what was received.
func (f *feed) caughtUp(ctx context.Context) (bool, error) {
	if wallClock().Sub(f.lastCall) > f.db.markerTTL/2 {
		return false, store.ErrLagged
	}
	newest, err := f.session.stream.GetLastMsgForSubject(ctx, f.subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil
	}
	return err == nil && newest.Sequence <= f.position, err
}

func sorted(entries map[string]store.Entry) []store.Entry {
	return slices.SortedFunc(maps.Values(entries), func(a, b store.Entry) int { return strings.Compare(a.Key, b.Key) })
}

// Next implements store.Feed.
func (f *feed) Next(ctx context.Context) (store.Event, error) {
	defer func() { f.lastCall = wallClock() }()
	if wallClock().Sub(f.lastCall) > f.db.markerTTL/2 {
		return store.Event{}, store.ErrLagged
	}
	for {
		msg, err := f.nextMessage(ctx)
		switch {
		case errors.Is(err, errLost):
			if err := f.resume(ctx); err != nil && !errors.Is(err, errLost) {
				return store.Event{}, f.db.readError(ctx, "resume a watch", err)
			}
		case err != nil:
			return store.Event{}, f.db.readError(ctx, "watch", err)
		case msg != nil:
			return f.event(msg), nil
		}
	}
}

// nextMessage returns one message, or nil when there was only news about the
// pull.
func (f *feed) nextMessage(ctx context.Context) (*nats.Msg, error) {
	if f.pulled <= 0 {
		err := f.pull(pullRequest{Batch: pullMessages, MaxBytes: pullBytes, Expires: pullExpires, Heartbeat: pullHeartbeat})
		if err != nil {
			return nil, err
		}
	}
	waiting, cancel := context.WithTimeout(ctx, 2*pullHeartbeat+time.Second)
	defer cancel()
	msg, _, err := f.receive(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return nil, errLost // no heartbeat
	}
	if err != nil || msg == nil {
		return nil, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return nil, err
	}
	if time.Since(meta.Timestamp) > f.db.markerTTL/2 {
		return nil, store.ErrLagged
	}
	return msg, nil
}

// resume replaces a consumer that is gone by one that goes on after the last
// change shown.
func (f *feed) resume(ctx context.Context) error {
	s, err := f.db.use(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.detachLocked()
	f.session = s
	f.mu.Unlock()
	return f.subscribe(ctx, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: f.position + 1})
}

func (f *feed) subscribe(ctx context.Context, cfg jetstream.ConsumerConfig) error {
	cfg.FilterSubject = f.subject
	cfg.AckPolicy = jetstream.AckNonePolicy
	cfg.MemoryStorage = true
	cfg.Replicas = 1
	cfg.InactiveThreshold = inactiveThreshold
	consumer, err := f.session.stream.CreateConsumer(ctx, cfg)
	if err != nil {
		return f.lostOr(err)
	}
	info := consumer.CachedInfo()
	f.expected, f.pulled = 1, 0
	f.position = max(f.position, info.Delivered.Stream)
	return f.attach(info.Name)
}

// attach takes over a consumer that has just been made.
func (f *feed) attach(consumer string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.consumer = consumer
	if f.closed {
		f.detachLocked()
		return store.ErrStopped
	}
	var err error
	f.inbox, err = f.session.nc.SubscribeSync(nats.NewInbox())
	return f.lostOr(err)
}

// lostOr returns errLost instead of an error that comes of the end of the
// session.
func (f *feed) lostOr(err error) error {
	if err != nil && f.session.isOver() {
		return errLost
	}
	return err
}

// detachLocked gives the consumer up. Where that message does not arrive, the
// server forgets it by itself later.
func (f *feed) detachLocked() {
	if f.inbox != nil {
		_ = f.inbox.Unsubscribe()
		f.inbox = nil
	}
	if f.consumer != "" {
		_ = f.session.nc.Publish("$JS.API.CONSUMER.DELETE."+f.db.streamName()+"."+f.consumer, nil)
		f.consumer = ""
	}
}

// pullRequest is the JSON of JetStream's "get next messages" request.
type pullRequest struct {
	Batch     int           `json:"batch"`
	MaxBytes  int           `json:"max_bytes,omitempty"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Expires   time.Duration `json:"expires,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
}

func (f *feed) pull(r pullRequest) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	consumer, inbox, ok := f.target()
	if !ok {
		return errLost
	}
	f.pulled = r.Batch
	return f.lostOr(f.session.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+f.db.streamName()+"."+consumer, inbox.Subject, data))
}

// The statuses that a message without a change can carry.
const (
	statusHeartbeat  = "100"
	statusNoMessages = "404" // the pull has ended: there is nothing to deliver at the moment
	statusTimeout    = "408" // the pull has expired
	statusConflict   = "409" // see conflict
)

// receive returns the next message of the consumer, or nil and a status.
func (f *feed) receive(ctx context.Context) (*nats.Msg, string, error) {
	_, inbox, ok := f.target()
	if !ok {
		return nil, "", errLost
	}
	msg, err := inbox.NextMsgWithContext(ctx)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, "", errLost
	}
	if err != nil {
		return nil, "", f.lostOr(err)
	}
	status := msg.Header.Get("Status")
	switch status {
	case "":
		return f.accept(msg)
	case statusHeartbeat:
		return nil, status, nil
	case statusNoMessages, statusTimeout:
		f.pulled = 0
		return nil, status, nil
	case statusConflict:
		return nil, status, f.conflict(msg.Header.Get("Description"))
	}
	return nil, status, fmt.Errorf("natskv: the NATS server refused a read: %s %s", status, msg.Header.Get("Description"))
}

// conflict tells the ways apart in which the server ends a pull early.
func (f *feed) conflict(description string) error {
	switch description {
	case "Batch Completed":
		// About a pull that has delivered everything, which its messages have
		// shown already; the next one may be under way.
		return nil
	case "Message Size Exceeds MaxBytes":
		f.pulled = 0
		return nil
	}
	return errLost
}

func (f *feed) accept(msg *nats.Msg) (*nats.Msg, string, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, "", err
	}
	if meta.Sequence.Consumer != f.expected {
		return nil, "", errLost
	}
	f.expected++
	f.pulled--
	f.position = meta.Sequence.Stream
	return msg, "", nil
}

// event reads a message that accept has let through.
func (f *feed) event(msg *nats.Msg) store.Event {
	event := store.Event{Entry: store.Entry{Key: f.db.key(msg.Subject), Revision: f.position}}
	if event.Deleted = isMarker(msg.Header); !event.Deleted {
		event.Value = msg.Data
	}
	return event
}

// Close implements store.Feed.
func (f *feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.detachLocked()
}

// target returns where to pull from and where answers come in; false after
// Close.
func (f *feed) target() (consumer string, inbox *nats.Subscription, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.consumer, f.inbox, f.inbox != nil
}

// wallClock is the time without Go's monotonic reading, which stands still while
// the machine sleeps; markers expire by the calendar.
func wallClock() time.Time { return time.Now().Round(0) }

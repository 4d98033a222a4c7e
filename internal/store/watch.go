package store

import "context"

// Watch is a snapshot of the entries that match a pattern and every change after
// it, with nothing in between lost or shown twice.
//
// Changes come in the order of their revisions. A watch shows states, not
// history: of several changes of one key that happen before the consumer asks,
// the older ones may be left out. The newest never is, and a delete counts as
// one. So a consumer may be as slow as it likes and costs no more memory than
// there are keys; should an implementation ever be unable to keep that promise,
// Next fails with ErrLagged instead of leaving something out.
//
// Snapshot may be read at any time; Next is for one goroutine at a time; Stop
// may be called from any.
type Watch struct {
	// Snapshot holds, sorted by key, everything that matched at one moment after
	// the call. It belongs to the caller.
	Snapshot []Entry

	feed Feed
	life context.Context
	end  context.CancelCauseFunc
}

// Feed is what an implementation of KV puts behind a Watch.
type Feed interface {
	// Next blocks for the next change. After ctx has ended it may be called
	// again and loses nothing. It is never called by two goroutines at once.
	Next(ctx context.Context) (Event, error)
	// Close frees what the feed holds. It is called exactly once, in a goroutine
	// of its own, possibly while Next runs.
	Close()
}

// NewWatch is for implementations of KV: it binds a snapshot and the feed of the
// changes after it to ctx. When ctx ends, or Stop is called, the feed is closed.
func NewWatch(ctx context.Context, snapshot []Entry, feed Feed) *Watch {
	w := &Watch{Snapshot: snapshot, feed: feed}
	w.life, w.end = context.WithCancelCause(ctx)
	context.AfterFunc(w.life, feed.Close)
	return w
}

// Next returns the next change; it blocks until there is one. When ctx ends it
// returns ctx's error, and may be called again. When the context that the watch
// was opened with has ended it returns that one's cause; after Stop, ErrStopped;
// when the store was closed, ErrClosed; ErrLagged as the type says. Any other
// error is a read that failed, such as a cluster that does not answer. After all
// but the first, Stop this watch and open a new one.
func (w *Watch) Next(ctx context.Context) (Event, error) {
	if w.life.Err() != nil {
		return Event{}, context.Cause(w.life)
	}
	joined, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(w.life, func() { cancel(context.Cause(w.life)) })()
	event, err := w.feed.Next(joined)
	switch {
	case err == nil:
		return event, nil
	case w.life.Err() != nil:
		return Event{}, context.Cause(w.life)
	case ctx.Err() != nil:
		return Event{}, ctx.Err()
	default:
		return Event{}, err
	}
}

// Stop ends the watch and has everything that it holds released. It does not
// wait, and may be called more than once.
func (w *Watch) Stop() { w.end(ErrStopped) }

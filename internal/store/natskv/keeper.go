package natskv

import (
	"context"
	"time"

	"teal/internal/store"
)

// Health is what can be said of a store and its disk.
type Health struct {
	Writable bool  // ordinary writes are taken
	Opening  bool  // they are not, for the moment that the store is opened again
	Full     bool  // they are not for want of space
	Low      bool  // space will soon be wanting
	Err      error // why they are not, with a sentence for people; nil when they are
	Dir      string
	Free     int64 // bytes that may still be written
	Total    int64
	Ballast  int64 // what is left for urgent writes when the disk is full
	Whole    int64 // what that is when it is whole
	Reopened int64 // how often a session was replaced
}

// Health looks at the disk. It does not block on anything but that.
func (db *DB) Health() Health {
	d := db.disk
	h := Health{Dir: d.dir, Ballast: d.ballast.size(), Whole: d.ballast.want, Reopened: db.reopened.Load()}
	h.Free, h.Total = d.space()
	h.Low = h.Free < max(2*d.margin(h.Total), min(lowMost, h.Total/lowShare))
	if failure, full := d.state(); failure != "" {
		h.Full, h.Err = full, d.refusal(failure, full, h.Free)
	} else if h.Err = d.admit(context.Background(), 0); h.Err != nil {
		h.Full = true
	} else if d.stalls() {
		h.Err = d.refusal(stalled, false, h.Free)
	} else if s := db.now.Load(); s.hasFailed() || s.isOver() {
		h.Opening, h.Err = true, d.refusal("the store is being opened again", false, h.Free)
	}
	h.Writable = h.Err == nil
	return h
}

// Writable returns nil while ordinary writes are taken, and else why not. While the
// store is opened again a write waits for that, so it is not refused beforehand.
func (db *DB) Writable() error {
	h := db.Health()
	if h.Opening {
		return nil
	}
	return h.Err
}

// MakeRoom gives some of the ballast free for what a server needs so that it can be
// ordered to go back: its start, and where it can be found. It reports whether
// there was any.
func (db *DB) MakeRoom() bool { return db.disk.ballast.release(store.Back) }

// lookEvery is how often the disk is looked at.
const lookEvery = time.Second

// Run makes the store writable again whenever it can be, keeps the ballast whole,
// and tells changed how things are: each time that it has done what there was to
// do, and every second for as long as the disk keeps it from that. It blocks until
// ctx ends, and until the disk has answered.
func (db *DB) Run(ctx context.Context, changed func(Health)) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		tended := make(chan struct{})
		go func() {
			defer close(tended)
			db.tend(ctx)
		}()
		for waiting := true; waiting; {
			select {
			case <-tended:
				waiting = false
			case <-ticker.C:
			}
			changed(db.Health())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-db.kick:
		case <-ticker.C:
		}
	}
}

// tend does once what is to be done.
func (db *DB) tend(ctx context.Context) {
	s := db.now.Load()
	if failure, _ := db.disk.state(); failure == "" && s.hasFailed() { // by what the server does by itself
		if err := probe(db.disk.dir, probeSize); err != nil {
			db.disk.failed(err.Error(), isFull(err))
		}
	}
	if !db.disk.works() {
		return
	}
	if s.hasFailed() || s.isOver() {
		unfit := func(s *session) bool { return s.hasFailed() || s.isOver() }
		if _, err := db.replace(ctx, unfit); err != nil && ctx.Err() == nil && !db.isClosed() {
			db.logger().Error("the store cannot be opened again; trying on", "error", err)
		}
	}
	if err := db.disk.restoreBallast(); err != nil {
		db.logger().Warn("no space could be set aside for the time when the disk is full", "error", err)
	}
}

// nudge has Run look now.
func (db *DB) nudge() {
	select {
	case db.kick <- struct{}{}:
	default:
	}
}

package natskv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"teal"
	"teal/internal/store"
)

const (
	// An ordinary write must leave so much free, or this part of a small disk:
	// the server rewrites whole files of 8 MiB now and then.
	marginMost  = 16 << 20
	marginShare = 64
	marginLeast = 1 << 20
	// A write takes its size and so much.
	writeOverhead = 64 << 10
	// Less free space than this, or this part of a small disk, is worth a warning.
	lowMost  = 200 << 20
	lowShare = 20

	probePause    = time.Second // after a probe that failed; doubled each time
	probePauseMax = 10 * time.Second
	// A write that fails so soon after a probe that did not makes the pauses longer.
	probeTrust = time.Minute

	// A write that takes longer than this is one of a disk that stalls.
	stallAfter = 3 * time.Second
	stalled    = "the disk does not answer"
)

// disk decides which writes may be tried, from how much space there is and from
// what came of the last ones.
type disk struct {
	dir     string
	ballast ballast
	ask     atomic.Pointer[func(dir string) (free, total int64)] // statfs, but in tests

	late atomic.Int32 // writes that have waited for stallAfter and still wait

	mu      sync.Mutex
	failure string // of a write; "" once a probe has succeeded since
	full    bool   // failure is for want of space
	pause   time.Duration
	again   time.Time // when to probe next
	worked  time.Time // when a probe has last succeeded
}

func newDisk(dir string) *disk {
	d := &disk{dir: dir}
	ask := statfs
	d.ask.Store(&ask)
	_, total := d.space()
	d.ballast = newBallast(dir, total)
	return d
}

// space returns how much is free on the disk, and its size.
func (d *disk) space() (free, total int64) { return (*d.ask.Load())(d.dir) }

// statfs returns how much this process may still write to the file system of
// dir, and its size. What cannot be asked counts as empty.
func statfs(dir string) (free, total int64) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 1 << 50, 1 << 50
	}
	// The types are others on other systems.
	blocks, size := int64(s.Bavail), int64(s.Bsize) //nolint:gosec,unconvert // below 2^63 on any disk
	if os.Geteuid() == 0 {
		blocks = int64(s.Bfree) //nolint:gosec // those that are set aside are set aside for root
	}
	return blocks * size, int64(s.Blocks) * size //nolint:gosec // likewise
}

func (d *disk) margin(total int64) int64 {
	return max(marginLeast, min(marginMost, total/marginShare))
}

// admit returns nil when a write of so many bytes may be tried, and else why not.
// For an urgent one it makes room.
func (d *disk) admit(ctx context.Context, size int) error {
	free, total := d.space()
	need := int64(size) + writeOverhead
	urgency := store.UrgencyOf(ctx)
	for free < need && d.ballast.release(urgency) {
		free, _ = d.space()
	}
	if urgency == store.Back || urgency == store.Running && free >= need {
		return nil
	}
	if failure, full := d.state(); failure != "" {
		return d.refusal(failure, full, free)
	}
	if need += d.margin(total); free < need || urgency == store.Running {
		return d.refusal("", true, free)
	}
	return nil
}

// refusal is the error of a write that was not tried.
func (d *disk) refusal(failure string, full bool, free int64) error {
	dir := filepath.Clean(d.dir)
	if full {
		return &teal.Error{Code: teal.CodeDiskFull, Err: store.ErrReadOnly, Message: fmt.Sprintf(
			"The disk of %s is full (%s free) and nothing was recorded. What runs is served, and a running release can be rolled back. Free some space there; the server takes orders again by itself.", dir, teal.Bytes(free))}
	}
	return &teal.Error{Code: teal.CodeUnavailable, Err: fmt.Errorf("%w: %s", store.ErrReadOnly, failure), Message: fmt.Sprintf(
		"The disk of %s cannot be written and nothing was recorded; what runs is served. Look at the disk; the server takes orders again by itself when it can be written.", dir)}
}

// failed notes that a write has failed, in the server's words.
func (d *disk) failed(why string, full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch now := time.Now(); {
	case d.failure != "":
	case now.Sub(d.worked) < probeTrust: // what a probe can write says too little here
		d.again = now.Add(d.pause)
		d.pause = min(2*d.pause, probePauseMax)
	default:
		d.pause, d.again = probePause, time.Time{}
	}
	d.failure, d.full = why, full
}

// waits notes that a write waits for the disk, until the returned function is
// called. Who has given up on one that late has seen the disk fail.
func (d *disk) waits() (done func(gaveUp bool)) {
	timer := time.AfterFunc(stallAfter, func() { d.late.Add(1) })
	return func(gaveUp bool) {
		if timer.Stop() {
			return
		}
		if gaveUp {
			d.failed(stalled, false)
		}
		d.late.Add(-1)
	}
}

// stalls reports whether a write waits for too long, or has.
func (d *disk) stalls() bool {
	failure, _ := d.state()
	return failure == stalled || d.late.Load() > 0
}

func (d *disk) state() (failure string, full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failure, d.full
}

// works reports whether the disk can be written: it tries, but after a failure not
// before some time has gone by. For want of space it does not even try.
func (d *disk) works() bool {
	space, failing := d.claimProbe()
	if !failing || space == 0 {
		return !failing
	}
	err := probe(d.dir, space)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.failure, d.full = err.Error(), isFull(err)
		return false
	}
	d.failure, d.full, d.worked = "", false, time.Now()
	return true
}

// claimProbe reports whether a write has failed, and returns what the caller is to
// probe for; 0 when that is not its turn. Nobody holds the lock while a disk takes
// its time.
func (d *disk) claimProbe() (space int64, failing bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if d.failure == "" || now.Before(d.again) {
		return 0, d.failure != ""
	}
	space = probeSize
	if free, total := d.space(); d.full {
		// What the ballast has given free is not for everybody.
		if space += d.margin(total); free < space {
			return 0, true
		}
	}
	d.again = now.Add(d.pause)
	d.pause = min(2*d.pause, probePauseMax)
	return space, true
}

// restoreBallast makes the ballast whole when that leaves enough for others.
func (d *disk) restoreBallast() error {
	missing := d.ballast.want - d.ballast.size()
	if missing <= 0 {
		return nil
	}
	if free, total := d.space(); free-missing < 2*d.margin(total) {
		return nil
	}
	return d.ballast.restore()
}

package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/queue"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// step is one thing that happens to a queue.
type step struct {
	kind         string
	n, m         int
	group, dedup string
	version      teal.VersionRef
	outcome      queue.Outcome
	mode         memkv.Mode
	pause        time.Duration
}

var steps = rapid.Custom(func(t *rapid.T) step {
	return step{
		kind: rapid.SampledFrom([]string{
			"send", "send", "send", "receive", "receive", "receive", "finish", "finish", "finish", "sleep", "sleep", "crash", "fail", "fail", "die", "give back", "redrive",
		}).Draw(t, "kind"),
		n:     rapid.IntRange(1, 4).Draw(t, "n"),
		m:     rapid.IntRange(0, 5).Draw(t, "m"),
		group: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "group"),
		dedup: rapid.SampledFrom([]string{"", "", "x", "y"}).Draw(t, "dedup"),

		version: teal.VersionRef(rapid.IntRange(1, 2).Draw(t, "version")),
		outcome: rapid.SampledFrom([]queue.Outcome{queue.Done, queue.Done, queue.Failed, queue.Failed, queue.Untried}).Draw(t, "outcome"),
		mode:    rapid.SampledFrom([]memkv.Mode{memkv.Refused, memkv.RequestLost, memkv.AnswerLost}).Draw(t, "mode"),
		pause:   rapid.SampledFrom([]time.Duration{time.Second, 29 * time.Second, time.Minute, 6 * time.Minute}).Draw(t, "pause"),
	}
})

// What every queue keeps to, whatever fails in between: what was accepted is worked on
// until it is finished or dead, in the order of its group; what is finished does not come
// again; a deduplication ID is one message; nobody else gets a message within its
// visibility; and no other version does, unless it was given back.
//
// Seen red with: the claims not read by a new server ("v2 got … of v1"); settle without
// the record of the claim ("was finished, and comes again"); offer without a look at
// flying ("comes before"); enqueue without a look at by ("two messages").
// What it does not catch is in TestOneMessageForADeduplicationID and TestDeadLetters.
func TestQueuesKeepTheirPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		program := rapid.SliceOfN(steps, 1, 80).Draw(rt, "program")
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = play(t, program) })
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

// letter is a message as its sender and its receivers know it.
type letter struct {
	number       int
	group, dedup string
	sentAt       time.Time
	accepted     bool // the sender was told so
	doubtful     bool // the sender was told nothing
	id           string
	finished     bool            // its receiver was told so
	maybe        bool            // it was told nothing: it may come again
	dead         bool            // may be
	owner        teal.VersionRef // that has had it
	until        time.Time       // its visibility
	answer       int             // in which it came last
}

type world struct {
	t       *testing.T
	kv      *memkv.KV
	broker  *queue.Broker
	stop    context.CancelFunc
	ended   chan error
	letters []*letter
	held    []queue.Delivery
	answers int
	failing bool
	wrong   error
}

const retries = 1

func play(t *testing.T, program []step) error {
	w := &world{t: t, kv: memkv.New()}
	w.start()
	for n, s := range program {
		w.do(s)
		if w.wrong != nil {
			return fmt.Errorf("step %d: %w", n, w.wrong)
		}
	}
	w.drain()
	w.end()
	return w.wrong
}

func (w *world) start() {
	w.broker = queue.New(queue.Config{KV: w.kv, Logger: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(w.t.Context())
	w.stop, w.ended = stop, make(chan error, 1)
	broker := w.broker
	go func() { w.ended <- broker.Run(ctx) }()
	synctest.Wait()
}

func (w *world) end() {
	w.stop()
	<-w.ended
}

func (w *world) crash() {
	w.end()
	w.kv.Heal()
	w.failing = false
	w.held = nil
	for _, l := range w.letters {
		l.until = time.Time{}
	}
	w.start()
}

func (w *world) do(s step) {
	switch s.kind {
	case "send":
		w.send(s)
	case "receive":
		w.receive(s.version, s.n)
	case "finish":
		w.finish(s)
	case "sleep":
		time.Sleep(s.pause)
	case "crash":
		w.crash()
	case "fail":
		w.kv.Fail(memkv.Fault{Op: memkv.OpAnyWrite, Mode: s.mode, Skip: s.m})
		w.failing = true
	case "die": // the store takes nothing from some write on, and then the server ends
		w.kv.Fail(memkv.Fault{Op: memkv.OpAnyWrite, Mode: s.mode, Skip: s.m, Times: memkv.Always})
		w.failing = true
	case "give back":
		if w.broker.GiveBack(w.t.Context(), of(s.version)) == nil || w.failing {
			for _, l := range w.letters {
				if l.owner == s.version {
					l.owner = 0
				}
			}
		}
	case "redrive":
		_, _ = w.broker.Redrive(w.t.Context(), "orders", nil)
	}
}

func of(version teal.VersionRef) store.EnvironmentKey {
	return store.EnvironmentKey{App: "shop", Version: version}
}

func (w *world) send(s step) {
	var messages []queue.Outgoing
	var sending []*letter
	for range s.n {
		l := &letter{number: len(w.letters), group: s.group, dedup: s.dedup, sentAt: time.Now()}
		w.letters = append(w.letters, l)
		sending = append(sending, l)
		messages = append(messages, queue.Outgoing{Body: fmt.Append(nil, l.number), Group: s.group, Deduplication: s.dedup, Delay: time.Duration(s.m/5) * 10 * time.Second})
	}
	sent, err := w.broker.Send(w.t.Context(), "orders", messages)
	for n, l := range sending {
		switch {
		case err != nil:
			l.doubtful = true
		case !sent[n].Duplicate:
			l.accepted, l.id = true, sent[n].ID
		case !w.isKnown(sent[n].ID, l):
			w.wrong = fmt.Errorf("message %d is a duplicate of %s, which nobody has sent within the window", l.number, sent[n].ID)
		}
	}
}

// isKnown reports whether a message of that ID can have been accepted for the same
// deduplication ID.
func (w *world) isKnown(id string, like *letter) bool {
	return slices.ContainsFunc(w.letters, func(l *letter) bool {
		return (l.id == id || l.doubtful) && l.dedup == like.dedup && like.sentAt.Sub(l.sentAt) <= queue.DedupWindow
	})
}

func (w *world) receive(version teal.VersionRef, most int) bool {
	now := time.Now()
	got, err := w.broker.Receive(w.t.Context(), queue.Receive{Queue: "orders", Version: of(version), Most: most, Visibility: 30 * time.Second, Retries: retries})
	if err != nil {
		return false
	}
	w.answers++
	for _, d := range got {
		w.got(version, d, now)
	}
	w.held = append(w.held, got...)
	return len(got) > 0
}

func (w *world) got(version teal.VersionRef, d queue.Delivery, now time.Time) {
	var number int
	_, _ = fmt.Sscan(string(d.Body), &number)
	l := w.letters[number]
	fail := func(format string, args ...any) {
		w.wrong = fmt.Errorf("message %d %+v: %s", number, *l, fmt.Sprintf(format, args...))
	}
	switch {
	case !l.accepted && !l.doubtful:
		fail("was dropped as a duplicate, and comes")
	case l.finished:
		fail("was finished, and comes again")
	case l.until.After(now):
		fail("comes within its visibility")
	case l.owner != 0 && l.owner != version:
		fail("v%d got what is of v%d", version, l.owner)
	}
	for _, other := range w.letters {
		early := other.number < l.number && other.accepted && !other.finished && !other.maybe && !other.dead
		if l.group != "" && other.group == l.group && early && d.Redriven == 0 && other.answer != w.answers {
			fail("comes before %+v", *other)
		}
		if l.dedup != "" && other != l && other.dedup == l.dedup && other.answer > 0 && absolute(other.sentAt.Sub(l.sentAt)) < queue.DedupWindow {
			fail("two messages of one deduplication ID: %+v", *other)
		}
	}
	l.id, l.owner, l.until, l.answer = d.ID, version, now.Add(30*time.Second), w.answers
	l.dead = d.Failures >= retries // this is its last try
}

func absolute(d time.Duration) time.Duration { return max(d, -d) }

func (w *world) finish(s step) {
	if len(w.held) == 0 {
		return
	}
	at := s.m % len(w.held)
	d := w.held[at]
	w.held = slices.Delete(w.held, at, at+1)
	w.say(d, s.outcome)
}

func (w *world) say(d queue.Delivery, outcome queue.Outcome) {
	var number int
	_, _ = fmt.Sscan(string(d.Body), &number)
	l := w.letters[number]
	err := w.broker.Finish(w.t.Context(), "orders", []queue.Result{{Receipt: d.Receipt, Outcome: outcome, Reason: "as told"}})
	switch {
	case outcome == queue.Done && err == nil:
		l.finished = true
	case outcome == queue.Done && !teal.IsCode(err, teal.CodeConflict):
		l.maybe = true
	}
	if !l.finished && !teal.IsCode(err, teal.CodeConflict) {
		l.until = time.Time{}
	}
}

// drain has everything worked on that there is.
func (w *world) drain() {
	w.crash()
	time.Sleep(10 * time.Minute)
	for range 1000 {
		one, two := w.receive(1, 10), w.receive(2, 10)
		if w.wrong != nil {
			return
		}
		for _, d := range w.held {
			w.say(d, queue.Done)
		}
		w.held = nil
		if !one && !two {
			break
		}
	}
	w.checkAllDone()
}

func (w *world) checkAllDone() {
	letters, err := w.broker.DeadLetters(w.t.Context(), "orders", 10_000)
	if err != nil && !teal.IsCode(err, teal.CodeUnknownQueue) {
		w.wrong = err
	}
	dead := map[string]bool{}
	for _, d := range letters {
		dead[d.Message.ID] = true
	}
	for _, l := range w.letters {
		if l.accepted && !l.finished && !l.maybe && !dead[l.id] {
			w.wrong = fmt.Errorf("message %+v is lost", *l)
		}
	}
	if stats, _ := w.broker.List(w.t.Context()); len(stats) > 0 && w.wrong == nil && stats[0].Waiting+stats[0].Delayed+stats[0].InFlight > 0 {
		w.wrong = fmt.Errorf("something is left: %+v", stats[0])
	}
	time.Sleep(10 * time.Minute) // deduplication IDs go
	for _, pattern := range []string{"queue.pack.*.*", "queue.claim.*.*"} {
		if left, err := w.kv.List(w.t.Context(), pattern); err != nil || len(left) > 0 {
			w.wrong = fmt.Errorf("records are left: %v %w", left, err)
		}
	}
}

package recording

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/analysis"
)

// recorded is a release, its judge, and what it is recorded by.
type recorded struct {
	t          *testing.T
	recordings *Store
	release    teal.Release
	judge      *analysis.Judge
	said       []teal.Judgement
}

// start is what a server does that takes the release up.
func (r *recorded) start() {
	r.t.Helper()
	judge, err := analysis.New(analysis.BeginningOf(r.release))
	if err != nil {
		r.t.Fatal(err)
	}
	r.judge = judge
	r.recordings.Judging(r.release)
}

// look is what the engine does when something was measured.
func (r *recorded) look(i teal.Interval) {
	r.judge.Begin(r.release.Step)
	r.judge.Add(i)
	r.recordings.Measured(r.release, i)
	r.said = append(r.said, r.judge.Judgement(i.At))
}

// replays compares what is said of the recording with what was said.
func (r *recorded) replays() {
	r.t.Helper()
	file, err := r.recordings.Read(r.release.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if len(r.said) == 0 {
		if text, err := io.ReadAll(file); err != nil || len(text) > 0 {
			r.t.Errorf("%v: %s", err, text)
		}
		return
	}
	var got []teal.Judgement
	for look, err := range analysis.Replay(file, nil) {
		if err != nil {
			r.t.Fatal(err)
		}
		got = append(got, look.Judgement)
	}
	if diff := cmp.Diff(r.said, got); diff != "" {
		r.t.Error(diff)
	}
}

// What is kept of a release replays to what its judge said, also when the server
// was killed while it wrote, and after the record has ended and forgotten most of
// its baseline. Seen red with lines that stand for a tenth of a second, and with
// what a crash has torn left in the file.
func TestRecordingsReplayToTheRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	baseline := teal.Measurement{Requests: 2000, Errors: 2, Latency: teal.Latencies{{UpTo: 10 * time.Millisecond, Count: 1900}, {UpTo: 40 * time.Millisecond, Count: 100}}}
	r := &recorded{t: t, recordings: New(Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}), release: teal.Release{
		ID: "shop-2", App: "shop", From: 1, To: 2, Step: 1, Phase: teal.PhaseWatching, Baseline: &baseline, Policy: teal.DefaultPolicy(),
	}}
	r.replays() // of nothing
	at := time.Now()
	measure := func(n int) {
		for i := range n {
			at = at.Add(7 * time.Millisecond)
			green := teal.Measurement{Requests: 1, Errors: int64(i % 17 / 16), Latency: teal.Latencies{{UpTo: 12 * time.Millisecond, Count: 1}}}
			if i%23 == 22 {
				green = teal.Measurement{Unanswered: 1, Waited: teal.Latencies{{UpTo: time.Second, Count: 1}}}
			}
			r.look(teal.Interval{At: at, Green: green})
			if i%10 == 0 {
				r.recordings.Flush()
			}
		}
	}
	r.start()
	measure(60)
	r.replays()

	// The server dies in the middle of a write, some time after it has saved the
	// judge's state.
	r.release.Judging = r.judge.State()
	measure(7)
	r.recordings.Flush()
	f, err := os.OpenFile(r.recordings.path(r.release.ID), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xaa\x56"); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	r.recordings = New(Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	r.replays()
	r.start()
	r.release.Step = 2
	measure(60)
	if err := r.release.Enter(teal.PhaseCompleted, at, "over"); err != nil {
		t.Fatal(err)
	}
	r.replays()
	if last := r.said[len(r.said)-1]; last.Verdict == teal.VerdictPass {
		t.Errorf("%+v", last)
	}
	if err := r.recordings.Forget(r.release.ID); err != nil {
		t.Fatal(err)
	}
	r.said = nil
	r.replays()
}

// A recording of an earlier version of Teal is still read, and forgotten.
func TestOldRecordingsAreRead(t *testing.T) {
	t.Parallel()
	r := New(Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	text := `{"at":"2026-01-02T15:04:05Z","side":"green","requests":100,"errors":1}` + "\n"
	if err := os.WriteFile(r.oldPath("shop-1"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := r.Read("shop-1")
	if err != nil {
		t.Fatal(err)
	}
	intervals, err := analysis.Read(file)
	if err != nil || len(intervals) != 1 || intervals[0].Green.Requests != 100 {
		t.Errorf("%+v, %v", intervals, err)
	}
	_ = file.Close()
	if err := r.Forget("shop-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.oldPath("shop-1")); err == nil {
		t.Error("it is still there")
	}
}

// What waits for a disk that does not write is bounded.
func TestATapeIsBounded(t *testing.T) {
	t.Parallel()
	r := New(Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	release := teal.Release{ID: "shop-1", Step: 1}
	for range 30_000 {
		r.Measured(release, teal.Interval{At: time.Now(), Live: teal.Measurement{Requests: 1}, Green: teal.Measurement{Requests: 1}})
	}
	if size := r.open["shop-1"].lines.Len(); size > maxTape+1000 || r.open["shop-1"].lost == 0 {
		t.Errorf("%d bytes wait, %d intervals were left out", size, r.open["shop-1"].lost)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if r.open["shop-1"].lines.Len() != 0 {
		t.Errorf("%d bytes have not been written", r.open["shop-1"].lines.Len())
	}
}

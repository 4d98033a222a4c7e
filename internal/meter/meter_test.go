package meter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"teal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shop = "shop"

// runMeter returns a meter that runs until the test ends.
func runMeter(t testing.TB, cfg Config) *Meter {
	t.Helper()
	m := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return m
}

func follow(t testing.TB, m *Meter, live, green int) *Feed {
	t.Helper()
	f, err := m.Follow(t.Context(), shop, live, green)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func take(t testing.TB, f *Feed) teal.Interval {
	t.Helper()
	interval, err := f.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return interval
}

// Many record while others read: every sample is in exactly one interval of each
// feed, on the side of its version, and in the window once, and an interval never
// has an error without its request. Seen red with a load and a store in place of
// an addition, and with a reader that does not remember what it has seen.
func TestNothingIsLostAndNothingIsTwice(t *testing.T) {
	for _, count := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d shards", count), func(t *testing.T) { nothingIsLost(t, count) })
	}
}

func nothingIsLost(t *testing.T, count int) {
	m := New(Config{})
	m.picker = newShardPicker(count)
	const recorders, each = 8, 20_000
	feeds := []*Feed{follow(t, m, 1, 2), follow(t, m, 1, 2)}
	var writers, readers sync.WaitGroup
	var over atomic.Bool
	var wantErrors [3]atomic.Int64
	for w := range recorders {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			r := m.Recorder(shop, teal.VersionRef(1+w%2), fmt.Sprintf("c%d", w/2%2))
			for range each {
				s := Sample{Status: 200, Method: "GET", Path: "/", Latency: time.Millisecond << random.IntN(3)}
				if random.IntN(10) == 0 {
					s.Status, s.Fault = 500, FaultStatus
					wantErrors[1+w%2].Add(1)
				}
				r.Begin()
				r.Record(s)
				r.Done()
			}
		})
	}
	totals := make([][2]teal.Measurement, len(feeds))
	for i, f := range feeds {
		readers.Go(func() {
			for last := false; ; {
				interval := take(t, f)
				for side, got := range []teal.Measurement{interval.Live, interval.Green} {
					if got.Errors > got.Requests || sum(got) != got.Requests {
						t.Errorf("%d errors and %d latencies of %d requests", got.Errors, sum(got), got.Requests)
					}
					totals[i][side].Requests += got.Requests
					totals[i][side].Errors += got.Errors
				}
				if last {
					return
				}
				last = over.Load()
				_, _ = m.Baseline(t.Context(), shop, 1, time.Minute) // rolls the window meanwhile
			}
		})
	}
	writers.Wait()
	over.Store(true)
	readers.Wait()
	for side, number := range []int{1, 2} {
		want := teal.Measurement{Requests: recorders / 2 * each, Errors: wantErrors[number].Load()}
		for i := range feeds {
			if got := totals[i][side]; got.Requests != want.Requests || got.Errors != want.Errors {
				t.Errorf("feed %d, version %d: %d requests, %d errors, want %d, %d", i, number, got.Requests, got.Errors, want.Requests, want.Errors)
			}
		}
		got, _ := m.Baseline(t.Context(), shop, number, keptHistory)
		if got.Requests != want.Requests || got.Errors != want.Errors || sum(got) != want.Requests {
			t.Errorf("window of version %d: %d requests, %d errors, want %d, %d", number, got.Requests, got.Errors, want.Requests, want.Errors)
		}
		for _, c := range []string{"c0", "c1"} {
			if n := m.Recorder(shop, teal.VersionRef(number), c).inFlight(); n != 0 {
				t.Errorf("%d still in flight", n)
			}
		}
	}
}

// A sample that is recorded while the window is rolled is in this slice or the
// next. Seen red with the mark that there is something set before the cell.
func TestTheWindowMissesNothing(t *testing.T) {
	m := New(Config{})
	r := m.Recorder(shop, 1, "web")
	start, done := make(chan struct{}), make(chan struct{})
	go func() {
		for range start {
			r.Record(Sample{Status: 200})
			done <- struct{}{}
		}
	}()
	defer close(start)
	for round := range int64(20_000) {
		start <- struct{}{}
		for over := false; !over; {
			select {
			case <-done:
				over = true
			default:
				r.version.mu.Lock()
				r.version.roll(time.Now())
				r.version.mu.Unlock()
			}
		}
		if got := r.version.lately(keptHistory).Requests; got != round+1 {
			t.Fatalf("%d requests in the window, want %d", got, round+1)
		}
	}
}

// What was recorded before Follow is not in the feed; what a component records
// that is met later is.
func TestAFeedBeginsWithFollow(t *testing.T) {
	m := New(Config{})
	before := m.Recorder(shop, 1, "web")
	before.Record(Sample{Status: 200})
	f := follow(t, m, 1, 2)
	m.Recorder(shop, 2, "web").Record(Sample{Status: 500, Fault: FaultStatus, Latency: time.Millisecond})
	before.Record(Sample{Status: 200})
	m.Recorder("other", 2, "web").Record(Sample{Status: 200})
	got := take(t, f)
	if got.Live.Requests != 1 || got.Live.Errors != 0 || got.Green.Requests != 1 || got.Green.Errors != 1 || got.At.IsZero() {
		t.Errorf("%+v", got)
	}
	if again := take(t, f); again.Live.Requests+again.Green.Requests != 0 || again.NewErrors != nil {
		t.Errorf("told twice: %+v", again)
	}
}

// Whoever waits for a feed is told of a sample at once, or 2 ms after the last
// time, and is not told when there is nothing. Seen red with the samples told
// before they are counted, and with a feed that is told without a rest.
func TestAFeedTellsSoonAndNotTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := runMeter(t, Config{})
		f := follow(t, m, 1, 2)
		r := m.Recorder(shop, 2, "web")
		synctest.Wait()
		start := time.Now()
		for i := range 3 {
			r.Record(Sample{Status: 200})
			<-f.Changed()
			if got := take(t, f); got.Green.Requests != 1 || time.Since(start) != time.Duration(i)*rest {
				t.Fatalf("%d requests after %v", got.Green.Requests, time.Since(start))
			}
		}
		time.Sleep(10 * rest)
		select {
		case <-f.Changed():
			t.Error("told of nothing")
		default:
		}
		f.Close()
		r.Record(Sample{Status: 200})
		synctest.Wait()
		if r.version.feeds.Load() != nil || len(f.changed) != 0 {
			t.Error("a closed feed is told")
		}
	})
}

func TestAWindowForgetsTheOldAndKeepsTheRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := runMeter(t, Config{})
		r := m.Recorder(shop, 1, "web")
		const minutes = 15
		for range minutes * 60 {
			r.Record(Sample{Status: 200, Latency: time.Millisecond})
			time.Sleep(time.Second)
		}
		for _, c := range []struct {
			window time.Duration
			want   int64
			off    int64 // by the slice that the window cuts
		}{{10 * time.Second, 10, 1}, {time.Minute, 60, 1}, {5 * time.Minute, 300, 10}, {time.Hour, 600, 10}} {
			got, err := m.Baseline(t.Context(), shop, 1, c.window)
			if err != nil || got.Requests > c.want || got.Requests < c.want-c.off {
				t.Errorf("%v: %d requests, want %d: %v", c.window, got.Requests, c.want, err)
			}
		}
		slices := func() int {
			r.version.mu.Lock()
			defer r.version.mu.Unlock()
			return len(r.version.window)
		}
		if n := slices(); n > 130 {
			t.Errorf("%d slices", n)
		}
		time.Sleep(11 * time.Minute)
		if got, _ := m.Baseline(t.Context(), shop, 1, time.Hour); got.Requests != 0 || slices() != 0 {
			t.Errorf("%d requests in %d slices after 11 minutes without any", got.Requests, slices())
		}
		if got, err := m.Baseline(t.Context(), shop, 9, time.Hour); err != nil || got.Requests != 0 {
			t.Errorf("of a version that is not known: %v %v", got, err)
		}
	})
}

func TestLatency95(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := runMeter(t, Config{})
		r := m.Recorder(shop, 1, "web")
		time.Sleep(time.Millisecond)
		for i := range 100 {
			r.Record(Sample{Status: 200, Latency: time.Duration(i+1) * time.Millisecond})
		}
		want := 95 * time.Millisecond
		if got, ok := m.Latency95(shop, 1); !ok || got < want || got > want*101/100 {
			t.Errorf("got %v, %v", got, ok)
		}
		time.Sleep(2 * time.Minute)
		for range 10 { // too few: the older ones count too
			r.Record(Sample{Status: 200, Latency: time.Hour})
		}
		if got, ok := m.Latency95(shop, 1); !ok || got < time.Minute {
			t.Errorf("got %v, %v", got, ok)
		}
		m.Recorder(shop, 2, "web").Record(Sample{Status: 200})
		for _, number := range []int{2, 3} {
			if _, ok := m.Latency95(shop, number); ok {
				t.Errorf("version %d has a percentile of next to nothing", number)
			}
		}
	})
}

// A version that is retired and started again goes on where it was.
func TestARestartedVersionGoesOn(t *testing.T) {
	m := New(Config{})
	m.Recorder(shop, 1, "web").Record(Sample{Status: 200})
	m.Recorder(shop, 1, "web").Record(Sample{Status: 200})
	if got := m.Recorder(shop, 1, "web").shards; len(got) == 0 || m.version(shop, 1).recorders[0] != m.Recorder(shop, 1, "web") {
		t.Error("another recorder")
	}
	m.Forget(shop, 1)
	if m.known(shop, 1) != nil {
		t.Error("not forgotten")
	}
}

func sample() Sample {
	return Sample{Status: 200, Latency: 3 * time.Millisecond, Method: "GET", Host: "shop.example", Path: "/items?page=1"}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	m := New(Config{})
	r := m.Recorder(shop, 1, "web")
	failed := Sample{Status: 500, Fault: FaultStatus, Route: "/items"}
	once := func() {
		r.Begin()
		r.Record(sample())
		r.Record(failed)
		r.Done()
	}
	for range 100 {
		once() // until every shard has its octaves
	}
	follow(t, m, 1, 2)
	if n := testing.AllocsPerRun(1000, once); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	for _, c := range []struct {
		name     string
		followed bool
		sample   Sample
	}{
		{"good", false, sample()},
		{"good-followed", true, sample()},
		{"error", false, Sample{Status: 500, Fault: FaultStatus, Route: "/items", Method: "GET", Path: "/items"}},
	} {
		m := runMeter(b, Config{})
		r := m.Recorder(shop, 1, "web")
		r.version.frequent.tick(1 << 20) // as after a second of load
		if c.followed {
			follow(b, m, 1, 2)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Begin()
				r.Record(c.sample)
				r.Done()
			}
		})
		b.Run(c.name+"-parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					r.Begin()
					r.Record(c.sample)
					r.Done()
				}
			})
		})
	}
}

// A client that gave up before there was an answer is in neither the requests nor
// the errors, nor are its latency and its path those of an answer; what the
// version is known to have failed is an error, whoever waited for it. Seen red
// with status 0 taken for an answer, and with the fault looked at after it.
func TestUnansweredIsAClassOfItsOwn(t *testing.T) {
	m := New(Config{})
	f := follow(t, m, 1, 2)
	r := m.Recorder(shop, 2, "web")
	for range 3 {
		r.Record(Sample{Method: "GET", Path: "/", Latency: 5 * time.Second})
	}
	r.Record(Sample{Fault: FaultConnection, Latency: time.Second})
	r.Record(Sample{Status: 200, Latency: time.Millisecond})
	got := take(t, f).Green
	if got.Requests != 2 || got.Errors != 1 || got.Unanswered != 3 || got.Received() != 5 || sum(got) != 2 {
		t.Errorf("measured %+v", got)
	}
	if len(got.Waited) != 1 || got.Waited[0].Count != 3 || got.Waited[0].UpTo < 5*time.Second || got.Waited[0].UpTo > 5050*time.Millisecond {
		t.Errorf("waited %v", got.Waited)
	}
	before, err := m.Baseline(t.Context(), shop, 2, time.Minute)
	if err != nil || before.Unanswered != 3 || before.Requests != 2 {
		t.Errorf("the baseline is %+v, %v", before, err)
	}
	if _, known := m.Latency95(shop, 2); known {
		t.Error("a percentile of two answers")
	}
}

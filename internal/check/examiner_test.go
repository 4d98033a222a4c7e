package check_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/check"
)

func TestBeginFindsWhatThePolicyHas(t *testing.T) {
	t.Parallel()
	g := run(t, func(http.ResponseWriter, *http.Request) {})
	second := teal.Duration(time.Hour)
	get := &teal.Request{Path: "/"}
	r := release(teal.Policy{
		Checks: []teal.Check{{Name: "smoke", Request: get}, {Name: "journey", Request: get, Every: second}},
		Steps:  []teal.Step{{}, {Checks: []teal.Check{{Name: "load", Request: get}}}},
		Hooks:  []teal.Hook{{Point: teal.AfterInstall, Name: "tell", Command: []string{"true"}}},
		Judge:  teal.Judging{Webhooks: []teal.Webhook{{Name: "judge", URL: "http://127.0.0.1:1"}}, Queries: []teal.Query{{Name: "errors", URL: "http://127.0.0.1:1"}}},
	})
	for _, key := range []teal.TaskKey{
		{Kind: teal.TaskCheck, Name: "smoke"}, {Kind: teal.TaskCheck, Name: "journey"}, {Kind: teal.TaskCheck, Step: 2, Name: "load"},
		{Kind: teal.TaskAsk, Name: "journey"}, {Kind: teal.TaskAsk, Name: "judge"}, {Kind: teal.TaskAsk, Name: "errors"},
		{Kind: teal.TaskHook, Name: "AfterInstall/tell"}, {Kind: teal.TaskWarm, Name: "warm"},
	} {
		g.begin(r, key)
		if o := g.examiner.Outcome(r.ID, key); !o.Begun {
			t.Errorf("%s has not been begun", key)
		}
		g.outcome(key)
	}
	for _, key := range []teal.TaskKey{
		{}, {Kind: teal.TaskCheck}, {Kind: teal.TaskCheck, Name: "load"}, {Kind: teal.TaskCheck, Step: 1, Name: "load"},
		{Kind: teal.TaskCheck, Step: 3, Name: "load"}, {Kind: teal.TaskCheck, Step: -1, Name: "load"}, {Kind: teal.TaskAsk, Name: "smoke"},
		{Kind: teal.TaskHook, Name: "tell"}, {Kind: teal.TaskHook, Name: "BeforeInstall/tell"}, {Kind: "dance", Name: "smoke"},
	} {
		if err := g.examiner.Begin(t.Context(), r, key); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%s: %v", key, err)
		}
		if o := g.examiner.Outcome(r.ID, key); o.Begun {
			t.Errorf("%s has been begun", key)
		}
	}
}

// TestBeginTwiceAsksOnce: seen red with a Begin that does not look first.
func TestBeginTwiceAsksOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	g := run(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	key := teal.TaskKey{Kind: teal.TaskCheck, Name: "it"}
	r := release(teal.Policy{Checks: []teal.Check{{Name: "it", Request: &teal.Request{Path: "/"}}}})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { g.begin(r, key) })
	}
	all.Wait()
	g.outcome(key)
	g.begin(r, key)
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	g.examiner.Stop(r.ID)
	g.begin(r, key)
	g.outcome(key)
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times after Stop", n)
	}
}

func TestBeginBeforeAndAfterRun(t *testing.T) {
	t.Parallel()
	changed := make(chan string, 10)
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "command-left-over"), 0o700))
	e := check.New(check.Config{Versions: (*green)(nil), WorkDir: dir, Changed: func(app string) { changed <- app }})
	r := release(teal.Policy{Checks: []teal.Check{{Name: "it"}, {Name: "other"}}})
	key := teal.TaskKey{Kind: teal.TaskCheck, Name: "it"}
	must(t, e.Begin(t.Context(), r, key))
	must(t, e.Begin(t.Context(), r, teal.TaskKey{Kind: teal.TaskCheck, Name: "other"}))
	e.Stop("another")
	if o := e.Outcome(r.ID, key); !o.Begun || o.Verdict != "" {
		t.Fatalf("before Run the outcome is %+v", o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	for range 2 {
		if app := <-changed; app != "shop" {
			t.Errorf("%q has changed", app)
		}
	}
	if o := e.Outcome(r.ID, key); o.Verdict != teal.VerdictError {
		t.Errorf("the outcome is %+v", o)
	}
	if !isEmpty(t, dir) {
		t.Error("what a dead server left is still there")
	}
	cancel()
	must(t, <-ended)
	if err := e.Begin(context.Background(), r, teal.TaskKey{Kind: teal.TaskWarm}); !teal.IsCode(err, teal.CodeUnavailable) {
		t.Errorf("Begin after the end of Run: %v", err)
	}
}

// TestAsksGoOn: seen red with an ask that keeps its first answer.
func TestAsksGoOn(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	var asked atomic.Int32
	g := run(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if broken.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	key := teal.TaskKey{Kind: teal.TaskAsk, Name: "it"}
	g.begin(release(teal.Policy{Checks: []teal.Check{{Name: "it", Request: &teal.Request{Path: "/"}, Every: teal.Duration(20 * time.Millisecond)}}}), key)
	verdict := func() teal.Verdict { return g.examiner.Outcome("shop-7", key).Verdict }
	eventually(t, "it passes", func() bool { return verdict() == teal.VerdictPass })
	broken.Store(true)
	eventually(t, "it fails", func() bool { return verdict() == teal.VerdictFail })
	broken.Store(false)
	eventually(t, "it passes again", func() bool { return verdict() == teal.VerdictPass })
	g.examiner.Stop("shop-7")
	last := asked.Load()
	time.Sleep(100 * time.Millisecond)
	if n := asked.Load(); n != last {
		t.Errorf("asked %d times after Stop", n-last)
	}
}

// TestChangedMayLookAtOnce: Changed is called without locks. Seen red with a
// call under Examiner.mu.
func TestChangedMayLookAtOnce(t *testing.T) {
	t.Parallel()
	var e *check.Examiner
	key := teal.TaskKey{Kind: teal.TaskCheck, Name: "it"}
	seen := make(chan check.Outcome, 1)
	e = check.New(check.Config{WorkDir: t.TempDir(), Changed: func(string) { seen <- e.Outcome("shop-7", key) }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	must(t, e.Begin(ctx, release(teal.Policy{Checks: []teal.Check{{Name: "it"}}}), key))
	select {
	case o := <-seen:
		if o.Verdict != teal.VerdictError {
			t.Errorf("the outcome is %+v", o)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Changed waits for a lock")
	}
	cancel()
	must(t, <-ended)
}

// TestStopWaits: seen red with a Stop that does not wait.
func TestStopWaits(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	begun := make(chan struct{})
	var over atomic.Bool
	g.function = func(ctx context.Context, _ []byte) (teal.Answer, error) {
		close(begun)
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond)
		over.Store(true)
		return teal.Answer{Payload: []byte(`{"hookStatus": "SUCCEEDED"}`)}, nil
	}
	g.begin(release(teal.Policy{Hooks: []teal.Hook{{Point: teal.AfterInstall, Name: "it", Function: "slow"}}}), hookKey)
	<-begun
	g.examiner.Stop("shop-7")
	if !over.Load() {
		t.Error("Stop did not wait for what ran")
	}
}

package check_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/check"
)

var warmKey = teal.TaskKey{Kind: teal.TaskWarm, Name: "warm"}

func (g *green) warm(w teal.Warm) check.Outcome {
	g.t.Helper()
	g.examiner.Stop("shop-7")
	g.begin(release(teal.Policy{Warm: w}), warmKey)
	return g.outcome(warmKey)
}

func TestWarm(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]int{}
	g := run(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got[r.Method+" "+r.Host+r.RequestURI]++
		mu.Unlock()
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	g.frequent = []teal.Request{
		{Path: "/?page=1", Host: "shop.example.com"}, {Method: "POST", Path: "/pay"}, {Method: "HEAD", Path: "/head", Host: "b.example.com"},
		{Path: "/rare"}, {Path: "/rarer"},
	}
	g.routes = []teal.Route{{Host: "a.example.com", Path: "/"}}
	o := g.warm(teal.Warm{Requests: []teal.Request{{Path: "/bad"}, {Method: "POST", Path: "/mine"}}, Replay: 3})
	wants(t, g.only(o), teal.VerdictPass, "5 requests to new (v2), in 3 rounds", "15 requests, 95 % of the answers within",
		"3 were not answered well, the first one GET /bad: status 503")
	want := map[string]int{
		"GET a.example.com/bad": 3, "POST a.example.com/mine": 3, "GET shop.example.com/?page=1": 3, "HEAD b.example.com/head": 3, "GET a.example.com/rare": 3,
	}
	mu.Lock()
	defer mu.Unlock()
	for request, n := range want {
		if got[request] != n {
			t.Errorf("%s came %d times, expected %d", request, got[request], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("green got %v", got)
	}
}

func TestWarmWithoutAnything(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	wants(t, g.only(g.warm(teal.Warm{Replay: 10})), teal.VerdictPass, "nothing to send")
	wants(t, g.only(g.warm(teal.Warm{Requests: []teal.Request{{Path: "/"}}})), teal.VerdictError, "version 2 is not running")
	g.mu.Lock()
	g.url = "http://127.0.0.1:1"
	g.mu.Unlock()
	wants(t, g.only(g.warm(teal.Warm{Requests: []teal.Request{{Path: "/"}}})), teal.VerdictPass, "3 requests, and no answer; 3 were not answered well, the first one GET /: no connection")
}

// TestWarmGate: only the last round counts. Seen red with a gate on all rounds,
// and with one that lets pass what did not end in time.
func TestWarmGate(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	var slowUntil, slow atomic.Int64
	g := run(t, func(_ http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= slowUntil.Load() {
			select {
			case <-time.After(time.Duration(slow.Load())):
			case <-r.Context().Done():
			}
		}
	})
	for _, c := range []struct {
		name      string
		live      time.Duration
		slowUntil int64 // the first requests are slow
		slow      time.Duration
		timeout   time.Duration
		verdict   teal.Verdict // of the task
		gate      teal.Verdict
		says      string
	}{
		{"warm at last", 150 * time.Millisecond, 8, 400 * time.Millisecond, 0, teal.VerdictPass, teal.VerdictPass, "limit 300ms"},
		{"never warm", 10 * time.Millisecond, 1000, 60 * time.Millisecond, 0, teal.VerdictFail, teal.VerdictFail, "limit 20ms"},
		{"live not known", 0, 0, 0, 0, teal.VerdictPass, teal.VerdictInconclusive, "the current version has served too little"},
		{"hangs", 10 * time.Millisecond, 1000, time.Hour, 300 * time.Millisecond, teal.VerdictFail, teal.VerdictFail, "timed out before the new version was warm: no answer of the new version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.live95 = c.live
			asked.Store(0)
			slowUntil.Store(c.slowUntil)
			slow.Store(int64(c.slow))
			o := g.warm(teal.Warm{Requests: []teal.Request{{Path: "/a"}, {Path: "/b"}, {Path: "/c"}, {Path: "/d"}}, Within: 2, Timeout: teal.Duration(c.timeout)})
			if o.Verdict != c.verdict || len(o.Findings) != 2 {
				t.Fatalf("the outcome is %+v", o)
			}
			gate := o.Findings[1]
			wants(t, gate, c.gate, c.says, "at most 2 times that of current (v1)")
			if known := gate.Statistic != nil && gate.Threshold != nil; known != (c.slow < time.Hour && c.live > 0) {
				t.Errorf("the gate is %+v", gate)
			}
		})
	}
}

package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/await"
	"teal/internal/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// inbox is an address that is told: a real server whose answers a test chooses.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	status func(n int) int // of the nth request, from 1
}

func newInbox(t testing.TB, status func(n int) int) *inbox {
	i := &inbox{status: status}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		must(t, err)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("the request is %s %v", r.Method, r.Header)
		}
		i.mu.Lock()
		i.bodies = append(i.bodies, string(body))
		n := len(i.bodies)
		i.mu.Unlock()
		w.Header().Set("Location", "/elsewhere")
		if status != nil {
			w.WriteHeader(status(n))
		}
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *inbox) got() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.bodies)
}

// phases returns the phases of the documents that came.
func (i *inbox) phases(t testing.TB) []teal.Phase {
	var list []teal.Phase
	for _, body := range i.got() {
		var document struct{ Phase teal.Phase }
		must(t, json.Unmarshal([]byte(body), &document))
		list = append(list, document.Phase)
	}
	return list
}

func always(status int) func(int) int { return func(int) int { return status } }

// run returns a Notifier that delivers until stop.
func run(t testing.TB, log io.Writer) (n *notify.Notifier, stop func()) {
	t.Helper()
	n = notify.New(notify.Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-ended)
	})
	t.Cleanup(stop)
	return n, stop
}

var at = time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)

func release(id string, phase teal.Phase, to ...teal.Notify) teal.Release {
	return teal.Release{
		ID: id, App: "shop", Alias: "live", From: 6, To: 7, Phase: phase, Reason: "check smoke failed",
		Policy: teal.Policy{Notify: to}, Phases: []teal.PhaseEntry{{Phase: phase, At: at}},
		Evidence: []teal.Finding{{Name: "check smoke", Asked: "GET /", Seen: "the status is 500 <&>", Verdict: teal.VerdictFail}},
	}
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not true in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	plain, slack := newInbox(t, nil), newInbox(t, nil)
	n, _ := run(t, io.Discard)
	n.Tell(release("shop-12", teal.PhaseAborted, teal.Notify{URL: plain.URL}, teal.Notify{URL: slack.URL, Slack: true}))
	eventually(t, "both have been told", func() bool { return len(plain.got()) == 1 && len(slack.got()) == 1 })
	want := `{"release":"shop-12","app":"shop","alias":"live","phase":"aborted","from":6,"to":7,"reason":"check smoke failed",` +
		`"finding":{"at":"0001-01-01T00:00:00Z","name":"check smoke","asked":"GET /","seen":"the status is 500 \u003c\u0026\u003e","verdict":"fail"},"at":"2026-11-25T03:00:00Z"}`
	if got := plain.got()[0]; got != want {
		t.Errorf("the document is\n%s\nexpected\n%s", got, want)
	}
	var message map[string]string
	must(t, json.Unmarshal([]byte(slack.got()[0]), &message))
	text := "shop: v7 was not released, v6 keeps all traffic: check smoke failed. check smoke: fail: the status is 500 &lt;&amp;&gt;. (release shop-12)"
	if len(message) != 1 || message["text"] != text {
		t.Errorf("Slack is told %q, expected %q", message, text)
	}
}

// TestOnceAndInOrder: seen red without the record of what has been told, and
// with a goroutine for each message.
func TestOnceAndInOrder(t *testing.T) {
	t.Parallel()
	box := newInbox(t, nil)
	n, _ := run(t, io.Discard)
	to := teal.Notify{URL: box.URL}
	for _, phase := range teal.Phases {
		for range 3 {
			n.Tell(release("shop-1", phase, to))
		}
	}
	n.Tell(release("shop-2", teal.PhaseQueued, to))
	n.Tell(release("shop-2", teal.PhaseAborted)) // nobody wants to know
	want := append(slices.Clone(teal.Phases), teal.PhaseQueued)
	eventually(t, "all have been told", func() bool { return len(box.got()) >= len(want) })
	if got := box.phases(t); !slices.Equal(got, want) {
		t.Errorf("told %v, expected %v", got, want)
	}
}

// TestRetries has a bubble of time around a real server, which is outside.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status func(int) int
		asked  int
		took   time.Duration
		log    string
	}{
		{"at once", always(204), 1, 0, ""},
		{"a moment away", func(n int) int { return []int{503, 429, 408, 200}[n-1] }, 4, 7 * time.Second, ""},
		{"refused", always(404), 1, 0, "it answered with status 404"},
		{"redirected", always(307), 1, 0, "it answered with status 307"},
		{"500 for ever", always(500), 14, 5 * time.Minute, "it answered with status 500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			first, second := newInbox(t, c.status), newInbox(t, nil)
			var log bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				n, stop := run(t, &log)
				n.Tell(release("shop-1", teal.PhaseAborted, teal.Notify{URL: first.URL + "/s3cret"}, teal.Notify{URL: second.URL}))
				synctest.Wait()
				// One address does not wait for another one.
				if got := second.got(); len(got) != 1 {
					t.Errorf("the second address was told %q", got)
				}
				for len(first.got()) < c.asked || time.Since(began) < c.took {
					time.Sleep(time.Second)
					synctest.Wait()
				}
				time.Sleep(time.Hour)
				stop()
			})
			if got := len(first.got()); got != c.asked {
				t.Errorf("asked %d times, expected %d", got, c.asked)
			}
			if text := log.String(); !strings.Contains(text, c.log) || (text != "") != (c.log != "") || strings.Contains(text, "s3cret") {
				t.Errorf("the log is %q", text)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	var at []time.Duration
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, 0)
		if seconds := []string{"20", "100000", "soon", ""}[len(at)-1]; seconds != "" {
			w.Header().Set("Retry-After", seconds)
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n, stop := run(t, io.Discard)
		n.Tell(release("shop-1", teal.PhaseAborted, teal.Notify{URL: server.URL}))
		known := 0
		for known < 4 {
			synctest.Wait()
			mu.Lock()
			for ; known < len(at); known++ {
				at[known] = time.Since(began)
			}
			mu.Unlock()
			time.Sleep(time.Second)
		}
		stop()
	})
	if want := []time.Duration{0, 20 * time.Second, 80 * time.Second, 84 * time.Second}; !slices.Equal(at, want) {
		t.Errorf("asked at %v, expected %v", at, want)
	}
}

// TestTellNeverBlocks: an address that never answers holds up nobody, and costs
// bounded memory. Seen red with a queue that is a channel which is waited for.
func TestTellNeverBlocks(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-over }))
	defer server.Close()
	defer close(over)
	var log bytes.Buffer
	n, stop := run(t, &log)
	began := time.Now()
	for i := range 1000 {
		n.Tell(release(fmt.Sprintf("shop-%d", i), teal.PhaseQueued, teal.Notify{URL: server.URL}))
	}
	if took := time.Since(began); took > await.Patience {
		t.Errorf("telling took %s", took)
	}
	// One may be on its way.
	if dropped := n.Dropped(); dropped < 899 || dropped > 900 {
		t.Errorf("%d were dropped", dropped)
	}
	began = time.Now()
	stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end of Run took %s", took)
	}
	if text := log.String(); strings.Count(text, "the oldest are dropped") != 1 || !strings.Contains(text, "count=100") {
		t.Errorf("the log is %q", text)
	}
	n.Tell(release("late", teal.PhaseQueued, teal.Notify{URL: server.URL}))
}

func TestTellBeforeRun(t *testing.T) {
	t.Parallel()
	box := newInbox(t, nil)
	n := notify.New(notify.Config{})
	n.Tell(release("shop-1", teal.PhaseQueued, teal.Notify{URL: box.URL}))
	n.Tell(release("shop-1", teal.PhaseAborted, teal.Notify{URL: "http://[s3cret"}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	eventually(t, "it has been told", func() bool { return len(box.got()) == 1 })
	cancel()
	must(t, <-ended)
}

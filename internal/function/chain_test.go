package function

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"teal"
)

// queued waits until n invocations wait for an instance.
func (r *running) queued(n int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("%d wait", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.queue) == n
	})
}

// ask has the function call a server, and returns the status of the answer.
func (r *running) ask(url string) string {
	answer, err := r.invoke(fmt.Sprintf(`{"url":%q}`, url))
	if err != nil {
		return string(teal.CodeOf(err))
	}
	return string(answer.Payload)
}

// timesOut does to all that wait what the end of the queue's time does.
func (r *running) timesOut() {
	r.mu.Lock()
	waiting := slices.Clone(r.queue)
	r.mu.Unlock()
	for _, t := range waiting {
		if out, over := r.giveUp(t); over {
			t.outcome <- out
		}
	}
}

// Calls from inside are served before what has not begun, and are not refused for
// its number. Seen red without the place of those from inside in placeLocked, and
// with the length of the whole queue in aheadLocked.
func TestCallsFromInsideGoFirst(t *testing.T) {
	t.Parallel()
	const outside = 3
	goOn := make(chan struct{})
	open := sync.OnceFunc(func() { close(goOn) })
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-goOn }))
	t.Cleanup(server.Close)
	t.Cleanup(open)
	r := start(t, python("app.ask"), concurrency(1, 1), timeout(time.Minute), func(c *Config) {
		c.QueueLimit, c.QueueTimeout = outside, time.Minute
	})
	order := make(chan string, outside+2)
	var all sync.WaitGroup
	call := func(name string, inside bool) {
		all.Go(func() {
			if _, err := r.Invoke(t.Context(), teal.Invocation{Event: fmt.Appendf(nil, `{"url":%q}`, server.URL), Inside: inside}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			order <- name
		})
	}
	call("busy", false)
	eventually(t, "the instance is busy", func() bool { return r.State().Busy == 1 })
	for n := range outside {
		call(fmt.Sprint("outside ", n), false)
		r.queued(n + 1)
	}
	call("inside", true)
	r.queued(outside + 1)
	open()
	all.Wait()
	for _, want := range []string{"busy", "inside", "outside 0", "outside 1", "outside 2"} {
		if got := <-order; got != want {
			t.Errorf("%s was served where %s should have been", got, want)
		}
	}
}

// All instances of a function wait for calls of the function to itself. One of them
// is refused after the queue's time, not after a time-out of anybody's, and what its
// instance then does is to serve the others. Seen red without mayStayLocked: all of
// them were refused, at once.
func TestAChainThatFillsItsFunctionGoesOn(t *testing.T) {
	t.Parallel()
	const chains = 4
	leaf := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer leaf.Close()
	var r *running
	var begun sync.WaitGroup
	begun.Add(chains)
	self := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		begun.Done()
		begun.Wait() // every instance has a caller
		_, err := r.Invoke(q.Context(), teal.Invocation{Event: fmt.Appendf(nil, `{"url":%q}`, leaf.URL), Inside: true})
		if err != nil {
			w.WriteHeader(http.StatusTooManyRequests)
			if !teal.IsCode(err, teal.CodeThrottled) {
				t.Error(err)
			}
		}
	}))
	defer self.Close()
	r = start(t, python("app.ask"), concurrency(chains, chains), timeout(time.Minute), func(c *Config) { c.QueueTimeout = time.Minute })
	r.quiet()
	answers := make(chan string, chains)
	for range chains {
		go func() { answers <- r.ask(self.URL) }()
	}
	r.queued(chains)
	r.timesOut()
	got := map[string]int{}
	for range chains {
		got[<-answers]++
	}
	if got["429"] != 1 || got["200"] != chains-1 {
		t.Errorf("answers %v, want one 429 and 200 otherwise", got)
	}
}

// A chain of one instance ends with a refusal, in the time of the queue.
func TestAChainOfOneInstanceIsRefused(t *testing.T) {
	t.Parallel()
	var r *running
	self := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, err := r.Invoke(q.Context(), teal.Invocation{Inside: true}); teal.IsCode(err, teal.CodeThrottled) {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer self.Close()
	r = start(t, python("app.ask"), concurrency(1, 1), timeout(time.Minute), func(c *Config) { c.QueueTimeout = 100 * time.Millisecond })
	for range 3 { // one that has just given up keeps nobody waiting for ever
		if got := r.ask(self.URL); got != "429" {
			t.Errorf("the function got %s", got)
		}
	}
}

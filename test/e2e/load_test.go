package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// sample is one request as its client saw it.
type sample struct {
	kind       string
	start, end time.Time
	version    string // that answered
	err        error  // why the request counts as lost
}

// load sends requests of many kinds until it is stopped, and keeps what became
// of each.
type load struct {
	base     string // of the gateway
	stopping sync.Once
	stopped  chan struct{}
	workers  sync.WaitGroup

	mu      sync.Mutex
	samples []sample
}

// kind is one way of being a client: it makes one request over client and
// returns the version that answered.
type kind struct {
	name    string
	workers int
	fresh   bool // a new connection for each request
	request func(ctx context.Context, client *http.Client, base string) (version string, err error)
}

// startLoad starts the workers. They end with the test at the latest.
func startLoad(t testing.TB, base string, kinds []kind) *load {
	l := &load{base: base, stopped: make(chan struct{})}
	for _, k := range kinds {
		for range k.workers {
			l.workers.Go(func() { l.work(k) })
		}
	}
	t.Cleanup(func() { l.stop() })
	return l
}

// await waits until so many requests have ended.
func (l *load) await(t testing.TB, n int) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%d requests", n), func() (bool, string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.samples) >= n, fmt.Sprintf("%d requests", len(l.samples))
	})
}

func (l *load) work(k kind) {
	transport := &http.Transport{DisableKeepAlives: k.fresh, MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for {
		select {
		case <-l.stopped:
			return
		default:
		}
		s := sample{kind: k.name, start: time.Now()}
		s.version, s.err = once(client, k, l.base)
		s.end = time.Now()
		l.mu.Lock()
		l.samples = append(l.samples, s)
		l.mu.Unlock()
		time.Sleep(pace) // the load is to be constant, not the machine's limit
	}
}

// pace is the pause between two requests of one worker.
const pace = 5 * time.Millisecond

// once makes one request. Go's client hides a request that was lost on a reused
// connection by sending it again: here that counts as lost.
func once(client *http.Client, k kind, base string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	connections := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connections++ },
	})
	version, err := k.request(ctx, client, base)
	if err == nil && connections > 1 {
		err = fmt.Errorf("the request was sent %d times", connections)
	}
	return version, err
}

// stop ends the load after the requests in flight, and returns all samples. It may be
// called again.
func (l *load) stop() []sample {
	l.stopping.Do(func() { close(l.stopped) })
	l.workers.Wait()
	return l.samples
}

// whole sends a request and checks that the answer is a whole one.
func whole(client *http.Client, req *http.Request, check func(version, body string) error) (string, error) {
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	version := resp.Header.Get("Teal-Version")
	switch {
	case err != nil:
		return version, fmt.Errorf("answer broke off after %q: %w", body, err)
	case resp.StatusCode != http.StatusOK:
		return version, fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return version, check(version, string(body))
}

func get(path string, check func(version, body string) error) func(context.Context, *http.Client, string) (string, error) {
	return func(ctx context.Context, client *http.Client, base string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return "", err
		}
		return whole(client, req, check)
	}
}

func says(version, body string) error {
	if body != "version "+version {
		return fmt.Errorf("answer %q from version %s", body, version)
	}
	return nil
}

// slowUpload sends its body in pieces.
func slowUpload(path string) func(context.Context, *http.Client, string) (string, error) {
	return func(ctx context.Context, client *http.Client, base string) (string, error) {
		read, write := io.Pipe()
		go func() {
			for range 5 {
				if _, err := io.WriteString(write, strings.Repeat("x", 1000)); err != nil {
					return
				}
				time.Sleep(40 * time.Millisecond)
			}
			_ = write.Close()
		}()
		defer read.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, read)
		if err != nil {
			return "", err
		}
		return whole(client, req, func(version, body string) error {
			if body != "version "+version+" got 5000" {
				return fmt.Errorf("answer %q from version %s", body, version)
			}
			return nil
		})
	}
}

func slowAnswer(version, body string) error {
	if !strings.HasSuffix(body, "done") || strings.Count(body, "of version "+version+"\n") != 5 {
		return fmt.Errorf("answer %q from version %s", body, version)
	}
	return nil
}

// stream reads server-sent events to their end.
func stream(path string, events int) func(context.Context, *http.Client, string) (string, error) {
	return get(path+fmt.Sprintf("?events=%d", events), func(version, body string) error {
		lines, same := bufio.NewScanner(strings.NewReader(body)), 0
		for lines.Scan() {
			if lines.Text() == "data: version "+version {
				same++
			}
		}
		if same != events || !strings.Contains(body, "event: end") {
			return fmt.Errorf("%d of %d events of version %s: %q", same, events, version, body)
		}
		return nil
	})
}

// talk holds a conversation over a WebSocket, which must be with one version.
func talk(path string) func(context.Context, *http.Client, string) (string, error) {
	return func(ctx context.Context, _ *http.Client, base string) (string, error) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		conn, resp, err := websocket.Dial(ctx, base+path, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			return "", err
		}
		defer conn.CloseNow()
		version := resp.Header.Get("Teal-Version")
		for i := range 10 {
			message := fmt.Sprintf("message %d", i)
			if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
				return version, fmt.Errorf("write %d: %w", i, err)
			}
			_, answer, err := conn.Read(ctx)
			if err != nil {
				return version, fmt.Errorf("read %d: %w", i, err)
			}
			if string(answer) != version+" "+message {
				return version, fmt.Errorf("answer %q from version %s", answer, version)
			}
			time.Sleep(25 * time.Millisecond)
		}
		return version, conn.Close(websocket.StatusNormalClosure, "")
	}
}

// moment is a switch: from the start of the command to its return.
type moment struct {
	start, end time.Time
	version    string // live from end on
}

// judge fails the test for every request that was lost, and for every request
// that started after a switch had returned and ended before the next one began, and
// was answered by another version.
func judge(t *testing.T, samples []sample, switches []moment) {
	t.Helper()
	lost, stale := 0, 0
	counts := map[string]int{}
	for _, s := range samples {
		counts[s.kind]++
		if s.err != nil {
			if lost++; lost <= 10 {
				t.Errorf("lost: %s started %s, took %s: %v", s.kind, s.start.Format("05.000"), s.end.Sub(s.start), s.err)
			}
			continue
		}
		if live := liveBetween(switches, s.start, s.end); len(live) > 0 && !slices.Contains(live, s.version) {
			if stale++; stale <= 10 {
				t.Errorf("stale: %s started at %s was answered by version %s; only %s was live", s.kind, s.start.Format("05.000"), s.version, strings.Join(live, " and "))
			}
		}
	}
	t.Logf("%d switches, %d requests %v, %d lost, %d to the old version", len(switches), len(samples), counts, lost, stale)
	if lost > 0 || stale > 0 {
		t.Errorf("%d requests lost, %d answered by a version that was not live any more", lost, stale)
	}
	for _, s := range samples {
		if counts[s.kind] < 5 {
			t.Errorf("only %d requests of kind %s: no proof of anything", counts[s.kind], s.kind)
			counts[s.kind] = 5
		}
	}
}

// liveBetween returns the versions that could answer a request which lasted from
// start to end: the one that was live when it started, and those that a switch
// made live before it ended, for a request may arrive later than it starts. It
// returns none when a switch was under way at the start.
func liveBetween(switches []moment, start, end time.Time) []string {
	version := ""
	var later []string
	for _, m := range switches {
		switch {
		case start.After(m.end):
			version = m.version
		case start.After(m.start):
			return nil
		case end.After(m.start):
			later = append(later, m.version)
		}
	}
	if version == "" {
		return nil
	}
	return append([]string{version}, later...)
}

func TestLiveBetween(t *testing.T) {
	defer contained(t)
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	switches := []moment{{at(10), at(20), "1"}, {at(30), at(40), "2"}, {at(50), at(60), "1"}}
	for _, tt := range []struct {
		start, end int
		want       string
	}{
		{5, 6, ""}, {15, 16, ""}, {21, 29, "1"}, {29, 31, "1 2"}, {35, 41, ""}, {41, 49, "2"}, {29, 70, "1 2 1"}, {61, 70, "1"},
	} {
		if got := strings.Join(liveBetween(switches, at(tt.start), at(tt.end)), " "); got != tt.want {
			t.Errorf("from %d to %d: %q, expected %q", tt.start, tt.end, got, tt.want)
		}
	}
}

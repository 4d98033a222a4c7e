package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
)

func (c *caller) open(path string) (*bufio.Reader, func()) {
	c.t.Helper()
	// The test's own context ends before its clean-ups do.
	resp, err := c.client.Do(c.request("GET", path, "").WithContext(context.Background()))
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		c.t.Fatalf("%s: %d", path, resp.StatusCode)
	}
	return bufio.NewReader(resp.Body), func() {
		if err := resp.Body.Close(); err != nil {
			c.t.Error(err)
		}
	}
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("stream ended: %v", err)
	}
	return strings.TrimSuffix(text, "\n")
}

func TestEvents(t *testing.T) {
	t.Parallel()
	c, fake := twoVersions(t)
	r, end := c.open("/v1/apps/hello/events")
	defer end()
	var kinds []string
	for len(kinds) < 8 {
		if kind, ok := strings.CutPrefix(line(t, r), "event: "); ok {
			kinds = append(kinds, kind)
		}
	}
	if diff := cmp.Diff([]string{"app", "version", "version", "alias", "environment", "environment", "release", "release"}, kinds); diff != "" {
		t.Fatal(diff)
	}
	for line(t, r) != "" { // the rest of the last event
	}
	fake.Complete("hello")
	var frame []string
	for len(frame) == 0 || frame[len(frame)-1] != "" {
		frame = append(frame, line(t, r))
	}
	var event api.Event
	decode(t, strings.TrimPrefix(frame[2], "data: "), &event)
	if frame[0] != fmt.Sprintf("id: %d", event.Revision) || frame[1] != "event: environment" || !event.Deleted || event.Name != "1" {
		t.Errorf("frame %q", frame)
	}
}

func TestSilentEventStreamHasHeartbeats(t *testing.T) {
	t.Parallel()
	fake := apitest.New()
	fake.Script = apitest.AtOnce
	c := serve(t, fake, api.Config{Heartbeat: time.Millisecond})
	c.call("POST", "/v1/apps/hello/versions", deployBody(t, spec("hello", "one")))
	r, end := c.open("/v1/apps/hello/events")
	defer end()
	for line(t, r) != ": heartbeat" {
	}
}

func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	fake := apitest.New()
	fake.Script = apitest.AtOnce
	start := time.Now()
	t.Run("serve", func(t *testing.T) {
		var ends []func()
		t.Cleanup(func() { // after the server has ended
			for _, end := range ends {
				end()
			}
		})
		c := serve(t, fake, api.Config{})
		c.call("POST", "/v1/apps/hello/versions", deployBody(t, spec("hello", "one")))
		for _, path := range []string{"/v1/apps/hello/events", "/v1/apps/hello/logs?follow=true"} {
			_, end := c.open(path)
			ends = append(ends, end)
		}
	})
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

// The log of a version that does not exist is refused with those that do; that of the
// draft, which has no record, is not. Seen red without the look at the versions (an
// empty log), and with the draft looked for among them.
func TestLogsOfNoVersion(t *testing.T) {
	t.Parallel()
	c, _ := twoVersions(t)
	if a := c.call("GET", "/v1/apps/hello/logs?version=99", ""); a.status != 404 || a.problem(t).Detail != "hello has no version 99; there are v1 and v2" {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, version := range []string{"2", "999999"} {
		if a := c.call("GET", "/v1/apps/hello/logs?version="+version, ""); a.status != 200 || a.body != "" {
			t.Errorf("version %s: %d %s", version, a.status, a.body)
		}
	}
	if a := c.call("GET", "/v1/apps/hello/logs?version=1000000", ""); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Seen red with a time that is not looked at.
func TestLogsSinceNoTime(t *testing.T) {
	t.Parallel()
	c, _ := twoVersions(t)
	for _, since := range []string{"10m", "yesterday", "2026-01-02", "2026-01-02T10:00:00", "2026-01-02T10:00:00+02:00"} {
		if a := c.call("GET", "/v1/apps/hello/logs?since="+since, ""); a.status != 400 || !strings.Contains(a.problem(t).Detail, "is not a time such as 2026-01-02T15:04:05Z") {
			t.Errorf("%s: %d %s", since, a.status, a.body)
		}
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	c, fake := twoVersions(t)
	for i := range 5 {
		fake.Log(api.LogLine{App: "hello", Version: teal.VersionRef(i%2 + 1), Component: "hello", Instance: fmt.Sprint("hello/", i), At: fake.Now().Add(time.Duration(i) * time.Second), Stream: "stdout", Text: fmt.Sprint("line ", i)})
	}
	lines := func(query string) []string {
		var texts []string
		for l := range strings.Lines(c.call("GET", "/v1/apps/hello/logs"+query, "").body) {
			var entry api.LogEntry
			decode(t, l, &entry)
			if entry.Error != nil {
				texts = append(texts, string(entry.Error.Code))
				continue
			}
			texts = append(texts, entry.Text)
		}
		return texts
	}
	since := func(i int) string {
		return url.QueryEscape(fake.Now().Add(time.Duration(i) * time.Second).In(time.FixedZone("", 7200)).Format(time.RFC3339Nano))
	}
	for query, want := range map[string][]string{
		"?grep=ne+3":                        {"line 3"},
		"?instance=hello/2":                 {"line 2"},
		"?since=" + since(3):                {"line 3", "line 4"},
		"?since=" + since(1) + "&version=1": {"line 2", "line 4"},
		"":                                  {"line 0", "line 1", "line 2", "line 3", "line 4"},
		"?version=2":                        {"line 1", "line 3"},
		"?tail=2":                           {"line 3", "line 4"},
		"?component=other":                  nil,
		"?request_id=broken":                {"first", "unavailable"},
		"?version=1&tail=1":                 {"line 4"},
	} {
		if diff := cmp.Diff(want, lines(query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}

	r, end := c.open("/v1/apps/hello/logs?follow=true&tail=1")
	defer end()
	line(t, r)
	fake.Log(api.LogLine{App: "hello", Text: "later"})
	if got := line(t, r); !strings.Contains(got, `"text":"later"`) {
		t.Errorf("followed line %s", got)
	}
}

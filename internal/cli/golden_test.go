package cli_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
)

func TestTourJSON(t *testing.T) {
	t.Parallel()
	s := &script{world: newWorld(t)}
	s.teal("status", "--json")
	s.teal("validate", s.dir, "--json")
	s.teal("deploy", s.dir, "--json")
	s.app("two")
	s.teal("deploy", s.dir, "--json", "--wait", "live")
	s.teal("deploy", s.dir, "--json")
	s.teal("status", "hello", "--json")
	s.teal("invoke", "hello", "--data", `{"n":1.50}`, "--json")
	s.teal("invoke", "hello", "--data", `"fail"`, "--json")
	s.teal("alias", "list", "hello", "--json")
	s.teal("rollback", "hello", "--json")
	s.teal("rollback", "hello", "--json")
	s.teal("history", "nope", "--json")
	s.teal("deploy", filepath.Join(s.dir, "nowhere"), "--json")
	s.fake.Log(api.LogLine{At: s.fake.Now(), App: "hello", Version: 1, Component: "hello", Stream: "stdout", Text: "<hi>"})
	s.teal("logs", "hello", "--json")
	s.golden("tour-json.golden")
}

// TestOneDocument: with --json the standard output is one JSON document,
// whatever happens.
func TestOneDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, args := range [][]string{
		{"deploy", w.dir}, {"status"}, {"status", "hello"}, {"history", "hello"}, {"versions", "hello"}, {"alias", "list", "hello"},
		{"release", "show", "hello-1"}, {"release", "show", "nope"}, {"logs", "hello"}, {"invoke", "hello"}, {"validate", w.dir},
		{"init", filepath.Join(t.TempDir(), "new")}, {"schema"}, {"version"}, {"promote", "hello"}, {"abort", "hello"}, {"rollback", "hello"},
		{"alias", "set", "hello", "beta", "1"}, {"alias", "set", "hello", "live", "7=1"}, {"frobnicate"}, {"deploy", "--nope"}, {"status", "a", "b"},
		{"pause", "hello"}, {"approve", "hello"}, {"history", "nope", "--export"}, {"analyze", "/nowhere"},
		{"alias"}, {"server", "--http", "nope"}, {"server"},
	} {
		r := w.run(append(args, "--json")...)
		decoder := json.NewDecoder(strings.NewReader(r.out))
		var document any
		if err := decoder.Decode(&document); err != nil || decoder.More() || r.err != "" {
			t.Errorf("%v: exit %d, %v\nstdout: %s\nstderr: %s", args, r.code, err, r.out, r.err)
		}
	}
}

// TestFailureJSON: a failed release is one document with the error and the
// release.
func TestFailureJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fake.OnWatch = func(app string) {
		w.fake.Provision(app)
		w.fake.Fail(app, "it is broken", "")
	}
	r := w.run("deploy", w.dir, "--json")
	var c struct {
		Error   struct{ Code, Message string }
		Release api.ReleaseView
	}
	if err := json.Unmarshal([]byte(r.out), &c); err != nil {
		t.Fatal(err)
	}
	if r.code != 1 || c.Error.Code != "release_failed" || !strings.Contains(c.Error.Message, "it is broken") || c.Release.Phase != teal.PhaseAborted {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.run("deploy", w.dir); r.code != 0 {
		t.Fatal(r)
	}
	w.app("two")
	for _, mode := range []struct {
		args []string
		tty  bool
		says []string
	}{
		{[]string{"watch", "hello"}, false, []string{"2026-01-02 10:32:00 hello: live points to v1\n", "hello: release hello-1 (v1) completed: "}},
		{[]string{"watch", "hello", "--json"}, false, []string{`"kind":"release"`}},
		{[]string{"watch", "hello"}, true, []string{"\x1b[H\x1b[2Jhello\n", "v1        serving"}},
	} {
		w.tty = mode.tty
		out, code := w.until(mode.says, mode.args...)
		if code != 0 {
			t.Errorf("%v: exit %d\n%s", mode.args, code, out)
		}
	}
}

// TestFollowOverARestart was seen to fail (exit 3) when events returned at the
// first broken stream, and (exit 1) when it did for a server that answers that it is
// stopping.
func TestFollowOverARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watches, asked := 0, 0
	w.fake.RefuseWatch = func() error {
		if asked++; asked <= 2 {
			return context.Canceled // as every call of a server that stops
		}
		return nil
	}
	w.fake.OnWatch = func(app string) {
		switch watches++; watches {
		case 1:
			w.fake.Provision(app)
			w.fake.Disconnect()
		case 2:
			w.fake.GoLive(app)
		}
	}
	r := w.run("deploy", w.dir)
	if r.code != 0 || strings.Count(r.out, "starting") != 1 || strings.Count(r.out, "is live") != 1 {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
}

func TestLogsFollow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fake.Script = apitest.AtOnce
	if r := w.run("deploy", w.dir); r.code != 0 {
		t.Fatal(r)
	}
	w.fake.Log(api.LogLine{At: w.fake.Now(), App: "hello", Version: 1, Component: "hello", Stream: "stdout", Text: "early"})
	stop := time.AfterFunc(100*time.Millisecond, func() {
		w.fake.Log(api.LogLine{At: w.fake.Now(), App: "hello", Version: 1, Component: "hello", Stream: "stdout", Text: "late"})
	})
	defer stop.Stop()
	if out, code := w.until([]string{"early", "late"}, "logs", "hello", "-f"); code != 0 {
		t.Errorf("exit %d\n%s", code, out)
	}
}

package access_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teal"
	"teal/internal/access"
)

func openAudit(t *testing.T, cfg access.AuditConfig) *access.Audit {
	t.Helper()
	audit, err := access.OpenAudit(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := audit.Close(); err != nil {
			t.Error(err)
		}
	})
	return audit
}

func read(t *testing.T, audit *access.Audit, q access.AuditQuery) []access.Entry {
	t.Helper()
	entries, err := audit.Read(q)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestOrdersAreNoted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	audit := openAudit(t, access.AuditConfig{Dir: dir})
	done := audit.Begin(access.Entry{By: "ann", Role: teal.RoleOperator, From: "192.0.2.1:5", Order: "rollback", App: "shop", Before: "live v8"})
	done.Note("to %s", "v7")
	done.Note("%s", "")
	done.Note("%q", "it burns")
	done.End(true, "live v7")
	refused := audit.Begin(access.Entry{By: "bob", Order: "deploy", App: "api"})
	refused.Failed(teal.CodeForbidden, "not yours")
	refused.End(false, "")
	audit.Begin(access.Entry{By: "ann", Order: "promote", App: "shop"}) // and then the server is killed

	again := openAudit(t, access.AuditConfig{Dir: dir})
	got := read(t, again, access.AuditQuery{})
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	if e := got[0]; e.Outcome != access.OutcomeDone || e.Note != `to v7; "it burns"` || e.Before != "live v8" || e.After != "live v7" || e.From != "192.0.2.1:5" {
		t.Errorf("%+v", e)
	}
	if e := got[1]; e.Outcome != access.OutcomeRefused || e.Code != teal.CodeForbidden || e.Message != "not yours" {
		t.Errorf("%+v", e)
	}
	if e := got[2]; e.Outcome != access.OutcomeUnknown {
		t.Errorf("%+v", e)
	}
	again.Begin(access.Entry{Order: "pause", App: "shop"}).End(true, "")
	if next := read(t, again, access.AuditQuery{}); len(next) != 4 || next[3].Seq != 4 {
		t.Errorf("numbers after a restart: %+v", next)
	}
}

func TestAuditQueries(t *testing.T) {
	t.Parallel()
	audit := openAudit(t, access.AuditConfig{Dir: t.TempDir()})
	for i, app := range []string{"shop", "api", "", "shop", "api"} {
		audit.Begin(access.Entry{By: []string{"ann", "admin (ann)"}[i%2], Order: "promote", App: app}).End(true, "")
	}
	for name, c := range map[string]struct {
		query access.AuditQuery
		want  string
	}{
		"all":              {access.AuditQuery{}, "1 2 3 4 5"},
		"of an app":        {access.AuditQuery{App: "shop"}, "1 4"},
		"of a name":        {access.AuditQuery{By: "admin"}, "2 4"},
		"the newest":       {access.AuditQuery{Limit: 2}, "4 5"},
		"the page before":  {access.AuditQuery{Limit: 2, Before: 4}, "2 3"},
		"of what one sees": {access.AuditQuery{Sees: func(app string) bool { return app == "api" }}, "2 5"},
		"about nothing":    {access.AuditQuery{App: "none"}, ""},
	} {
		var got []string
		for _, e := range read(t, audit, c.query) {
			got = append(got, fmt.Sprint(e.Seq))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// Half a line is what a full disk or a loss of power leaves. Seen red with the next
// line appended to it.
func TestHalfALineSpoilsNoOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	audit := openAudit(t, access.AuditConfig{Dir: dir})
	audit.Begin(access.Entry{Order: "one"}).End(true, "")
	file, err := os.OpenFile(filepath.Join(dir, "00000001.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString(`{"seq":2,"order":"tw`)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	again := openAudit(t, access.AuditConfig{Dir: dir})
	again.Begin(access.Entry{Order: "three"}).End(true, "")
	got := read(t, again, access.AuditQuery{})
	if len(got) != 2 || got[1].Order != "three" || got[1].Outcome != access.OutcomeDone {
		t.Errorf("%+v", got)
	}
}

// Seen red without the removal of old files, and with numbers that begin again.
func TestTheAuditIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	audit := openAudit(t, access.AuditConfig{Dir: dir, FileSize: 64 << 10})
	const orders = 800 // of some 1 kB each, twice
	long := strings.Repeat("ä", 5000)
	for range orders {
		o := audit.Begin(access.Entry{Order: "promote", Note: long})
		o.End(true, "")
	}
	var size int64
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if len(files) != 16 || size > 16*64<<10 {
		t.Errorf("%d files of %d bytes", len(files), size)
	}
	got := read(t, audit, access.AuditQuery{Limit: 10})
	if len(got) != 10 || got[9].Seq != orders || got[0].Seq != orders-9 {
		t.Errorf("the newest: %+v", got)
	}
	again := openAudit(t, access.AuditConfig{Dir: dir, FileSize: 64 << 10})
	again.Begin(access.Entry{Order: "promote"}).End(true, "")
	if got := read(t, again, access.AuditQuery{Limit: 1}); got[0].Seq != orders+1 {
		t.Errorf("after a restart: %+v", got)
	}
}

// What cannot be noted is carried out, told, and noted again as soon as it can be.
func TestAnAuditThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "audit")
	if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var last error
	audit, err := access.OpenAudit(access.AuditConfig{Dir: dir, Failing: func(err error) { mu.Lock(); defer mu.Unlock(); last = err }})
	if err == nil {
		t.Fatal("it can be written")
	}
	audit.Begin(access.Entry{Order: "rollback"}).End(true, "")
	mu.Lock()
	told := last
	mu.Unlock()
	if told == nil {
		t.Error("nobody is told")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	audit.Begin(access.Entry{Order: "rollback"}).End(true, "")
	mu.Lock()
	defer mu.Unlock()
	if got := read(t, audit, access.AuditQuery{}); last != nil || len(got) != 1 {
		t.Errorf("%v, %+v", last, got)
	}
	if err := audit.Close(); err != nil {
		t.Error(err)
	}
}

func TestOrdersAtTheSameTime(t *testing.T) {
	t.Parallel()
	audit := openAudit(t, access.AuditConfig{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- audit.Run(ctx) }()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				audit.Begin(access.Entry{Order: "promote"}).End(true, "")
			}
		})
	}
	all.Wait()
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	got := read(t, audit, access.AuditQuery{})
	for i, e := range got {
		if e.Seq != uint64(i+1) || e.Outcome != access.OutcomeDone {
			t.Fatalf("%+v", e)
		}
	}
	if len(got) != 400 {
		t.Errorf("%d orders", len(got))
	}
}

// Who may do nothing cannot push out of the audit what others have done, nor write what
// looks like somebody else's order. Seen red with refused orders noted like others, and
// without plain.
func TestRefusedOrdersAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	audit := openAudit(t, access.AuditConfig{Dir: t.TempDir(), Now: func() time.Time { return now }})
	audit.Begin(access.Entry{By: "ann", Order: "rollback", App: "shop"}).End(true, "")
	forged := "x\n2026-03-04 05:06:07  delete-app other\n  by ann\x1b[8m\u202e" + strings.Repeat("y", 60_000)
	for range 1000 {
		audit.Refuse(access.Entry{By: "eve", Order: "stop-app", App: forged, Note: forged}, teal.CodeForbidden, "no")
	}
	got := read(t, audit, access.AuditQuery{})
	if len(got) != 21 || got[0].By != "ann" {
		t.Fatalf("%d entries, the first by %s", len(got), got[0].By)
	}
	for _, e := range got {
		if len(e.App) > 200 || strings.ContainsAny(e.App+e.Note, "\n\x1b\u202e") {
			t.Errorf("%.200q, %.200q", e.App, e.Note)
		}
	}
	now = now.Add(time.Minute)
	audit.Refuse(access.Entry{By: "eve", Order: "stop-app"}, teal.CodeForbidden, "no")
	audit.Refuse(access.Entry{By: "bob", Order: "stop-app"}, teal.CodeForbidden, "no")
	got = read(t, audit, access.AuditQuery{})
	if n := len(got); n != 23 || got[n-2].Message != "no (and 980 more since the last that was noted)" || got[n-1].Message != "no" {
		t.Errorf("%d: %+v", n, got[n-2:])
	}
}

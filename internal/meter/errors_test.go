package meter

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func failure(kind, message string, stack ...string) Sample {
	return Sample{Status: 502, Fault: FaultFunction, Type: kind, Message: message, Stack: stack}
}

// Errors of one sort have one fingerprint whatever is different each time, and
// those of two sorts have two.
func TestFingerprints(t *testing.T) {
	python := func(bundle string, line int, in string) []string {
		return []string{
			fmt.Sprintf("  File \"/data/bundles/%s/app.py\", line %d, in handler\n    return work(event)\n", bundle, line),
			fmt.Sprintf("  File \"/data/bundles/%s/app.py\", line %d, in %s\n    raise KeyError(sku)\n", bundle, line+7, in),
		}
	}
	node := func(message string, line int, in string) []string {
		return []string{"TypeError: " + message, fmt.Sprintf("    at %s (/data/app.mjs:%d:11)", in, line), "    at process.processTicksAndRejections (node:internal:95:5)"}
	}
	for name, same := range map[string][2]Sample{
		"line numbers and bundles": {failure("KeyError", "'a'", python("3f2a9c0d11ee", 10, "work")...), failure("KeyError", "'b'", python("77aa0b0c0d0e", 12, "work")...)},
		"a message before frames":  {failure("TypeError", "x", node("x of 7", 3, "work")...), failure("TypeError", "y", node("y", 9, "work")...)},
		"identifiers":              {failure("E", "order 7f3c2a10-1111-4222-8333-444455556666 for user42 at 0x7ffe01"), failure("E", "order 00000000-0000-4000-8000-00000000000a for user7 at 0xdeadbeef1")},
		"what is quoted":           {failure("E", "can't find 'blue shoe' there"), failure("E", "can't find 'hat' there")},
		"times":                    {failure("Sandbox.Timedout", "RequestId: 8c1b6a0e-0b0b-4c4c-9d9d-1a2b3c4d5e6f Error: Task timed out after 3.00 seconds"), failure("Sandbox.Timedout", "RequestId: 11111111-2222-4333-8444-555555555555 Error: Task timed out after 12.50 seconds")},
		"paths of one route":       {Sample{Status: 500, Route: "/items", Path: "/items/1"}, Sample{Status: 500, Route: "/items", Path: "/items/hat"}},
	} {
		if a, b := fingerprintOf("f", &same[0]), fingerprintOf("f", &same[1]); a != b {
			t.Errorf("%s: two fingerprints", name)
		}
	}
	for name, other := range map[string][2]Sample{
		"types":     {failure("KeyError", "x"), failure("TypeError", "x")},
		"frames":    {failure("KeyError", "x", python("a", 1, "work")...), failure("KeyError", "x", python("a", 1, "play")...)},
		"functions": {failure("TypeError", "x", node("x", 3, "work")...), failure("TypeError", "x", node("x", 3, "play")...)},
		"messages":  {failure("E", "no such table"), failure("E", "no such column")},
		"statuses":  {{Status: 500, Route: "/a"}, {Status: 503, Route: "/a"}},
		"routes":    {{Status: 500, Route: "/a"}, {Status: 500, Route: "/b"}},
		"kinds":     {{Status: 502, Route: "/a"}, failure("E", "")},
	} {
		if a, b := fingerprintOf("f", &other[0]), fingerprintOf("f", &other[1]); a == b {
			t.Errorf("%s: one fingerprint", name)
		}
	}
	s := failure("E", "x")
	if fingerprintOf("f", &s) == fingerprintOf("g", &s) {
		t.Error("components: one fingerprint")
	}
}

// Whatever a function says has a fingerprint, and another number in it does not
// change that.
func TestNumbersDoNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := rapid.String().Draw(t, "before"), rapid.String().Draw(t, "after")
		one, two := rapid.IntRange(0, 1<<20).Draw(t, "one"), rapid.IntRange(0, 1<<20).Draw(t, "two")
		a, b := failure("E", fmt.Sprintf("%.100s %d %s", before, one, after)), failure("E", fmt.Sprintf("%.100s %d %s", before, two, after))
		if len(a.Message) < messageSize && len(b.Message) < messageSize && fingerprintOf("f", &a) != fingerprintOf("f", &b) {
			t.Fatal("two fingerprints")
		}
	})
}

// An error that only green has is told once, with what the first one said; one
// that live has too, or has had before, is not. Seen red with groups that are
// told at each look, and with live's not looked at.
func TestNewErrors(t *testing.T) {
	m := New(Config{})
	live, green := m.Recorder(shop, 1, "f"), m.Recorder(shop, 2, "f")
	live.Record(failure("KeyError", "known"))
	f := follow(t, m, 1, 2)
	green.Record(failure("KeyError", "known"))
	green.Record(failure("TypeError", "first 1", "frame 1"))
	green.Record(failure("TypeError", "second 2", "frame 2"))
	green.Record(Sample{Status: 503, Fault: FaultStatus, Method: "POST", Path: "/pay?card=4711", Route: "/pay"})
	green.Record(Sample{Status: 200, Fault: FaultConnection, Method: "GET", Path: "/big"})
	got := take(t, f).NewErrors
	said := map[string]string{}
	for _, g := range got {
		said[g.Type] = g.Component + " | " + g.Message + " | " + g.Stack
	}
	want := map[string]string{"TypeError": "f | first 1 | frame 1", "status 503": "f | POST /pay | ", "broken answer": "f | GET /big | "}
	if len(got) != len(want) || fmt.Sprint(said) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", said, want)
	}
	green.Record(failure("TypeError", "third 3", "frame 3"))
	live.Record(failure("IOError", "both"))
	green.Record(failure("IOError", "both"))
	if again := take(t, f).NewErrors; again != nil {
		t.Errorf("told again: %v", again)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	m := New(Config{})
	live, green := m.Recorder(shop, 1, "f"), m.Recorder(shop, 2, "f")
	f := follow(t, m, 1, 2)
	long := strings.Repeat("é", 10_000)
	green.Record(failure("Long", long, long))
	group := take(t, f).NewErrors[0]
	if len(group.Message) > messageSize || len(group.Stack) > stackSize || !strings.HasSuffix(group.Stack, "é") {
		t.Errorf("%d bytes of message, %d of stack", len(group.Message), len(group.Stack))
	}
	for i := range 1000 {
		live.Record(failure("E"+strings.Repeat("x", i), "")) // each of a sort of its own
	}
	if n := len(live.version.errors.groups()); n != maxGroups {
		t.Errorf("%d groups", n)
	}
	green.Record(failure("Another", ""))
	if news := take(t, f).NewErrors; news != nil {
		t.Errorf("live may have had %v", news)
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add("KeyError", "can't open '7f3c2a10'", "  File \"a.py\", line 1\n    x")
	f.Fuzz(func(_ *testing.T, kind, message, stack string) {
		s := failure(kind, message, strings.Split(stack, "\n")...)
		fingerprintOf("f", &s)
		describe(0, "f", &s)
	})
}

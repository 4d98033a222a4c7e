package function

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"teal/internal/function/runtimeapi"
)

var noon = time.Unix(1_700_000_000, 0)

func ago(d ...time.Duration) []time.Time {
	var at []time.Time
	for _, d := range d {
		at = append(at, noon.Add(-d))
	}
	return at
}

// Seen to fail with planReap ignoring spare.
func TestDecide(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		view view
		want plan
	}{
		"minimum at first":             {view{min: 2, max: 4}, plan{start: 2}},
		"one is proven for none":       {view{min: 0, max: 4}, plan{start: 1}},
		"none is kept for none":        {view{min: 0, max: 4, proven: true}, plan{}},
		"one for each that waits":      {view{min: 1, max: 9, proven: true, busy: 1, waiting: 3}, plan{start: 3}},
		"not for those being started":  {view{min: 1, max: 9, proven: true, busy: 1, starting: 3, waiting: 3}, plan{wake: noon.Add(time.Minute)}},
		"not over the maximum":         {view{min: 1, max: 2, proven: true, busy: 1, waiting: 9}, plan{start: 1}},
		"one is about to be free":      {view{min: 1, max: 9, proven: true, returning: ago(5 * ms), waiting: 1}, plan{wake: noon.Add(15 * ms)}},
		"one takes its time":           {view{min: 1, max: 9, proven: true, returning: ago(25 * ms), waiting: 1}, plan{start: 1}},
		"not during the back-off":      {view{min: 1, max: 9, proven: true, notBefore: noon.Add(time.Second)}, plan{wake: noon.Add(time.Second)}},
		"one at a time after failures": {view{min: 5, max: 9, proven: true, failing: true}, plan{start: 1}},
		"one trial is enough":          {view{min: 5, max: 9, proven: true, failing: true, starting: 1}, plan{}},
		"idle ones above the minimum":  {view{min: 1, max: 9, proven: true, idle: ago(90*time.Second, 70*time.Second, 10*time.Second)}, plan{reap: 2, wake: noon.Add(time.Minute)}},
		"the next one to expire":       {view{min: 1, max: 9, proven: true, idle: ago(90*time.Second, 20*time.Second, 10*time.Second)}, plan{reap: 1, wake: noon.Add(40 * time.Second)}},
		"only those above the minimum": {view{min: 1, max: 9, proven: true, idle: ago(90*time.Second, 80*time.Second)}, plan{reap: 1, wake: noon.Add(time.Minute)}},
		"never below the minimum":      {view{min: 2, max: 9, proven: true, idle: ago(90*time.Second, 80*time.Second)}, plan{}},
	} {
		t.Run(name, func(t *testing.T) {
			test.view.now, test.view.idleFor = noon, time.Minute
			if got := decide(test.view); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// Whatever the pool looks like, the plan keeps it between its bounds. Seen to
// fail with the maximum left out of decide.
func TestDecideKeepsTheBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.IntRange(0, 6)
		times := rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, int64(3*time.Minute)), func(d int64) time.Time { return noon.Add(-time.Duration(d)) }), 0, 5)
		v := view{
			now: noon, min: small.Draw(t, "min"), idleFor: time.Minute,
			proven: rapid.Bool().Draw(t, "proven"), failing: rapid.Bool().Draw(t, "failing"),
			starting: small.Draw(t, "starting"), busy: small.Draw(t, "busy"),
			idle: times.Draw(t, "idle"), returning: times.Draw(t, "returning"),
		}
		slices.SortFunc(v.idle, time.Time.Compare)
		v.max = max(1, v.min, small.Draw(t, "max"), v.starting+v.busy+len(v.idle)+len(v.returning))
		if len(v.idle) == 0 {
			v.waiting = small.Draw(t, "waiting")
		}
		if rapid.Bool().Draw(t, "backing off") {
			v.notBefore = noon.Add(time.Second)
		}
		p := decide(v)
		live := v.starting + v.busy + len(v.idle) + len(v.returning)
		switch {
		case p.start < 0 || p.reap < 0 || p.reap > len(v.idle):
			t.Fatalf("impossible: %+v", p)
		case live+p.start > v.max:
			t.Fatalf("over the maximum: %+v", p)
		case p.reap > 0 && live-p.reap < v.min:
			t.Fatalf("below the minimum: %+v", p)
		case p.start > 0 && p.reap > 0:
			t.Fatalf("starts and reaps: %+v", p)
		case p.start > 0 && v.now.Before(v.notBefore):
			t.Fatalf("starts during the back-off: %+v", p)
		case live < v.min && p.start == 0 && v.starting == 0 && p.wake.IsZero():
			t.Fatalf("gives up: %+v", p)
		case !p.wake.IsZero() && !p.wake.After(v.now):
			t.Fatalf("wakes at once, for ever: %+v", p)
		}
	})
}

func TestTail(t *testing.T) {
	var last tail
	if got := last.String(); got != "" {
		t.Errorf("got %q", got)
	}
	for n := range 100 {
		last.add(strings.Repeat("x", n*20))
	}
	lines := strings.Split(last.String(), "\n")
	if len(lines) != tailLines || len(lines[tailLines-1]) > tailLine+len("…") {
		t.Errorf("%d lines, the last of %d bytes", len(lines), len(lines[tailLines-1]))
	}
}

func TestIntegrationAnswer(t *testing.T) {
	zero := "\x00\x00\x00\x00\x00\x00\x00\x00"
	for payload, want := range map[string]string{
		`{"statusCode":201,"headers":{"a":"b"}}` + zero + "hello": `{"body":"hello","headers":{"a":"b"},"isBase64Encoded":false,"statusCode":201}`,
		`{"statusCode":200}` + zero + "\xff":                      `{"body":"/w==","isBase64Encoded":true,"statusCode":200}`,
		`{"statusCode":200}`:                                      `{"statusCode":200}`,
		`no` + zero:                                               `no` + zero,
		`null` + zero:                                             `null` + zero,
	} {
		got := string(integrationAnswer(runtimeapi.Reply{MediaType: integrationType, Payload: []byte(payload)}))
		if got != want {
			t.Errorf("%q: got %s", payload, got)
		}
	}
	if got := string(integrationAnswer(runtimeapi.Reply{Payload: []byte("x" + zero)})); got != "x"+zero {
		t.Errorf("got %q", got)
	}
}

// FuzzIntegrationAnswer checks that what is put together is JSON whenever it
// differs from what came in.
func FuzzIntegrationAnswer(f *testing.F) {
	f.Add([]byte("{\"statusCode\":200}\x00\x00\x00\x00\x00\x00\x00\x00body"))
	f.Add([]byte("null\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := integrationAnswer(runtimeapi.Reply{MediaType: integrationType, Payload: payload})
		if string(got) != string(payload) && !json.Valid(got) {
			t.Errorf("%q became %q", payload, got)
		}
	})
}

func TestRequestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := uuid.NewString()
		if len(id) != 36 || !validRequestID(id) || id[14] != '4' || seen[id] {
			t.Fatalf("%q", id)
		}
		seen[id] = true
	}
	for _, id := range []string{"a b", "a\n", "ä", strings.Repeat("x", 129)} {
		if validRequestID(id) {
			t.Errorf("%q is taken", id)
		}
	}
	if id := newTraceID(noon); !strings.HasPrefix(id, "Root=1-6553f100-") || len(id) != len("Root=1-6553f100-")+24+len(";Sampled=0") {
		t.Errorf("%q", id)
	}
}

func TestInterpreters(t *testing.T) {
	for runtime, want := range map[string][]string{
		"python3": {"python3"}, "python3.12": {"python3.12", "python3"},
		"nodejs": {"node"}, "nodejs22.x": {"node22", "node"},
	} {
		if got := interpreters(runtime); !slices.Equal(got, want) {
			t.Errorf("%s: got %q", runtime, got)
		}
	}
}

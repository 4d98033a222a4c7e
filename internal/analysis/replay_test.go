package analysis

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"teal"
)

// recording writes seconds of live and green as Write does.
func recording(t testing.TB, seconds int, live, green func(n int) teal.Measurement) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	for n := range seconds {
		i := teal.Interval{At: start.Add(time.Duration(n) * time.Second), Live: live(n), Green: green(n)}
		if err := Write(&b, i); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func always(m teal.Measurement) func(int) teal.Measurement {
	return func(int) teal.Measurement { return m }
}

func looks(t testing.TB, recording string, policy teal.Judging) []Look {
	t.Helper()
	var list []Look
	for look, err := range Replay(strings.NewReader(recording), &policy) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, look)
	}
	return list
}

func TestReplayLooksAtEveryInterval(t *testing.T) {
	t.Parallel()
	green := func(n int) teal.Measurement {
		switch {
		case n < 10:
			return teal.Measurement{}
		case n < 20:
			return did(50, 0)
		}
		return did(50, 10)
	}
	b := recording(t, 30, always(did(450, 1)), green)
	got := looks(t, b.String(), compared)
	if len(got) != 30 {
		t.Fatalf("there are %d looks", len(got))
	}
	for n, want := range map[int]teal.Verdict{0: teal.VerdictInconclusive, 9: teal.VerdictInconclusive, 15: teal.VerdictPass, 29: teal.VerdictFail} {
		if got[n].Verdict != want || got[n].Reason == "" || !got[n].At.Equal(start.Add(time.Duration(n)*time.Second)) {
			t.Errorf("look %d is %+v, want %s", n, got[n], want)
		}
	}
	if want := (Seen{Live: Counts{Requests: 13500, Errors: 30}, Green: Counts{Requests: 1000, Errors: 100}}); got[29].Seen != want {
		t.Errorf("seen %+v, want %+v", got[29].Seen, want)
	}
	text, err := json.Marshal(got[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"at":"2026-01-02T15:00:00Z","verdict":"inconclusive","reason":"no requests on the new version since step 1 began",` +
		`"seen":{"live":{"requests":450,"errors":1},"green":{"requests":0,"errors":0}}}`
	if string(text) != want {
		t.Errorf("a look is\n%s, want\n%s", text, want)
	}
}

// What live did before green had traffic is the baseline: a limit that it broke
// does not count.
func TestReplayTakesTheBaselineFromTheRecording(t *testing.T) {
	t.Parallel()
	policy := teal.Judging{ErrorRate: ptr(teal.Percent(1))}
	green := func(n int) teal.Measurement {
		if n < 60 {
			return teal.Measurement{}
		}
		return did(100, 4)
	}
	got := looks(t, recording(t, 120, always(did(100, 4)), green).String(), policy)
	if last := got[len(got)-1]; last.Verdict != teal.VerdictPass {
		t.Errorf("%+v", last)
	}
}

// Lines in any order are the same recording.
func TestReadSortsAndPairs(t *testing.T) {
	t.Parallel()
	text := recording(t, 5, always(took(3, time.Millisecond, 2500*time.Microsecond)), always(did(2, 1))).String()
	want, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != 5 || want[4].Live.Requests != 6 || want[4].Live.Latency[1].UpTo != 2500*time.Microsecond || want[0].Green.Errors != 1 {
		t.Fatalf("read %+v", want)
	}
	lines := strings.SplitAfter(strings.TrimSpace(text), "\n")
	lines[len(lines)-1] += "\n"
	shuffled := "\n"
	for n := range lines { // 10 lines: every third, then wrapped
		shuffled += lines[n*3%len(lines)]
	}
	got, err := Read(strings.NewReader(strings.ReplaceAll(shuffled, "15:00:03Z", "16:00:03+01:00")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const good = `{"at":"2026-01-02T15:04:05Z","side":"live","requests":10,"errors":0}` + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":           {"", "is empty"},
		"blank lines":       {"\n\n", "is empty"},
		"no JSON":           {good + "live 10\n", "line 2: "},
		"an array":          {"[]", "line 1: "},
		"two objects":       {strings.TrimSpace(good) + good, "line 1: there is something after"},
		"an unknown key":    {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":1,"failures":1}`, "failures"},
		"no time":           {`{"side":"live","requests":1}`, `"at" is missing`},
		"no zone":           {`{"at":"2026-01-02T15:04:05","side":"live","requests":1}`, "line 1: "},
		"no side":           {`{"at":"2026-01-02T15:04:05Z","requests":1}`, `write "live" or "green"`},
		"a third side":      {`{"at":"2026-01-02T15:04:05Z","side":"blue","requests":1}`, `"side" is "blue"`},
		"no requests":       {`{"at":"2026-01-02T15:04:05Z","side":"live"}`, `"requests" is missing`},
		"half a request":    {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":1.5}`, "line 1: "},
		"negative":          {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":-1}`, `"requests" is -1`},
		"negative errors":   {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":1,"errors":-1}`, `"errors" is -1`},
		"more errors":       {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":1,"errors":2}`, `"errors" is 2`},
		"a latency alone":   {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":1,"latency_ms":[5]}`, "is not [milliseconds, count]"},
		"falling bounds":    {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":9,"latency_ms":[[5,1],[4,1]]}`, "must rise"},
		"cumulative counts": {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":9,"latency_ms":[[5,8],[10,9]]}`, "counts more than the 9 requests"},
		"more waited":       {`{"at":"2026-01-02T15:04:05Z","side":"live","requests":1,"unanswered":1,"waited_ms":[[5,2]]}`, `"waited_ms" counts more than the 1 unanswered`},
		"a late judge":      {good + `{"at":"2026-01-02T15:04:06Z","judge":{"policy":{}}}`, "line 2: a judge that begins in the middle"},
		"no beginning":      {`{"at":"2026-01-02T15:04:06Z","step":2}`, "whose beginning is missing"},
		"said twice":        {good + good, "line 2: a second line of live"},
		"a long line":       {good + `{"at":"` + strings.Repeat("x", longestLine), "line 2: longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			intervals, err := Read(strings.NewReader(c.text))
			var domain *teal.Error
			if !errors.As(err, &domain) || domain.Code != teal.CodeInvalidInput || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v and %v, want an error with %q", intervals, err, c.want)
			}
			n := 0
			for _, err := range Replay(strings.NewReader(c.text), &compared) {
				if n++; err == nil {
					t.Error("a look at a recording that is wrong")
				}
			}
			if n != 1 {
				t.Errorf("%d looks", n)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errors.New("the disk is gone") }
func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func TestReadAndWriteReturnErrorsOfTheirStreams(t *testing.T) {
	t.Parallel()
	if _, err := Read(broken{}); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
		t.Error(err)
	}
	if err := Write(broken{}, teal.Interval{}); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
		t.Error(err)
	}
}

// What is read can be written and read again, and judged without a panic.
func FuzzRead(f *testing.F) {
	f.Add(`{"at":"2026-01-02T15:04:05Z","side":"live","requests":10,"errors":0,"latency_ms":[[0.1,5],[12.5,5]]}` + "\n" +
		`{"at":"2026-01-02T15:04:05Z","side":"green","requests":5,"errors":5,"latency_ms":[[1e9,5]]}`)
	f.Add(`{"at":"0001-01-01T00:00:00Z","side":"green","requests":1000000000000}`)
	f.Add(`{"at":"2026-01-02T15:04:05Z","judge":{"policy":{"compare":"live"},"baseline":{"requests":100,"errors":1,"unanswered":3}}}` + "\n" +
		`{"at":"2026-01-02T15:04:05Z","step":1}` + "\n" +
		`{"at":"2026-01-02T15:04:05Z","side":"live","requests":10,"errors":0,"unanswered":2,"waited_ms":[[5000,2]]}` + "\n" +
		`{"at":"2026-01-02T15:04:05Z","side":"green","requests":5,"errors":5,"new_errors":[{"type":"KeyError"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		intervals, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		for look, err := range Replay(strings.NewReader(text), nil) {
			if err != nil || look.Reason == "" {
				t.Fatalf("%+v, %v", look, err)
			}
		}
		var b bytes.Buffer
		if events, _ := read(strings.NewReader(text)); strings.Contains(text, `"judge"`) && len(intervals) > 0 {
			if err := WriteBegin(&b, intervals[0].At, *events[0].begin); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range intervals {
			if err := Write(&b, i); err != nil {
				t.Fatal(err)
			}
		}
		again, err := Read(&b)
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if len(again) != len(intervals) {
			t.Fatalf("read %d of %d intervals", len(again), len(intervals))
		}
		policy := compared
		policy.ErrorRate, policy.Latency.P99 = ptr(teal.Percent(1)), teal.Duration(time.Second)
		for look, err := range Replay(strings.NewReader(text), &policy) {
			if err != nil || look.Reason == "" {
				t.Fatalf("%+v, %v", look, err)
			}
		}
	})
}

// Whatever a release's judge was told, its recording replays to what it said, step
// by step: with a baseline and its latencies and outage, with steps, with new
// errors, after restarts, with a clock that is set back. Seen red with the
// latencies of the baseline left out, as a record forgets them at its end, without
// the steps, and without the state that a judge goes on from after a restart.
func TestReplayIsTheRecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy := policies.Draw(t, "policy")
		var baseline *teal.Measurement
		if rapid.IntRange(0, 3).Draw(t, "baseline") > 0 {
			m := measurements(t, "before")
			if rapid.Bool().Draw(t, "outage") {
				m.Outage = &teal.Outage{Measurement: measurements(t, "outage"), Ongoing: rapid.Bool().Draw(t, "ongoing")}
			}
			baseline = &m
		}
		atOnce := rapid.Bool().Draw(t, "all at once")
		var b bytes.Buffer
		var want []teal.Judgement
		var j *Judge
		step := 0
		start := func(state json.RawMessage) {
			if err := WriteBegin(&b, start, Beginning{Policy: policy, Baseline: baseline, State: state}); err != nil {
				t.Fatal(err)
			}
			var err error
			if j, err = New(Beginning{Policy: policy, Baseline: baseline, State: state}); err != nil {
				t.Fatal(err)
			}
			step = 0 // is told again
		}
		start(nil)
		for n, i := range intervals(t) {
			if next := 1 + n/8; next != step {
				step = next
				if err := WriteStep(&b, i.At, step); err != nil {
					t.Fatal(err)
				}
			}
			if atOnce {
				i.Live = teal.Measurement{}
			}
			j.Begin(step)
			j.Add(i)
			if err := Write(&b, i); err != nil {
				t.Fatal(err)
			}
			want = append(want, j.Judgement(i.At))
			switch rapid.IntRange(0, 15).Draw(t, "restart") {
			case 0:
				start(j.State())
			case 1: // of nothing that was saved
				start(nil)
			}
		}
		n := 0
		for look, err := range Replay(&b, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[n], look.Judgement); diff != "" {
				t.Fatalf("look %d:\n%s", n+1, diff)
			}
			n++
		}
		if n != len(want) {
			t.Fatalf("%d looks of %d", n, len(want))
		}
	})
}

// Another policy is put to what was measured, with the baseline of the record and
// across the restarts of its judge.
func TestReplayByAnotherPolicy(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	before := did(10_000, 1000)
	one := newJudge(t, compared, &before)
	tell := func(state json.RawMessage, n int) {
		if err := errors.Join(
			WriteBegin(&b, start, Beginning{Policy: compared, Baseline: &before, State: state}), WriteStep(&b, start, 1),
			Write(&b, teal.Interval{At: start.Add(time.Duration(n) * time.Second), Green: did(100, 3)}),
		); err != nil {
			t.Fatal(err)
		}
	}
	tell(nil, 1)
	tell(one.State(), 2)
	for policy, want := range map[*teal.Judging]teal.Verdict{
		{ErrorRate: ptr(teal.Percent(1))}:                    teal.VerdictPass, // live had broken that
		{ErrorRate: ptr(teal.Percent(20)), MinRequests: 500}: teal.VerdictInconclusive,
	} {
		got := looks(t, b.String(), *policy)
		if len(got) != 2 || got[1].Verdict != want || got[1].Seen.Green.Requests != 200 {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}

package analysis

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"teal"
)

// The sides of a recording.
const (
	sideLive  = "live"
	sideGreen = "green"
)

// line is one line of a recording: what one side did in an interval that ends at
// At, or what the judge was told between intervals.
type line struct {
	At         *time.Time        `json:"at"`
	Side       string            `json:"side"`
	Requests   *int64            `json:"requests"`
	Errors     int64             `json:"errors"`
	Latency    teal.Latencies    `json:"latency_ms,omitempty"`
	Unanswered int64             `json:"unanswered,omitempty"`
	Waited     teal.Latencies    `json:"waited_ms,omitempty"`
	NewErrors  []teal.ErrorGroup `json:"new_errors,omitempty"` // of green
}

// instruction is a line that is about no side.
type instruction struct {
	At    *time.Time `json:"at"`
	Judge *Beginning `json:"judge,omitempty"`
	Step  int        `json:"step,omitempty"`
}

// Beginning is what a judge begins with, or goes on from.
type Beginning struct {
	Policy teal.Judging `json:"policy"`
	// Baseline is what the current version did before the release moved any
	// traffic; nil when nothing is known.
	Baseline *teal.Measurement `json:"baseline,omitempty"`
	// State is what State of another Judge with the same policy and baseline
	// returned, and the new one goes on from there; nil begins.
	State json.RawMessage `json:"state,omitempty"`
	// Current and New are the two versions, for people; 0 where their numbers are
	// not known.
	Current int `json:"current,omitempty"`
	New     int `json:"new,omitempty"`
}

// BeginningOf returns what the judge of a release begins with, or goes on from.
func BeginningOf(r teal.Release) Beginning {
	return Beginning{Policy: r.Policy.Judge, Baseline: r.Baseline, State: r.Judging, Current: r.From, New: r.To}
}

func (b Beginning) currentName() string { return versionName("current", b.Current) }
func (b Beginning) newName() string     { return versionName("new", b.New) }

// versionName is what people are told that a version is: "new (v8)".
func versionName(role string, number int) string {
	if number == 0 {
		return "the " + role + " version"
	}
	return role + " (" + teal.VersionName(number) + ")"
}

// WriteBegin writes that a judge begins, as one line of JSON. Judges outside have
// no part in what it says, so their addresses are left out.
func WriteBegin(w io.Writer, at time.Time, b Beginning) error {
	b.Policy.Queries, b.Policy.Webhooks = nil, nil
	return writeLine(w, at, instruction{At: &at, Judge: &b})
}

// WriteStep writes that a step begins, as one line of JSON.
func WriteStep(w io.Writer, at time.Time, step int) error {
	return writeLine(w, at, instruction{At: &at, Step: step})
}

// Write writes an interval as two lines of JSON, one for each side. Of new errors
// it writes as much as a judge remembers.
func Write(w io.Writer, interval teal.Interval) error {
	at := interval.At
	live, green := lineOf(at, sideLive, interval.Live), lineOf(at, sideGreen, interval.Green)
	for _, g := range interval.NewErrors {
		green.NewErrors = append(green.NewErrors, truncated(g))
	}
	if err := writeLine(w, at, live); err != nil {
		return err
	}
	return writeLine(w, at, green)
}

func lineOf(at time.Time, side string, did teal.Measurement) line {
	return line{
		At: &at, Side: side, Requests: &did.Requests, Errors: did.Errors, Latency: did.Latency,
		Unanswered: did.Unanswered, Waited: did.Waited,
	}
}

func writeLine(w io.Writer, at time.Time, l any) error {
	if err := json.NewEncoder(w).Encode(l); err != nil {
		return fmt.Errorf("write interval %s: %w", at, err)
	}
	return nil
}

// event is what a judge was told: one of begin, step and interval.
type event struct {
	begin    *Beginning
	step     int
	interval *teal.Interval
	before   bool // the interval is in the baseline
}

// Whole reports whether a recording that begins with a line has everything that
// its judge was told, the baseline too.
func Whole(firstLine []byte) bool {
	var l instruction
	return json.Unmarshal(firstLine, &l) == nil && l.Judge != nil
}

// The bounds of a recording: a judge that looks 300 times a second is told
// 2 160 000 lines in an hour.
const (
	longestLine = 1 << 20
	mostLines   = 5_000_000
)

// Read returns the intervals of a recording: lines of JSON with the keys at
// (RFC 3339), side ("live" or "green"), requests, errors, latency_ms (pairs of an
// upper bound in milliseconds and how many requests took at most that and more
// than the bound before), unanswered and waited_ms (the same of requests without
// an answer). The lines may come in any order; those with the same time are one
// interval, and a side without a line had no requests. It returns them in the
// order of time, at least one, or an error with teal.CodeInvalidInput that names
// the first line that is wrong.
//
// In a recording that begins with a judge the order is that of the lines, which is
// what the judge was told; it may hold none.
func Read(r io.Reader) ([]teal.Interval, error) {
	events, err := read(r)
	var list []teal.Interval
	for _, e := range events {
		if e.interval != nil {
			list = append(list, *e.interval)
		}
	}
	return list, err
}

// read returns everything that a recording says, or an error as Read does.
func read(r io.Reader) ([]event, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, longestLine)
	read := reading{index: map[time.Time]int{}}
	for scanner.Scan() {
		if read.lines++; read.lines > mostLines {
			return nil, teal.Errorf(teal.CodeInvalidInput, "the recording has more than %d lines; cut it into parts", mostLines)
		}
		if err := read.line(scanner.Bytes()); err != nil {
			return nil, teal.Errorf(teal.CodeInvalidInput, "line %d: %w", read.lines, err)
		}
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, teal.Errorf(teal.CodeInvalidInput, "line %d: longer than %d bytes", read.lines+1, longestLine)
	} else if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	if read.judged {
		return read.events, nil
	}
	if len(read.intervals) == 0 {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the recording is empty; it needs at least one line such as %s",
			`{"at":"2026-01-02T15:04:05Z","side":"green","requests":100,"errors":1,"latency_ms":[[50,99],[250,1]]}`)
	}
	slices.SortFunc(read.intervals, func(a, b teal.Interval) int { return a.At.Compare(b.At) })
	return withoutJudge(read.intervals), nil
}

// reading is a recording as far as it has been read.
type reading struct {
	lines int
	// judged says that the recording begins with a judge; events is what it was
	// told.
	judged bool
	events []event
	half   bool // the last event is an interval whose green is still to come

	// Of a recording without a judge:
	intervals []teal.Interval
	index     map[time.Time]int // in intervals, by time
	given     []sides           // which sides intervals have
}

type sides struct{ live, green bool }

func (r *reading) line(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if t, is := parseInstruction(text); is {
		return r.instruction(t)
	}
	l, err := parse(text)
	if err != nil {
		return err
	}
	if r.judged {
		r.inOrder(l)
		return nil
	}
	return r.byTime(l)
}

// parseInstruction returns what a line says that is about no side.
func parseInstruction(text []byte) (t instruction, is bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	is = decoder.Decode(&t) == nil && t.At != nil && (t.Judge != nil || t.Step > 0)
	return t, is
}

func (r *reading) instruction(t instruction) error {
	switch {
	case t.Judge != nil && !r.judged && len(r.intervals) > 0:
		return errors.New("a judge that begins in the middle; a recording begins with its judge, or has none")
	case !r.judged && t.Judge == nil:
		return errors.New("a step of a recording whose beginning is missing; the first line says what the judge began with")
	case t.Judge != nil:
		r.judged = true
		r.events = append(r.events, event{begin: t.Judge})
	default:
		r.events = append(r.events, event{step: t.Step})
	}
	r.half = false
	return nil
}

// inOrder takes a line of a recording that has a judge: green's belongs to the
// line of live before it when they have the same time.
func (r *reading) inOrder(l line) {
	at, did := l.At.UTC(), l.measurement()
	if last := len(r.events) - 1; l.Side == sideGreen && r.half && r.events[last].interval.At.Equal(at) {
		r.events[last].interval.Green, r.events[last].interval.NewErrors = did, l.NewErrors
		r.half = false
		return
	}
	i := teal.Interval{At: at, Live: did}
	if r.half = l.Side == sideLive; !r.half {
		i.Live, i.Green, i.NewErrors = teal.Measurement{}, did, l.NewErrors
	}
	r.events = append(r.events, event{interval: &i})
}

// byTime takes a line of a recording that has none: those of a time belong
// together.
func (r *reading) byTime(l line) error {
	at := l.At.UTC()
	n, known := r.index[at]
	if !known {
		n = len(r.intervals)
		r.index[at] = n
		r.intervals = append(r.intervals, teal.Interval{At: at})
		r.given = append(r.given, sides{})
	}
	given, did := &r.given[n].live, &r.intervals[n].Live
	if l.Side == sideGreen {
		given, did = &r.given[n].green, &r.intervals[n].Green
		r.intervals[n].NewErrors = l.NewErrors
	}
	if *given {
		return fmt.Errorf("a second line of %s for %s; add the counts up into one", l.Side, at.Format(time.RFC3339Nano))
	}
	*given, *did = true, l.measurement()
	return nil
}

func (l *line) measurement() teal.Measurement {
	return teal.Measurement{Requests: *l.Requests, Errors: l.Errors, Latency: l.Latency, Unanswered: l.Unanswered, Waited: l.Waited}
}

func parse(text []byte) (line, error) {
	var l line
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return l, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return l, errors.New("there is something after the JSON object; write one object per line")
	}
	switch {
	case l.At == nil:
		return l, errors.New(`"at" is missing; write the end of the interval, such as "2026-01-02T15:04:05Z"`)
	case l.Side != sideLive && l.Side != sideGreen:
		return l, fmt.Errorf(`"side" is %q; write "live" or "green"`, l.Side)
	case l.Requests == nil:
		return l, errors.New(`"requests" is missing`)
	case *l.Requests < 0 || *l.Requests > maxCount:
		return l, fmt.Errorf(`"requests" is %d; write a number from 0 to %d`, *l.Requests, int64(maxCount))
	case l.Errors < 0 || l.Errors > *l.Requests:
		return l, fmt.Errorf(`"errors" is %d; write a number from 0 to the %d requests`, l.Errors, *l.Requests)
	case l.Unanswered < 0 || l.Unanswered > maxCount:
		return l, fmt.Errorf(`"unanswered" is %d; write a number from 0 to %d`, l.Unanswered, int64(maxCount))
	}
	return l, errors.Join(checkCounts("latency_ms", l.Latency, "requests", *l.Requests), checkCounts("waited_ms", l.Waited, "unanswered", l.Unanswered))
}

// checkCounts refuses a list whose bounds do not rise, or that counts more than
// there was.
func checkCounts(key string, list teal.Latencies, of string, most int64) error {
	sum := int64(0)
	for i, c := range list {
		if i > 0 && c.UpTo <= list[i-1].UpTo {
			return fmt.Errorf(`the upper bounds in %q must rise; %s does not`, key, c.UpTo)
		}
		if sum += c.Count; sum > most {
			return fmt.Errorf(`%q counts more than the %d %s; each pair has the requests of its own bucket, not of those below too`, key, most, of)
		}
	}
	return nil
}

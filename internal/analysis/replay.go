package analysis

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"teal"
)

// Look is what the judge said at one moment of a recording.
type Look struct {
	At      time.Time    `json:"at"`
	Verdict teal.Verdict `json:"verdict"`
	Reason  string       `json:"reason"`
	Seen    Seen         `json:"seen"`
	// Judgement is the whole of it, with the evidence.
	Judgement teal.Judgement `json:"-"`
}

// Seen is what both sides did from the beginning of the recording to the look.
type Seen struct {
	Live  Counts `json:"live"`
	Green Counts `json:"green"`
}

// Counts is how many requests a side served, and how many of them failed.
type Counts struct {
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors"`
}

// Replay puts a recording, as Write writes it, to a judge with the given policy
// and yields a look after every moment of it, in the order of time. What live
// did before green's first request is the baseline. The whole recording is read
// before the first look: when a line is wrong, the only thing yielded is an error
// with teal.CodeInvalidInput that names the line.
func Replay(r io.Reader, policy teal.Judging) iter.Seq2[Look, error] {
	return func(yield func(Look, error) bool) {
		intervals, err := Read(r)
		if err != nil {
			yield(Look{}, err)
			return
		}
		first := slices.IndexFunc(intervals, func(i teal.Interval) bool { return i.Green.Requests > 0 })
		if first < 0 {
			first = len(intervals)
		}
		baseline := merged(intervals[:first])
		judge, err := New(policy, baseline, nil)
		if err != nil {
			yield(Look{}, err)
			return
		}
		judge.Begin(1)
		var seen Seen
		for n, interval := range intervals {
			if n >= first {
				judge.Add(interval)
			}
			seen.Live.count(interval.Live)
			seen.Green.count(interval.Green)
			judgement := judge.Judgement(interval.At)
			look := Look{At: interval.At, Verdict: judgement.Verdict, Reason: judgement.Reason, Seen: seen, Judgement: judgement}
			if !yield(look, nil) {
				return
			}
		}
	}
}

func (c *Counts) count(m teal.Measurement) {
	c.Requests += m.Requests
	c.Errors += m.Errors
}

// merged adds up what live did; nil of nothing.
func merged(intervals []teal.Interval) *teal.Measurement {
	if len(intervals) == 0 {
		return nil
	}
	var sum teal.Measurement
	counts := map[time.Duration]int64{}
	for _, i := range intervals {
		sum.Requests += i.Live.Requests
		sum.Errors += i.Live.Errors
		for _, l := range i.Live.Latency {
			counts[l.UpTo] += l.Count
		}
	}
	for upTo, n := range counts {
		sum.Latency = append(sum.Latency, teal.LatencyCount{UpTo: upTo, Count: n})
	}
	slices.SortFunc(sum.Latency, func(a, b teal.LatencyCount) int { return int(a.UpTo - b.UpTo) })
	return &sum
}

// The sides of a recording.
const (
	sideLive  = "live"
	sideGreen = "green"
)

// line is one line of a recording: what one side did in an interval that ends
// at At.
type line struct {
	At       *time.Time     `json:"at"`
	Side     string         `json:"side"`
	Requests *int64         `json:"requests"`
	Errors   int64          `json:"errors"`
	Latency  teal.Latencies `json:"latency_ms,omitempty"`
}

// Write writes an interval as two lines of JSON, one for each side, which Read
// and Replay understand. New errors are not in it.
func Write(w io.Writer, interval teal.Interval) error {
	encoder := json.NewEncoder(w)
	for _, side := range []struct {
		name string
		did  teal.Measurement
	}{{sideLive, interval.Live}, {sideGreen, interval.Green}} {
		at := interval.At
		l := line{At: &at, Side: side.name, Requests: &side.did.Requests, Errors: side.did.Errors, Latency: side.did.Latency}
		if err := encoder.Encode(l); err != nil {
			return fmt.Errorf("write interval %s: %w", interval.At, err)
		}
	}
	return nil
}

// The bounds of a recording: a day of seconds is 172 800 lines.
const (
	longestLine = 1 << 20
	mostLines   = 2_000_000
)

// Read reads a recording: lines of JSON with the keys at (RFC 3339), side
// ("live" or "green"), requests, errors and latency_ms (pairs of an upper bound
// in milliseconds and how many requests took at most that and more than the
// bound before). The lines may come in any order; those with the same time are
// one interval, and a side without a line had no requests. It returns the
// intervals in the order of time, at least one, or an error with
// teal.CodeInvalidInput that names the first line that is wrong.
func Read(r io.Reader) ([]teal.Interval, error) {
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
	if len(read.intervals) == 0 {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the recording is empty; it needs at least one line such as %s",
			`{"at":"2026-01-02T15:04:05Z","side":"green","requests":100,"errors":1,"latency_ms":[[50,99],[250,1]]}`)
	}
	slices.SortFunc(read.intervals, func(a, b teal.Interval) int { return a.At.Compare(b.At) })
	return read.intervals, nil
}

// reading is a recording as far as it has been read.
type reading struct {
	lines     int
	intervals []teal.Interval
	index     map[time.Time]int // in intervals, by time
	given     []sides           // which sides intervals have
}

type sides struct{ live, green bool }

func (r *reading) line(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	l, err := parse(text)
	if err != nil {
		return err
	}
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
	}
	if *given {
		return fmt.Errorf("a second line of %s for %s; add the counts up into one", l.Side, at.Format(time.RFC3339Nano))
	}
	*given, *did = true, teal.Measurement{Requests: *l.Requests, Errors: l.Errors, Latency: l.Latency}
	return nil
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
	case *l.Requests < 0 || *l.Requests > most:
		return l, fmt.Errorf(`"requests" is %d; write a number from 0 to %d`, *l.Requests, int64(most))
	case l.Errors < 0 || l.Errors > *l.Requests:
		return l, fmt.Errorf(`"errors" is %d; write a number from 0 to the %d requests`, l.Errors, *l.Requests)
	}
	return l, l.checkLatency()
}

func (l *line) checkLatency() error {
	sum := int64(0)
	for i, c := range l.Latency {
		if i > 0 && c.UpTo <= l.Latency[i-1].UpTo {
			return fmt.Errorf(`the upper bounds in "latency_ms" must rise; %s does not`, c.UpTo)
		}
		if sum += c.Count; sum > *l.Requests {
			return fmt.Errorf(`"latency_ms" counts more than the %d requests; each pair has the requests of its own bucket, not of those below too`, *l.Requests)
		}
	}
	return nil
}

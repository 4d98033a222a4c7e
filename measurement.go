package teal

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Measurement is what one version did for users in some time. Checks, warm-ups
// and requests that chose their version by header are not in it.
type Measurement struct {
	Requests int64     `json:"requests"` // those that were answered, well or badly
	Errors   int64     `json:"errors"`   // of Requests: 5xx, function errors, timeouts, broken connections
	Latency  Latencies `json:"latency_ms,omitempty"`
	// Unanswered counts the requests whose clients gave up before there was an
	// answer. They are not in Requests: nobody knows how they would have gone.
	Unanswered int64 `json:"unanswered,omitempty"`
	// Waited is how long those clients waited; one that is not in it waited for
	// an unknown time.
	Waited Latencies `json:"waited_ms,omitempty"`
	// Outage is what is left out of a baseline, because the version was broken
	// then; nil for nothing, and for what is no baseline.
	Outage *Outage `json:"outage,omitempty"`
}

// Received returns how many requests there were, answered or not.
func (m Measurement) Received() int64 { return m.Requests + m.Unanswered }

// Plus returns what two measurements are together, without their outages.
func (m Measurement) Plus(other Measurement) Measurement {
	return Measurement{
		Requests:   m.Requests + other.Requests,
		Errors:     m.Errors + other.Errors,
		Latency:    mergeLatency(m.Latency, other.Latency),
		Unanswered: m.Unanswered + other.Unanswered,
		Waited:     mergeLatency(m.Waited, other.Waited),
	}
}

func mergeLatency(a, b []LatencyCount) []LatencyCount {
	if len(a) == 0 {
		return slices.Clone(b)
	}
	out := make([]LatencyCount, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].UpTo < b[0].UpTo:
			out, a = append(out, a[0]), a[1:]
		case a[0].UpTo > b[0].UpTo:
			out, b = append(out, b[0]), b[1:]
		default:
			out = append(out, LatencyCount{UpTo: a[0].UpTo, Count: a[0].Count + b[0].Count})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// LatencyCount says how many requests took at most UpTo, and more than the
// UpTo before it; in a list they are sorted by UpTo. In JSON it is a pair of
// milliseconds and count: [12.5, 340].
type LatencyCount struct {
	UpTo  time.Duration
	Count int64
}

// Latencies is a list of LatencyCounts. It is encoded as a whole: a baseline has
// hundreds of pairs, and is in the record of every release.
type Latencies []LatencyCount

// Quantile returns the least bound that at least a share q of all requests did not exceed;
// 0 of none.
func (l Latencies) Quantile(q float64) time.Duration {
	total := int64(0)
	for _, c := range l {
		total += c.Count
	}
	below := int64(0)
	for _, c := range l {
		if below += c.Count; float64(below) >= q*float64(total) {
			return c.UpTo
		}
	}
	return 0
}

// MarshalJSON implements json.Marshaler.
func (l Latencies) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 2+16*len(l))
	out = append(out, '[')
	for i, c := range l {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '[')
		out = strconv.AppendFloat(out, float64(c.UpTo)/float64(time.Millisecond), 'f', -1, 64)
		out = append(out, ',')
		out = strconv.AppendInt(out, c.Count, 10)
		out = append(out, ']')
	}
	return append(out, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler. It refuses what is not a list of
// pairs of a latency and a whole count, both from 0.
func (l *Latencies) UnmarshalJSON(data []byte) error {
	var pairs [][]float64
	if err := json.Unmarshal(data, &pairs); err != nil {
		return Errorf(CodeInvalidInput, "%s holds what is not [milliseconds, count]", brief(data))
	}
	list := make(Latencies, len(pairs))
	for i, pair := range pairs {
		if len(pair) != 2 {
			return Errorf(CodeInvalidInput, "%v is not [milliseconds, count]", pair)
		}
		ms, count := pair[0], pair[1]
		if ms < 0 || ms > float64(math.MaxInt64/int64(time.Millisecond)) || count < 0 || count > 1<<53 || count != math.Trunc(count) {
			return Errorf(CodeInvalidInput, "%v is not a latency in milliseconds and a whole count, both from 0", pair)
		}
		list[i] = LatencyCount{UpTo: time.Duration(math.Round(ms * float64(time.Millisecond))), Count: int64(count)}
	}
	*l = list
	return nil
}

func brief(data []byte) []byte {
	const enough = 60
	if len(data) > enough {
		return append(slices.Clone(data[:enough]), "…"...)
	}
	return data
}

// Interval is what the two versions of a release did in the same stretch of
// time, which ends At and is short enough that conditions were the same for both.
type Interval struct {
	At    time.Time   `json:"at"`
	Live  Measurement `json:"live"`  // of the version that the alias leaves
	Green Measurement `json:"green"` // of the version that it moves to
	// NewErrors are the errors that green had for the first time, and live never
	// has had.
	NewErrors []ErrorGroup `json:"new_errors,omitempty"`
}

// ErrorGroup is one sort of error: those that have the same fingerprint.
type ErrorGroup struct {
	Fingerprint string `json:"fingerprint"`
	Component   string `json:"component"`
	Type        string `json:"type"`            // such as KeyError, or "status 502"
	Message     string `json:"message"`         // of the first one
	Stack       string `json:"stack,omitempty"` // of the first one; bounded
}

// Finding is one question about green and its answer: the evidence of a
// decision.
type Finding struct {
	At time.Time `json:"at"`
	// Phase and Step say where the release was; Step counts from 1, 0 is none.
	Phase Phase  `json:"phase,omitempty"`
	Step  int    `json:"step,omitempty"`
	Name  string `json:"name"`  // "check smoke", "hook AfterInstall notify", "error rate", "latency p99"
	Asked string `json:"asked"` // the question, for people
	Seen  string `json:"seen"`  // what was seen, for people
	// Statistic and Threshold are the figure that decided and the bound that it
	// was held against; nil for a question without figures.
	Statistic *float64 `json:"statistic,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	Verdict   Verdict  `json:"verdict"`
	Output    string   `json:"output,omitempty"` // what a command printed at last, or a stack trace; bounded
}

// String returns the finding as one line for people.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s", f.Name, f.Verdict, f.Seen)
}

// Judgement is a verdict with its evidence.
type Judgement struct {
	Verdict Verdict `json:"verdict"`
	// Doubtful says that the verdict is inconclusive because green looks bad: worse
	// than live without it being certain yet, or where nothing could make it certain.
	Doubtful bool      `json:"doubtful,omitempty"`
	Reason   string    `json:"reason"` // one sentence for people
	Findings []Finding `json:"findings,omitempty"`
}

// Combine returns the verdict of several answers that must all be good: fail
// before error before inconclusive before pass. Of none it is a pass.
func Combine(verdicts ...Verdict) Verdict {
	worst := VerdictPass
	for _, v := range verdicts {
		if v.rank() > worst.rank() {
			worst = v
		}
	}
	return worst
}

func (v Verdict) rank() int {
	switch v {
	case VerdictPass:
		return 0
	case VerdictInconclusive:
		return 1
	case VerdictFail:
		return 3
	}
	return 2 // error, and whatever is no verdict
}

package analysis

import (
	"encoding/json"
	"math"
	"sort"
	"time"

	"teal"
)

// edges are the upper edges of a histogram's buckets, from 0.1 ms in steps of
// 10 % to more than two minutes; above is one more bucket. They need not be
// fine: a threshold may lie anywhere, it must only be set before the data that
// is held against it.
var edges = func() (e [150]time.Duration) {
	for i := range e {
		e[i] = time.Duration(1e5 * math.Pow(1.1, float64(i)))
	}
	return e
}()

// histogram counts latencies.
type histogram struct {
	count [len(edges) + 1]int64
	total int64
}

// bucket returns the index of the first edge that is not below d.
func bucket(d time.Duration) int {
	return sort.Search(len(edges), func(i int) bool { return d <= edges[i] })
}

func (h *histogram) add(latencies []teal.LatencyCount) {
	for _, l := range latencies {
		h.count[bucket(l.UpTo)] += l.Count
		h.total += l.Count
	}
}

// quantile returns the lowest edge that at least the share q of all latencies
// do not exceed; 0 when there are too few latencies to tell, or when they are
// beyond the last edge.
func (h *histogram) quantile(q float64) time.Duration {
	if float64(h.total)*(1-q) < 1 {
		return 0
	}
	below := int64(0)
	for i, edge := range edges {
		if below += h.count[i]; float64(below) >= q*float64(h.total) {
			return edge
		}
	}
	return 0
}

// holds reports whether everything in other can have been added to h.
func (h *histogram) holds(other *histogram) bool {
	for i, n := range other.count {
		if n > h.count[i] {
			return false
		}
	}
	return true
}

// slower counts the latencies above an edge.
func (h *histogram) slower(edge time.Duration) tally {
	t := tally{N: h.total}
	for _, n := range h.count[bucket(edge)+1:] {
		t.Bad += n
	}
	return t
}

// MarshalJSON writes the buckets that hold something, as pairs.
func (h histogram) MarshalJSON() ([]byte, error) {
	pairs := [][2]int64{}
	for i, n := range h.count {
		if n > 0 {
			pairs = append(pairs, [2]int64{int64(i), n})
		}
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *histogram) UnmarshalJSON(data []byte) error {
	var pairs [][2]int64
	if err := json.Unmarshal(data, &pairs); err != nil {
		return err
	}
	*h = histogram{}
	for _, p := range pairs {
		if p[0] < 0 || p[0] >= int64(len(h.count)) || p[1] < 0 || p[1] > maxCount {
			return teal.Errorf(teal.CodeInvalidInput, "%v is no bucket and its count", p)
		}
		h.count[p[0]] += p[1]
		h.total += p[1]
	}
	return nil
}

// remove takes away what has been added before.
func (h *histogram) remove(other *histogram) {
	for i, n := range other.count {
		h.count[i] -= n
		h.total -= n
	}
}

// slower counts the requests that took longer than a threshold, of those whose
// latency is known. A bucket that the threshold lies in counts as above it. A
// client that gave up after the threshold would have got its answer later still;
// one that gave up before is not counted.
func slower(m teal.Measurement, threshold time.Duration) tally {
	var t tally
	for _, l := range m.Latency {
		t.N += l.Count
		if l.UpTo > threshold {
			t.Bad += l.Count
		}
	}
	if len(m.Latency) == 0 && m.Requests > 0 {
		return t // this meter knows no latencies
	}
	for _, l := range m.Waited {
		if l.UpTo > threshold {
			t.N += l.Count
			t.Bad += l.Count
		}
	}
	return t
}

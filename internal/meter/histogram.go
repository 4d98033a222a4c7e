package meter

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"teal"
)

// The shape of a histogram.
const (
	cellBits    = 7
	octaveCells = 1 << cellBits // cells in one power of two
	firstBit    = 10            // the first power of two that is told apart, in nanoseconds
	octaves     = 32
	bucketCount = octaves * octaveCells
)

// outcome is how a request ended, as far as its version is concerned.
type outcome uint16

const (
	answered outcome = iota
	failed
	unanswered // the client gave up first
	outcomeCount
)

// cellIndex is a cell among those of all outcomes, one after the other, each in the
// order of the latencies.
type cellIndex uint16

func cellIndexOf(latency time.Duration, how outcome) cellIndex {
	return cellIndex(int(how)*bucketCount + bucketOf(latency))
}

// bucketOf returns which bucket a latency is in. A bucket takes what is longer
// than the upper bound of the one before and at most its own. What is shorter or
// longer than all is in the first or the last.
func bucketOf(latency time.Duration) int {
	if latency <= 1<<firstBit {
		return 0
	}
	ns := uint64(latency - 1)
	octave := bits.Len64(ns) - 1 - firstBit
	if octave >= octaves {
		return bucketCount - 1
	}
	return octave*octaveCells + int(ns>>(octave+firstBit-cellBits))&(octaveCells-1)
}

// upper returns the longest latency in a bucket.
func upper(bucket int) time.Duration {
	octave, cell := bucket/octaveCells, bucket%octaveCells
	return time.Duration(octaveCells+cell+1) << (octave + firstBit - cellBits)
}

func (p cellIndex) outcome() outcome { return outcome(p / bucketCount) }
func (p cellIndex) bucket() int      { return int(p) % bucketCount }

// octaveBucket is the part of a histogram that one power of two needs.
type octaveBucket [octaveCells]atomic.Uint64

// histogram counts. Parts of it are made when they are needed.
type histogram [int(outcomeCount) * octaves]atomic.Pointer[octaveBucket]

func (h *histogram) add(p cellIndex) {
	part := &h[p>>cellBits]
	o := part.Load()
	if o == nil {
		part.CompareAndSwap(nil, new(octaveBucket))
		o = part.Load()
	}
	o[p%octaveCells].Add(1)
}

// counts is what a reader has seen in histograms that are read as one.
type counts [int(outcomeCount) * octaves]*[octaveCells]uint64

// cell is how often one cell of a recorder was hit.
type cell struct {
	index cellIndex
	of    uint16 // which recorder of its version
	n     uint32
}

// take appends to cells what the recorder has counted since the last take, and
// remembers it.
func (c *counts) take(r *Recorder, cells []cell) []cell {
	for i := range c {
		var sum [octaveCells]uint64
		any := false
		for _, h := range r.all {
			if o := h[i].Load(); o != nil {
				any = true
				for j := range o {
					sum[j] += o[j].Load()
				}
			}
		}
		if !any {
			continue
		}
		if c[i] == nil {
			c[i] = new([octaveCells]uint64)
		}
		for j, n := range sum {
			for more := n - c[i][j]; more > 0; {
				part := min(more, math.MaxUint32)
				cells = append(cells, cell{cellIndex(i<<cellBits | j), r.number, uint32(part)})
				more -= part
			}
		}
		*c[i] = sum
	}
	return cells
}

// merge sorts cells and joins those of the same place of a recorder.
func merge(cells []cell) []cell {
	slices.SortFunc(cells, func(a, b cell) int { return cmp.Or(cmp.Compare(a.of, b.of), cmp.Compare(a.index, b.index)) })
	out := cells[:0]
	for _, c := range cells {
		if last := len(out) - 1; last >= 0 && out[last].of == c.of && out[last].index == c.index && out[last].n <= math.MaxUint32-c.n {
			out[last].n += c.n
			continue
		}
		out = append(out, c)
	}
	return slices.Clip(out)
}

// measurement returns what cells, in any order, say.
func measurement(cells []cell) teal.Measurement {
	var m teal.Measurement
	latency, waited := map[int]int64{}, map[int]int64{}
	for _, c := range cells {
		n := int64(c.n)
		switch c.index.outcome() {
		case unanswered:
			m.Unanswered += n
			waited[c.index.bucket()] += n
			continue
		case failed:
			m.Errors += n
		}
		m.Requests += n
		latency[c.index.bucket()] += n
	}
	m.Latency, m.Waited = sorted(latency), sorted(waited)
	return m
}

// sorted returns the counts of buckets in the order of their latencies.
func sorted(buckets map[int]int64) teal.Latencies {
	var list teal.Latencies
	for bucket, n := range buckets {
		list = append(list, teal.LatencyCount{UpTo: upper(bucket), Count: n})
	}
	slices.SortFunc(list, func(a, b teal.LatencyCount) int { return cmp.Compare(a.UpTo, b.UpTo) })
	return list
}

// quantile returns the latency that the share q of the requests does not exceed.
func quantile(m teal.Measurement, q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(m.Requests)))
	for _, l := range m.Latency {
		if rank -= l.Count; rank <= 0 {
			return l.UpTo
		}
	}
	return 0
}

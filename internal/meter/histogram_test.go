package meter

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal"
)

// Seen red with 64 cells in a power of two, and with cells that are open at the
// wrong end.
func TestALatencyIsWithinOnePercentOfItsBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		latency := time.Duration(rapid.Int64Range(int64(1025*time.Nanosecond), int64(time.Hour)).Draw(t, "latency"))
		bucket := bucketOf(latency)
		if up := upper(bucket); up < latency || float64(up-latency) > 0.01*float64(latency) {
			t.Fatalf("%v is told as %v", latency, up)
		}
		if bucket > 0 && upper(bucket-1) >= latency {
			t.Fatalf("%v would fit into the bucket before", latency)
		}
	})
}

func TestBucketsAreWithoutGapAndBounded(t *testing.T) {
	for bucket := range bucketCount {
		if got := bucketOf(upper(bucket)); got != bucket {
			t.Fatalf("the upper bound of bucket %d is in %d", bucket, got)
		}
		if got := bucketOf(upper(bucket) + 1); got != min(bucket+1, bucketCount-1) {
			t.Fatalf("what is longer than bucket %d is in %d", bucket, got)
		}
	}
	for latency, want := range map[time.Duration]int{-time.Second: 0, 0: 0, 1: 0, 1 << 62: bucketCount - 1} {
		if got := bucketOf(latency); got != want {
			t.Errorf("%v is in bucket %d, want %d", latency, got, want)
		}
	}
}

// A quantile of many requests, recorded in several places and merged, is that of
// the sorted list.
func TestQuantilesOfMergedHistogramsAreWithinOnePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		latencies := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Float64Range(2e3, 3e12).Draw(t, "ns"))
		}), 1, 200).Draw(t, "latencies")
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		histograms := []*histogram{{}, {}, {}}
		for i, l := range latencies {
			histograms[i%3].add(cellIndexOf(l, []outcome{failed, answered}[i%2]))
		}
		m := measurement((&counts{}).take(&Recorder{all: histograms}, nil))
		slices.Sort(latencies)
		rank := int(q*float64(len(latencies))+0.9999999) - 1
		want, got := latencies[min(max(rank, 0), len(latencies)-1)], quantile(m, q)
		if m.Requests != int64(len(latencies)) || m.Errors != int64((len(latencies)+1)/2) || got < want || float64(got-want) > 0.01*float64(want) {
			t.Fatalf("%d requests, %d errors, quantile %g is %v, want %v", m.Requests, m.Errors, q, got, want)
		}
	})
}

func sum(m teal.Measurement) (n int64) {
	for _, l := range m.Latency {
		n += l.Count
	}
	return n
}

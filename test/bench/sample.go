package main

import (
	"slices"
	"time"
)

// sample is what repeated measurements of one thing gave, in no order.
type sample []float64

// durations returns times as a sample in the given unit.
func durations(times []time.Duration, unit time.Duration) sample {
	s := make(sample, len(times))
	for i, t := range times {
		s[i] = float64(t) / float64(unit)
	}
	return s
}

// quantile returns the smallest value that at least the share q, from 0 to 1, of
// the sample does not exceed; 0 for an empty sample.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	for i, v := range sorted {
		if float64(i+1) >= q*float64(len(sorted)) {
			return v
		}
	}
	return sorted[len(sorted)-1]
}

func (s sample) median() float64 { return s.quantile(0.5) }

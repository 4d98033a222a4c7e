package describe

import (
	"fmt"

	"teal/internal/api"
)

// Traffic are the rate, the share of errors, and the latencies.
func Traffic(t *api.TrafficView) []string {
	switch {
	case t == nil: // a server that does not measure
		return []string{"-", "-", "-", "-"}
	case t.Requests+t.Unanswered == 0:
		return []string{"0", "-", "-", "-"}
	case t.Requests == 0:
		return []string{Rate(t.RequestsPerSecond), "-", "-", "-"}
	}
	return []string{Rate(t.RequestsPerSecond), api.Percent(t.ErrorShare), Milliseconds(t.P50), Milliseconds(t.P99)}
}

// Rate writes how many come per second, as exact as is of use.
func Rate(perSecond float64) string {
	switch {
	case perSecond >= 100:
		return fmt.Sprintf("%.0f", perSecond)
	case perSecond >= 1:
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.2f", perSecond)
}

// Milliseconds writes a latency.
func Milliseconds(ms float64) string {
	switch {
	case ms >= 1000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 10:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// Load writes how many processors are busy: 150 % are one and a half.
func Load(processors float64) string {
	if percent := processors * 100; percent >= 10 {
		return fmt.Sprintf("%.0f %%", percent)
	}
	return fmt.Sprintf("%.1f %%", processors*100)
}

// Memory writes what is resident; "-" before anybody has looked.
func Memory(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return Size(bytes)
}

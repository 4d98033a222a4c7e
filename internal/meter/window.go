package meter

import (
	"slices"
	"time"

	"teal"
)

// Slices of a window become coarser when they are older.
const (
	fineSlice   = time.Second
	fineHistory = time.Minute
	coarseSlice = 10 * time.Second
	keptHistory = 10 * time.Minute
)

// slice is what was measured after from and until to.
type slice struct {
	from, to time.Time
	cells    []cell
}

// window is the recent past, the oldest slice first.
type window []slice

// add appends a slice, joins old ones and drops the oldest.
func (w window) add(s slice) window {
	if len(s.cells) > 0 {
		w = append(w, s)
	}
	return w.compact(s.to)
}

func (w window) compact(now time.Time) window {
	out := w[:0]
	for _, s := range w {
		if now.Sub(s.from) > keptHistory {
			continue
		}
		if last := len(out) - 1; last >= 0 && s.to.Sub(out[last].from) <= maxSliceLength(now.Sub(out[last].from)) {
			out[last] = slice{out[last].from, s.to, merge(slices.Concat(out[last].cells, s.cells))}
			continue
		}
		out = append(out, s)
	}
	clear(w[len(out):]) // their cells
	return out
}

// maxSliceLength returns how long a slice may be that began so long ago.
func maxSliceLength(age time.Duration) time.Duration {
	if age > fineHistory+coarseSlice {
		return coarseSlice
	}
	return fineSlice
}

// since returns the cells of the slices that began at from or later.
func (w window) since(from time.Time) []cell {
	var cells []cell
	for _, s := range w {
		if !s.from.Before(from) {
			cells = append(cells, s.cells...)
		}
	}
	return cells
}

// spans returns what was measured in the slices that began at from or later, the
// oldest first.
func (w window) spans(from time.Time) []teal.Span {
	var spans []teal.Span
	for _, s := range w {
		if !s.from.Before(from) {
			spans = append(spans, teal.Span{Took: s.to.Sub(s.from), Did: measurement(s.cells)})
		}
	}
	return spans
}

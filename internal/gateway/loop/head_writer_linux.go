package loop

import "teal/internal/http1"

// headWriter writes the fields of a head of HTTP/1.1. It implements exchange.Fields.
type headWriter struct{ out []byte }

// headWriter returns the loop's writer, which appends to a buffer. There is one, so
// that none is made for a request.
func (l *loop) headWriter(to []byte) *headWriter {
	l.head.out = to
	return &l.head
}

// Add implements exchange.Fields.
func (w *headWriter) Add(name, value string) { w.out = http1.AppendLine(w.out, name, value) }

// AddList implements exchange.Fields.
func (w *headWriter) AddList(name string, values []string) {
	w.out = append(append(w.out, name...), ": "...)
	for i, value := range values {
		if i > 0 {
			w.out = append(w.out, ", "...)
		}
		w.out = append(w.out, value...)
	}
	w.out = append(w.out, "\r\n"...)
}

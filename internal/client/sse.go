package client

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"strings"
)

// frame is one server-sent event.
type frame struct {
	ID    string
	Event string
	Data  string
}

// maxFrame bounds one event, in bytes.
const maxFrame = 16 << 20

var errFrameTooLarge = errors.New("an event is larger than 16 MiB")

// frames yields the events of a stream as the WHATWG standard defines it, except
// that a carriage return alone does not end a line. Comments and events without
// data are left out, and so is an event that the end of the stream cuts off. The
// end itself is no error.
func frames(r io.Reader) iter.Seq2[frame, error] {
	return func(yield func(frame, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 4096), maxFrame)
		var now builder
		for first := true; lines.Scan(); first = false {
			line := lines.Text()
			if first {
				line = strings.TrimPrefix(line, "\ufeff")
			}
			if line == "" {
				if f, ok := now.finish(); ok && !yield(f, nil) {
					return
				}
				continue
			}
			if err := now.add(line); err != nil {
				yield(frame{}, err)
				return
			}
		}
		switch err := lines.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(frame{}, errFrameTooLarge)
		case err != nil:
			yield(frame{}, err)
		}
	}
}

// builder collects the fields of one event.
type builder struct {
	id, event string
	data      []string
	size      int
}

func (b *builder) add(line string) error {
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "id":
		if !strings.ContainsRune(value, 0) {
			b.id = value
		}
	case "event":
		b.event = value
	case "data":
		b.data = append(b.data, value)
		b.size += len(value) + 1
	}
	if b.size > maxFrame {
		return errFrameTooLarge
	}
	return nil
}

// finish returns the event and begins the next. The ID stays, as the standard
// wants it.
func (b *builder) finish() (frame, bool) {
	f := frame{ID: b.id, Event: b.event, Data: strings.Join(b.data, "\n")}
	ok := len(b.data) > 0
	*b = builder{id: b.id}
	return f, ok
}

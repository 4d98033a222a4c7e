package event

import (
	"cmp"
	"strconv"

	"teal"
)

// Limits bound the events of one function that have been accepted and are not done.
type Limits struct {
	Events int        // how many; 0 is 10 000
	Bytes  teal.Bytes // of them together; 0 is 256 MiB
}

// The defaults of Limits.
const (
	DefaultEvents = 10_000
	DefaultBytes  = 256 * teal.MiB
)

func (l Limits) withDefaults() Limits {
	return Limits{Events: cmp.Or(l.Events, DefaultEvents), Bytes: cmp.Or(l.Bytes, DefaultBytes)}
}

// The names of the limits, as operators write them.
const (
	limitEvents = "events"
	limitBytes  = "event-bytes"
)

// LimitNames returns the names of all limits.
func LimitNames() []string { return []string{limitEvents, limitBytes} }

// SetLimit sets a limit by its name as operators write it. The error, with
// teal.CodeInvalidInput, says what the value must look like.
func (l *Limits) SetLimit(name, value string) (err error) {
	switch name {
	case limitEvents:
		if l.Events, err = strconv.Atoi(value); err != nil || l.Events <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a whole number above 0", name, value)
		}
	case limitBytes:
		if err = l.Bytes.UnmarshalText([]byte(value)); err != nil || l.Bytes <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a size such as 64KiB or 6MiB", name, value)
		}
	default:
		return teal.Errorf(teal.CodeInvalidInput, "there is no limit %q of events", name)
	}
	return nil
}

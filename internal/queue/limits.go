package queue

import (
	"cmp"
	"strconv"
	"time"

	"teal"
)

// Limits bound each queue.
type Limits struct {
	Messages int           // that wait or are worked on; 0 is 100 000
	Bytes    teal.Bytes    // of them together; 0 is 256 MiB
	Age      time.Duration // after which a message that nobody has finished is a dead letter; 0 is four days
	Dead     int           // dead letters, of which the oldest go; 0 is 10 000
}

// The defaults of Limits.
const (
	DefaultMessages = 100_000
	DefaultBytes    = 256 * teal.MiB
	DefaultAge      = 4 * 24 * time.Hour
	DefaultDead     = 10_000
)

// MaxQueues is how many queues a server may have.
const MaxQueues = 1000

func (l Limits) withDefaults() Limits {
	return Limits{
		Messages: cmp.Or(l.Messages, DefaultMessages), Bytes: cmp.Or(l.Bytes, DefaultBytes),
		Age: cmp.Or(l.Age, DefaultAge), Dead: cmp.Or(l.Dead, DefaultDead),
	}
}

// The names of the limits, as operators write them.
const (
	limitMessages = "queue-messages"
	limitBytes    = "queue-bytes"
	limitAge      = "queue-age"
	limitDead     = "queue-dead"
)

// LimitNames returns the names of all limits.
func LimitNames() []string { return []string{limitMessages, limitBytes, limitAge, limitDead} }

// SetLimit sets a limit by its name as operators write it. The error, with
// teal.CodeInvalidInput, says what the value must look like.
func (l *Limits) SetLimit(name, value string) error {
	switch name {
	case limitMessages:
		return setCount(&l.Messages, name, value)
	case limitDead:
		return setCount(&l.Dead, name, value)
	case limitBytes:
		if err := l.Bytes.UnmarshalText([]byte(value)); err != nil || l.Bytes <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a size such as 64MiB", name, value)
		}
	case limitAge:
		age, err := teal.ParseDuration(value)
		if err != nil || age <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a time such as 4d", name, value)
		}
		l.Age = age
	default:
		return teal.Errorf(teal.CodeInvalidInput, "there is no limit %q of queues", name)
	}
	return nil
}

func setCount(to *int, name, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a whole number above 0", name, value)
	}
	*to = n
	return nil
}

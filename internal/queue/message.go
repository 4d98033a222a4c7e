package queue

import (
	"time"
	"unicode/utf8"

	"teal"
)

// Bounds of what is sent.
const (
	MaxMessage    = 256 * teal.KiB // body and attributes
	MaxBatch      = 1000           // messages that are sent together
	MaxBatchBytes = 1 * teal.MiB   // of them together
	MaxAttributes = 10
	MaxName       = 128 // bytes of a group, a deduplication ID, the name of an attribute
	MaxDelay      = 24 * time.Hour
	// DedupWindow is how long after a message another one with its deduplication ID is
	// the same one.
	DedupWindow = 5 * time.Minute
)

// Attribute is what a producer says about a message besides its body.
type Attribute struct {
	Type  string // String, Number or Binary, as in SQS
	Value string // of Binary in base64
}

// Outgoing is a message that is to be sent.
type Outgoing struct {
	Body       []byte
	Attributes map[string]Attribute
	// Group orders the message among those of the same group; "" is no order.
	Group string
	// Deduplication says which message it is: a second one that is sent within
	// DedupWindow is dropped. "" is a message of its own.
	Deduplication string
	Delay         time.Duration // before it is given out
}

// Message is a message of a queue.
type Message struct {
	ID            string
	Body          []byte               `json:",omitempty"`
	Attributes    map[string]Attribute `json:",omitempty"`
	Group         string               `json:",omitempty"`
	Deduplication string               `json:",omitempty"`
	SentAt        time.Time
	NotBefore     time.Time `json:",omitzero"`
	// Redriven is how often it has been a dead letter that was put back.
	Redriven int `json:",omitempty"`
}

func (m Message) size() int64 { return sizeOf(m.Body, m.Attributes) }

func sizeOf(body []byte, attributes map[string]Attribute) int64 {
	n := len(body)
	for name, a := range attributes {
		n += len(name) + len(a.Type) + len(a.Value)
	}
	return int64(n)
}

// check refuses what cannot be sent together.
func check(messages []Outgoing) error {
	if len(messages) == 0 {
		return teal.Errorf(teal.CodeInvalidInput, "there is no message to send")
	}
	if len(messages) > MaxBatch {
		return teal.Errorf(teal.CodeTooLarge, "%d messages are too many to send together; send at most %d", len(messages), MaxBatch)
	}
	var all int64
	for i, m := range messages {
		if err := m.check(); err != nil {
			return teal.Errorf(teal.CodeOf(err), "message %d: %w", i+1, err)
		}
		all += sizeOf(m.Body, m.Attributes)
	}
	if all > int64(MaxBatchBytes) {
		return teal.Errorf(teal.CodeTooLarge, "the messages have %s together; send at most %s at once", teal.Bytes(all), MaxBatchBytes)
	}
	return nil
}

func (m Outgoing) check() error {
	size := sizeOf(m.Body, m.Attributes)
	switch {
	case len(m.Body) == 0:
		return teal.Errorf(teal.CodeInvalidInput, "the body is empty; a message needs one")
	case size > int64(MaxMessage):
		return teal.Errorf(teal.CodeTooLarge, "it has %s with its attributes, and may have %s", teal.Bytes(size), MaxMessage)
	case !utf8.Valid(m.Body):
		return teal.Errorf(teal.CodeInvalidInput, "the body is not UTF-8; encode binary data, for instance in base64")
	case len(m.Attributes) > MaxAttributes:
		return teal.Errorf(teal.CodeInvalidInput, "it has %d attributes, and may have %d", len(m.Attributes), MaxAttributes)
	case len(m.Group) > MaxName || len(m.Deduplication) > MaxName:
		return teal.Errorf(teal.CodeInvalidInput, "its group or deduplication ID is longer than %d bytes", MaxName)
	case m.Delay < 0 || m.Delay > MaxDelay:
		return teal.Errorf(teal.CodeInvalidInput, "its delay is %s; it may be 0 to %s", teal.Duration(m.Delay), teal.Duration(MaxDelay))
	}
	for name, a := range m.Attributes {
		if name == "" || len(name) > MaxName || a.Type != "String" && a.Type != "Number" && a.Type != "Binary" {
			return teal.Errorf(teal.CodeInvalidInput, "its attribute %q needs a name of at most %d bytes and the type String, Number or Binary", name, MaxName)
		}
	}
	return nil
}

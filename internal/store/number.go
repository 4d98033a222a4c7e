package store

import (
	"bytes"
	"fmt"
	"strconv"
)

// firstSchema is the number of every table's first schema, and of the records from
// before there were numbers, which have none.
const firstSchema = 1

// numberPrefix begins every record: its schema's number is the first member of its
// JSON object. It stands there, and not around the object, so that a Teal from
// before there were numbers goes on reading what it understands.
var numberPrefix = []byte(`{"schema":`)

// WithNumber returns the JSON object with the number of its schema, for who writes records
// past a [Table].
func WithNumber(object []byte, number int) []byte {
	out := make([]byte, 0, len(numberPrefix)+len(object)+8)
	out = append(out, numberPrefix...)
	out = strconv.AppendInt(out, int64(number), 10)
	if len(object) > len("{}") {
		out = append(out, ',')
	}
	return append(out, object[1:]...)
}

// splitNumber returns the digits of the number that a record begins with, and the
// object without it; no digits, and the record itself, for one that has none.
func splitNumber(record []byte) (digits, object []byte) {
	rest, numbered := bytes.CutPrefix(record, numberPrefix)
	if !numbered {
		return nil, record
	}
	end := bytes.IndexAny(rest, ",}")
	if end < 0 {
		return rest, nil
	}
	return rest[:end], bytes.TrimPrefix(rest[end:], []byte(","))
}

// withoutNumber returns what two records that say the same have in common.
func withoutNumber(record []byte) []byte {
	digits, object := splitNumber(record)
	if digits == nil {
		return bytes.TrimPrefix(record, []byte("{"))
	}
	return object
}

// CheckNumber refuses a record of a higher schema than the given one, with [ErrNewer].
func CheckNumber(record []byte, highest int) error {
	digits, _ := splitNumber(record)
	if digits == nil {
		return nil // from before there were numbers
	}
	number, err := strconv.Atoi(string(digits))
	if err != nil || number < firstSchema {
		return fmt.Errorf("%q is not the number of a schema", digits)
	}
	if number > highest {
		return fmt.Errorf("%w: its number is %d, and this Teal knows them up to %d", ErrNewer, number, highest)
	}
	return nil
}

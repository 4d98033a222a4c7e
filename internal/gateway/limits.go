package gateway

import (
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"teal"
	"teal/internal/http1"
)

// responseFields bounds the header fields of a response. The bytes of its head do
// already; this keeps what is done for each field from becoming long.
const responseFields = 2000

// response bounds the head of an instance's response.
func (l *Limits) response() http1.Limits {
	return http1.Limits{Bytes: l.HeaderBytes, Fields: responseFields}
}

// SetLimit sets a limit by its name as operators write it, which is that of the
// field: body-stall for BodyStall. The error, with teal.CodeInvalidInput, says
// what the value must look like, or which names there are. docs/limits.md lists
// them all.
func (l *Limits) SetLimit(name, value string) error {
	fields := reflect.ValueOf(l).Elem()
	for i := range fields.NumField() {
		if limitName(fields.Type().Field(i).Name) == name {
			return setField(fields.Field(i), name, value)
		}
	}
	return teal.Errorf(teal.CodeInvalidInput, "there is no limit %q; there are %s", name, strings.Join(LimitNames(), ", "))
}

// LimitNames returns the names of all limits.
func LimitNames() []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Limits]()) {
		names = append(names, limitName(field.Name))
	}
	return names
}

// limitName returns BodyStall as body-stall.
func limitName(field string) string {
	var b strings.Builder
	for i, r := range field {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// setField reads a value that is more than nothing: zero would mean the default.
func setField(field reflect.Value, name, value string) error {
	switch limit := field.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a duration such as 500ms, 30s or 5m", name, value)
		}
		*limit = d
	case *teal.Bytes:
		if err := limit.UnmarshalText([]byte(value)); err != nil || *limit <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a size such as 64KiB or 6MiB", name, value)
		}
	case *int:
		n, err := strconv.Atoi(value)
		if size := teal.Bytes(0); err != nil && strings.HasSuffix(name, "-bytes") {
			err = size.UnmarshalText([]byte(value))
			n = int(size)
		}
		if err != nil || n <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a whole number above 0", name, value)
		}
		*limit = n
	}
	return nil
}

package check

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"teal"
)

// expectation says for people what an answer must be.
func expectation(e teal.Expect) string {
	parts := []string{"status 200 to 399"}
	if e.Status != 0 {
		parts[0] = fmt.Sprintf("status %d", e.Status)
	}
	if e.Body != "" {
		parts = append(parts, fmt.Sprintf("a body with %q", line(e.Body, maxExcerpt)))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		parts = append(parts, fmt.Sprintf("header %s: %s", name, line(e.Headers[name], maxExcerpt)))
	}
	for _, path := range slices.Sorted(maps.Keys(e.JSON)) {
		parts = append(parts, fmt.Sprintf("%s = %q in the JSON", path, line(e.JSON[path], maxExcerpt)))
	}
	if e.Within > 0 {
		parts = append(parts, "within "+e.Within.String())
	}
	return strings.Join(parts, ", ")
}

// mismatches returns, for people, everything about an answer that is not as
// expected.
func mismatches(e teal.Expect, r reply) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	switch {
	case e.Status != 0 && r.status != e.Status:
		add("the status is %d instead of %d", r.status, e.Status)
	case e.Status == 0 && (r.status < 200 || r.status > 399):
		add("the status is %d instead of 200 to 399", r.status)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		if values := r.header.Values(name); !hasValue(values, e.Headers[name]) {
			add("the header %s is %s instead of %q", name, headerText(values), e.Headers[name])
		}
	}
	if e.Body != "" && !bytes.Contains(r.body, []byte(e.Body)) {
		if r.cut {
			add("the first %s of the body do not have %q", teal.Bytes(maxBody), e.Body)
		} else {
			add("the body does not have %q", e.Body)
		}
	}
	if len(e.JSON) > 0 {
		wrong = append(wrong, jsonMismatches(e.JSON, r)...)
	}
	if e.Within > 0 && r.took > e.Within.Std() {
		add("the answer took %s instead of at most %s", rounded(r.took), e.Within)
	}
	return wrong
}

// hasValue reports whether one of a header's values is the wanted one, with or
// without parameters such as a charset.
func hasValue(values []string, wanted string) bool {
	return slices.ContainsFunc(values, func(value string) bool {
		bare, _, _ := strings.Cut(value, ";")
		return value == wanted || strings.TrimSpace(bare) == wanted
	})
}

func headerText(values []string) string {
	if len(values) == 0 {
		return "missing"
	}
	return strconv.Quote(line(strings.Join(values, ", "), maxExcerpt))
}

func jsonMismatches(wanted map[string]string, r reply) []string {
	document, err := decodeJSON(r)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		value, err := lookUp(document, path)
		switch {
		case err != nil:
			wrong = append(wrong, err.Error())
		case !sameText(value, wanted[path]):
			wrong = append(wrong, fmt.Sprintf("%s is %q in the JSON instead of %q", path, line(jsonText(value), maxExcerpt), wanted[path]))
		}
	}
	return wrong
}

func decodeJSON(r reply) (any, error) {
	if r.cut {
		return nil, fmt.Errorf("the body is longer than %s and is not read as JSON", teal.Bytes(maxBody))
	}
	decoder := json.NewDecoder(bytes.NewReader(r.body))
	decoder.UseNumber() // as written: 1e3 and large numbers stay what they are
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, errors.New("the body is not JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body is JSON with something behind it")
	}
	return document, nil
}

// lookUp returns what a path such as items.0.name leads to. A key that has dots
// itself is found when no shorter one leads on.
func lookUp(document any, path string) (any, error) {
	if value, found := follow(document, strings.Split(path, ".")); found {
		return value, nil
	}
	return nil, fmt.Errorf("the JSON has no %s", path)
}

func follow(at any, parts []string) (value any, found bool) {
	if len(parts) == 0 {
		return at, true
	}
	switch within := at.(type) {
	case map[string]any:
		for n := 1; n <= len(parts) && !found; n++ {
			if next, has := within[strings.Join(parts[:n], ".")]; has {
				value, found = follow(next, parts[n:])
			}
		}
	case []any:
		if i, err := strconv.Atoi(parts[0]); err == nil && i >= 0 && i < len(within) {
			value, found = follow(within[i], parts[1:])
		}
	}
	return value, found
}

// jsonText returns a JSON value as text: a string without its quotes, anything
// else as JSON.
func jsonText(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	text, err := json.Marshal(value)
	if err != nil { // nothing that was decoded cannot be encoded
		return ""
	}
	return string(text)
}

// sameText reports whether a JSON value reads as wanted; a number also when it
// is written in another way. Numbers are compared exactly, however long.
func sameText(value any, wanted string) bool {
	text := jsonText(value)
	if text == wanted {
		return true
	}
	if _, ok := value.(json.Number); !ok {
		return false
	}
	a, okA := decimalOf(text)
	b, okB := decimalOf(wanted)
	return okA && okB && a == b
}

// decimal is a number in its one simplest form: 0.digits × 10^exponent, with no
// zero at either end of the digits.
type decimal struct {
	negative bool
	digits   string // "" is 0
	exponent int64
}

var numberPattern = regexp.MustCompile(`^([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,9}))?$`)

func decimalOf(text string) (decimal, bool) {
	parts := numberPattern.FindStringSubmatch(text)
	if parts == nil {
		return decimal{}, false
	}
	exponent, _ := strconv.ParseInt(cmp.Or(parts[4], "0"), 10, 64) // nine digits at most
	whole := strings.TrimLeft(parts[2], "0")
	digits := whole + parts[3]
	exponent += int64(len(whole))
	if trimmed := strings.TrimLeft(digits, "0"); whole == "" {
		exponent -= int64(len(digits) - len(trimmed))
		digits = trimmed
	}
	if digits = strings.TrimRight(digits, "0"); digits == "" {
		return decimal{}, true // -0 is 0
	}
	return decimal{parts[1] == "-", digits, exponent}, true
}

package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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

// lookUp returns what a path such as items.0.name leads to.
func lookUp(document any, path string) (any, error) {
	at := document
	for part := range strings.SplitSeq(path, ".") {
		var next any
		found := false
		switch within := at.(type) {
		case map[string]any:
			next, found = within[part]
		case []any:
			i, err := strconv.Atoi(part)
			if found = err == nil && i >= 0 && i < len(within); found {
				next = within[i]
			}
		}
		if !found {
			return nil, fmt.Errorf("the JSON has no %s", path)
		}
		at = next
	}
	return at, nil
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
// is written in another way.
func sameText(value any, wanted string) bool {
	text := jsonText(value)
	if text == wanted {
		return true
	}
	if _, ok := value.(json.Number); !ok {
		return false
	}
	a, errA := strconv.ParseFloat(text, 64)
	b, errB := strconv.ParseFloat(wanted, 64)
	return errA == nil && errB == nil && a == b
}

package payload

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"teal"
	"teal/internal/http1"
)

// Response is what a function's answer means as HTTP.
type Response struct {
	Status  int         // 200 to 599
	Headers [][2]string // sorted by name; one entry per value; valid names and values
	Cookies []string    // values of Set-Cookie
	Body    []byte      // may be a part of the answer
}

// Decode reads a function's answer to an event of the given format.
//
// An object with statusCode is a full answer; statusCode may be a numeric
// string, header values may be numbers or booleans. Format 2.0 also takes any
// other JSON value, which becomes the body of a 200 with type application/json;
// format 1.0 has no such inference. Connection-level headers and Content-Length
// are left out: they are the server's. Without a Content-Type of its own, an
// answer is text/plain in 2.0 and application/json in 1.0, as API Gateway has
// it.
//
// Everything else is an error with teal.CodeBadAnswer that says what is wrong.
func Decode(answer []byte, format string) (Response, error) {
	answer = bytes.TrimSpace(answer)
	if !json.Valid(answer) {
		return Response{}, bad("it is not JSON")
	}
	fields := membersOf(answer)
	if _, full := fields["statusCode"]; full {
		return decodeFull(fields, format)
	}
	if format == V1 {
		return Response{}, bad("it has no statusCode, which payload format 1.0 requires")
	}
	return Response{
		Status:  200,
		Headers: [][2]string{{"Content-Type", "application/json"}},
		Body:    textOf(answer),
	}, nil
}

func bad(format string, args ...any) error {
	return teal.Errorf(teal.CodeBadAnswer, "the function's answer cannot be used: %s", fmt.Sprintf(format, args...))
}

func decodeFull(fields map[string]json.RawMessage, format string) (Response, error) {
	status, err := statusOf(fields["statusCode"])
	if err != nil {
		return Response{}, err
	}
	headers, err := headersOf(fields)
	if err != nil {
		return Response{}, err
	}
	cookies, err := setCookies(fields["cookies"])
	if err != nil {
		return Response{}, err
	}
	body, err := answerBody(fields, format)
	if err != nil {
		return Response{}, err
	}
	if len(body) > 0 && !slices.ContainsFunc(headers, func(h [2]string) bool { return strings.EqualFold(h[0], "Content-Type") }) {
		headers = append(headers, [2]string{"Content-Type", defaultType(format)})
	}
	slices.SortStableFunc(headers, func(a, b [2]string) int { return cmp.Compare(strings.ToLower(a[0]), strings.ToLower(b[0])) })
	return Response{Status: status, Headers: headers, Cookies: cookies, Body: body}, nil
}

func defaultType(format string) string {
	if format == V1 {
		return "application/json"
	}
	return "text/plain;charset=UTF-8"
}

// statusOf reads a status that may end an exchange: 1xx only announces one.
func statusOf(raw json.RawMessage) (int, error) {
	word := string(textOf(raw))
	number, err := strconv.ParseFloat(word, 64)
	status := int(number)
	if err != nil {
		return 0, bad("statusCode is %s, not a number", shorten(raw))
	}
	if raw[0] == '"' && strconv.Itoa(status) != word {
		return 0, bad("statusCode is %s, not a whole number", shorten(raw))
	}
	if number != float64(status) || status < 200 || status > 599 {
		return 0, bad("statusCode is %s; expected 200 to 599", shorten(raw))
	}
	return status, nil
}

// headersOf merges headers and multiValueHeaders: a pair that is in both counts
// once.
func headersOf(fields map[string]json.RawMessage) ([][2]string, error) {
	single, err := object(fields, "headers")
	if err != nil {
		return nil, err
	}
	multi, err := object(fields, "multiValueHeaders")
	if err != nil {
		return nil, err
	}
	list := headerList{}
	for _, name := range slices.Sorted(maps.Keys(multi)) {
		values, err := elements(name, multi[name])
		if err != nil {
			return nil, err
		}
		for _, raw := range values {
			if err := list.add(name, raw); err != nil {
				return nil, err
			}
		}
	}
	several := len(list.pairs)
	for _, name := range slices.Sorted(maps.Keys(single)) {
		if err := list.addUnless(list.pairs[:several], name, single[name]); err != nil {
			return nil, err
		}
	}
	return list.pairs, nil
}

// object returns the members of a field that must be an object, if it is there.
func object(fields map[string]json.RawMessage, key string) (map[string]json.RawMessage, error) {
	raw := fields[key]
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, bad("%s is %s; expected an object of names and values", key, shorten(raw))
	}
	return membersOf(raw), nil
}

// elements returns the values of one of the multiValueHeaders.
func elements(name string, raw json.RawMessage) ([]json.RawMessage, error) {
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, bad("the multiValueHeaders have %s for %s; expected a list", shorten(raw), name)
	}
	return values, nil
}

type headerList struct{ pairs [][2]string }

func (l *headerList) add(name string, raw json.RawMessage) error { return l.addUnless(nil, name, raw) }

// addUnless adds a header, unless the same pair is among known.
func (l *headerList) addUnless(known [][2]string, name string, raw json.RawMessage) error {
	if !isToken(name) {
		return bad("%q is not the name of a header", shorten([]byte(name)))
	}
	if string(raw) == "null" || isServers(name) {
		return nil
	}
	if raw[0] == '{' || raw[0] == '[' {
		return bad("the value of header %s is %s; expected a string, a number or a boolean", name, shorten(raw))
	}
	value := strings.Trim(string(textOf(raw)), " \t")
	if !isFieldValue(value) {
		return bad("the value of header %s contains a line break or another control character", name)
	}
	same := func(h [2]string) bool { return strings.EqualFold(h[0], name) && h[1] == value }
	if !slices.ContainsFunc(known, same) {
		l.pairs = append(l.pairs, [2]string{name, value})
	}
	return nil
}

// isServers reports whether a header belongs to one connection, or to the framing
// of one message, and so to the server.
func isServers(name string) bool {
	return http1.IsAboutConnection(name) || strings.EqualFold(name, "Trailer")
}

func setCookies(raw json.RawMessage) ([]string, error) {
	if raw == nil {
		return nil, nil
	}
	var cookies []string
	if err := json.Unmarshal(raw, &cookies); err != nil {
		return nil, bad("cookies is %s; expected a list of strings", shorten(raw))
	}
	for _, c := range cookies {
		if !isFieldValue(c) {
			return nil, bad("a cookie contains a line break or another control character")
		}
	}
	return cookies, nil
}

func answerBody(fields map[string]json.RawMessage, format string) ([]byte, error) {
	raw, flag := fields["body"], string(fields["isBase64Encoded"])
	if flag != "" && flag != "true" && flag != "false" && flag != "null" {
		return nil, bad("isBase64Encoded is %s; expected true or false", shorten([]byte(flag)))
	}
	encoded := flag == "true"
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '"' && (format == V1 || encoded) {
		return nil, bad("body is %s; expected a string", shorten(raw))
	}
	body := textOf(raw)
	if !encoded {
		return body, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(string(body))
	if err != nil {
		return nil, bad("isBase64Encoded is true, but body is not base64")
	}
	return decoded, nil
}

// textOf returns what a string says, and any other JSON value as it is written.
func textOf(raw json.RawMessage) []byte {
	if raw[0] != '"' {
		return raw
	}
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return raw[1 : len(raw)-1] // nothing in it is written otherwise than it is
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return raw
	}
	return []byte(s)
}

func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	for _, c := range []byte(s) {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}

func isFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func shorten(raw []byte) string {
	const enough = 60
	if len(raw) > enough {
		return strings.ToValidUTF8(string(raw[:enough]), "") + "…"
	}
	return string(raw)
}

package payload

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// IntegrationType marks a streamed answer that begins with a prelude: its status,
// headers and cookies as JSON, then eight zero bytes, then the body.
const IntegrationType = "application/vnd.awslambda.http-integration-response"

// maxPrelude bounds a prelude.
const maxPrelude = 64 << 10

var preludeEnd = make([]byte, 8)

// Prelude reads the beginning of a streamed answer: n bytes of it, or 0 when more
// must arrive. A prelude without a status means 200, one without a Content-Type
// application/octet-stream. The error is one of Decode's sort.
func Prelude(data []byte) (r Response, n int, err error) {
	at := bytes.Index(data, preludeEnd)
	if at < 0 {
		if len(data) > maxPrelude {
			return Response{}, 0, NoPreludeEnd()
		}
		return Response{}, 0, nil
	}
	text := bytes.TrimSpace(data[:at])
	if !json.Valid(text) || text[0] != '{' {
		return Response{}, 0, bad("what comes before its body is not a JSON object")
	}
	fields := membersOf(text)
	r.Status = 200
	if raw := fields["statusCode"]; raw != nil && string(raw) != "null" {
		if r.Status, err = statusOf(raw); err != nil {
			return Response{}, 0, err
		}
	}
	if r.Headers, err = headersOf(fields); err != nil {
		return Response{}, 0, err
	}
	if raw := fields["cookies"]; string(raw) != "null" {
		if r.Cookies, err = setCookies(raw); err != nil {
			return Response{}, 0, err
		}
	}
	if !slices.ContainsFunc(r.Headers, func(h [2]string) bool { return strings.EqualFold(h[0], "Content-Type") }) {
		r.Headers = append(r.Headers, [2]string{"Content-Type", "application/octet-stream"})
	}
	return r, at + len(preludeEnd), nil
}

// NoPreludeEnd returns the error of an answer that has a prelude without an end.
func NoPreludeEnd() error {
	return bad("the eight zero bytes after its status and headers are missing")
}

// Package payload translates between HTTP and the JSON that AWS API Gateway
// exchanges with Lambda functions: events in payload format 2.0 (HTTP API) and
// 1.0 (HTTP API and REST), and the answers to them. It is pure: no I/O, no
// clock, no HTTP library.
package payload

import (
	"encoding/base64"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The payload formats.
const (
	V1 = "1.0"
	V2 = "2.0"
)

// What an event says where API Gateway would name the account, the API and the
// stage. Teal's routes choose functions before an event is made, so every event
// comes by the catch-all route.
const (
	AccountID = "000000000000"
	APIID     = "teal"
	Stage     = "$default"
	RouteKey  = "$default"
)

// Request is an HTTP request as an event describes it. Header names may have any
// case, but no two names may differ in case alone.
type Request struct {
	Method   string
	Path     string // as sent, still percent-encoded
	RawQuery string // as sent, without "?"
	Protocol string // "HTTP/1.1"
	Host     string // as sent, with any port
	SourceIP string
	Headers  map[string][]string
	Body     []byte

	RequestID string
	Time      time.Time // when the request arrived
}

// field is a name with its values; there is at least one.
type field struct {
	name   string
	values []string
}

// clock is how API Gateway writes the time of a request, always in UTC.
const clock = "02/Jan/2006:15:04:05 -0700"

// EventV2 returns the event in payload format 2.0: header names in lower case,
// values of one name joined with commas, cookies apart, no key for what the
// request does not have.
func EventV2(r Request) []byte {
	headers := fieldsOf(r.Headers, strings.ToLower)
	cookies := cookiesOf(r.Headers)
	w := newWriter(r)
	w.open("", '{')
	w.text("version", V2)
	w.text("routeKey", RouteKey)
	w.text("rawPath", r.Path)
	w.text("rawQueryString", r.RawQuery)
	if len(cookies) > 0 {
		w.open("cookies", '[')
		for _, cookie := range cookies {
			w.element(cookie)
		}
		w.close(']')
	}
	w.fields("headers", slices.DeleteFunc(headers, func(f field) bool { return f.name == "cookie" }), joined)
	if r.RawQuery != "" {
		w.fields("queryStringParameters", fieldsOf(parseQuery(r.RawQuery), asSent), joined)
	}
	contextV2(w, r)
	if body, encoded := bodyOf(r); body != nil {
		w.text("body", *body)
		w.flag("isBase64Encoded", encoded)
	} else {
		w.flag("isBase64Encoded", false)
	}
	w.close('}')
	return w.buf
}

func contextV2(w *writer, r Request) {
	domain := domainOf(r.Host)
	prefix, _, _ := strings.Cut(domain, ".")
	w.open("requestContext", '{')
	w.text("accountId", AccountID)
	w.text("apiId", APIID)
	w.text("domainName", domain)
	w.text("domainPrefix", prefix)
	w.open("http", '{')
	w.text("method", r.Method)
	w.text("path", r.Path)
	w.text("protocol", r.Protocol)
	w.text("sourceIp", r.SourceIP)
	w.text("userAgent", header(r.Headers, "user-agent"))
	w.close('}')
	w.text("requestId", r.RequestID)
	w.text("routeKey", RouteKey)
	w.text("stage", Stage)
	w.text("time", r.Time.UTC().Format(clock))
	w.number("timeEpoch", r.Time.UnixMilli())
	w.close('}')
}

// EventV1 returns the event in payload format 1.0: single values are the last
// of their name, multi values are all of them, and what is absent is null.
func EventV1(r Request) []byte {
	w := newWriter(r)
	w.open("", '{')
	w.text("version", V1)
	w.text("resource", RouteKey)
	w.text("path", r.Path)
	w.text("httpMethod", r.Method)
	w.multi("headers", "multiValueHeaders", fieldsOf(r.Headers, strings.ToLower))
	w.multi("queryStringParameters", "multiValueQueryStringParameters", fieldsOf(parseQuery(r.RawQuery), asSent))
	contextV1(w, r)
	w.null("pathParameters", "stageVariables")
	body, encoded := bodyOf(r)
	if body != nil {
		w.text("body", *body)
	} else {
		w.null("body")
	}
	w.flag("isBase64Encoded", encoded)
	w.close('}')
	return w.buf
}

// multi writes names with their last values, and again with all of them.
func (w *writer) multi(single, multi string, list []field) {
	if len(list) == 0 {
		w.null(single, multi)
		return
	}
	w.fields(single, list, func(values []string) string { return values[len(values)-1] })
	w.lists(multi, list)
}

func contextV1(w *writer, r Request) {
	domain := domainOf(r.Host)
	prefix, _, _ := strings.Cut(domain, ".")
	w.open("requestContext", '{')
	w.text("accountId", AccountID)
	w.text("apiId", APIID)
	w.text("domainName", domain)
	w.text("domainPrefix", prefix)
	w.text("extendedRequestId", r.RequestID)
	w.text("httpMethod", r.Method)
	w.open("identity", '{')
	// Every key that AWS documents; those that only IAM or Cognito would fill
	// are null.
	w.null("accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
		"cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId")
	w.text("sourceIp", r.SourceIP)
	w.null("user")
	w.text("userAgent", header(r.Headers, "user-agent"))
	w.null("userArn")
	w.close('}')
	w.text("path", r.Path)
	w.text("protocol", r.Protocol)
	w.text("requestId", r.RequestID)
	w.text("requestTime", r.Time.UTC().Format(clock))
	w.number("requestTimeEpoch", r.Time.UnixMilli())
	w.null("resourceId")
	w.text("resourcePath", RouteKey)
	w.text("stage", Stage)
	w.close('}')
}

// bodyOf returns the body as a string and whether it had to be base64-encoded.
// API Gateway takes as text only what declares itself to be text, JSON, XML or
// JavaScript; a form, and a body without a type, are base64.
func bodyOf(r Request) (*string, bool) {
	if len(r.Body) == 0 {
		return nil, false
	}
	text := isText(header(r.Headers, "content-type")) && header(r.Headers, "content-encoding") == "" && utf8.Valid(r.Body)
	body := string(r.Body)
	if !text {
		body = base64.StdEncoding.EncodeToString(r.Body)
	}
	return &body, !text
}

func isText(contentType string) bool {
	// A type whose parameters are malformed is still that type.
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(contentType), ";")
		kind = strings.TrimSpace(kind)
	}
	switch kind {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

func cookiesOf(headers map[string][]string) []string {
	var cookies []string
	for _, line := range values(headers, "cookie") {
		for cookie := range strings.SplitSeq(line, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				cookies = append(cookies, cookie)
			}
		}
	}
	return cookies
}

// parseQuery decodes a query. What cannot be decoded is kept as it was sent: the
// function must see it, and the raw query is there for those who want to know.
func parseQuery(raw string) map[string][]string {
	if raw == "" {
		return nil
	}
	query := map[string][]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		query[name] = append(query[name], value)
	}
	return query
}

func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// domainOf returns a Host header without its port.
func domainOf(host string) string {
	if end := strings.LastIndexByte(host, ':'); end >= 0 && !strings.Contains(host[end:], "]") {
		return host[:end]
	}
	return host
}

// fieldsOf returns names and values sorted by name. rename says how a name is
// written; it must not make two names one.
func fieldsOf(values map[string][]string, rename func(string) string) []field {
	list := make([]field, 0, len(values))
	for name, v := range values {
		if len(v) > 0 {
			list = append(list, field{rename(name), v})
		}
	}
	slices.SortFunc(list, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return list
}

func asSent(name string) string { return name }

func joined(values []string) string { return strings.Join(values, ",") }

// values returns the values of a header by its name in lower case.
func values(headers map[string][]string, name string) []string {
	for key, list := range headers {
		if strings.EqualFold(key, name) {
			return list
		}
	}
	return nil
}

func header(headers map[string][]string, name string) string {
	return strings.Join(values(headers, name), ",")
}

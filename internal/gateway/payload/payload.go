// Package payload translates between HTTP and the JSON that AWS API Gateway
// exchanges with Lambda functions: events in payload format 2.0 (HTTP API) and
// 1.0 (HTTP API and REST), and the answers to them. It is pure: no I/O, no
// clock, no HTTP library.
package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
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

type eventV2 struct {
	Version        string            `json:"version"`
	RouteKey       string            `json:"routeKey"`
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies,omitempty"`
	Headers        map[string]string `json:"headers"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	Context        contextV2         `json:"requestContext"`
	Body           *string           `json:"body,omitempty"`
	IsBase64       bool              `json:"isBase64Encoded"`
}

type contextV2 struct {
	AccountID    string `json:"accountId"`
	APIID        string `json:"apiId"`
	DomainName   string `json:"domainName"`
	DomainPrefix string `json:"domainPrefix"`
	HTTP         httpV2 `json:"http"`
	RequestID    string `json:"requestId"`
	RouteKey     string `json:"routeKey"`
	Stage        string `json:"stage"`
	Time         string `json:"time"`
	TimeEpoch    int64  `json:"timeEpoch"`
}

type httpV2 struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// clock is how API Gateway writes the time of a request, always in UTC.
const clock = "02/Jan/2006:15:04:05 -0700"

// EventV2 returns the event in payload format 2.0: header names in lower case,
// values of one name joined with commas, cookies apart, no key for what the
// request does not have.
func EventV2(r Request) []byte {
	domain := domainOf(r.Host)
	prefix, _, _ := strings.Cut(domain, ".")
	body, encoded := bodyOf(r)
	return encode(eventV2{
		Version:        V2,
		RouteKey:       RouteKey,
		RawPath:        r.Path,
		RawQueryString: r.RawQuery,
		Cookies:        cookiesOf(r.Headers),
		Headers:        headersV2(r.Headers),
		Query:          mapValues(parseQuery(r.RawQuery), func(v []string) string { return strings.Join(v, ",") }),
		Context: contextV2{
			AccountID:    AccountID,
			APIID:        APIID,
			DomainName:   domain,
			DomainPrefix: prefix,
			HTTP: httpV2{
				Method:    r.Method,
				Path:      r.Path,
				Protocol:  r.Protocol,
				SourceIP:  r.SourceIP,
				UserAgent: header(r.Headers, "user-agent"),
			},
			RequestID: r.RequestID,
			RouteKey:  RouteKey,
			Stage:     Stage,
			Time:      r.Time.UTC().Format(clock),
			TimeEpoch: r.Time.UnixMilli(),
		},
		Body:     body,
		IsBase64: encoded,
	})
}

type eventV1 struct {
	Version           string              `json:"version"`
	Resource          string              `json:"resource"`
	Path              string              `json:"path"`
	HTTPMethod        string              `json:"httpMethod"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	Context           contextV1           `json:"requestContext"`
	PathParameters    map[string]string   `json:"pathParameters"`
	StageVariables    map[string]string   `json:"stageVariables"`
	Body              *string             `json:"body"`
	IsBase64          bool                `json:"isBase64Encoded"`
}

type contextV1 struct {
	AccountID         string     `json:"accountId"`
	APIID             string     `json:"apiId"`
	DomainName        string     `json:"domainName"`
	DomainPrefix      string     `json:"domainPrefix"`
	ExtendedRequestID string     `json:"extendedRequestId"`
	HTTPMethod        string     `json:"httpMethod"`
	Identity          identityV1 `json:"identity"`
	Path              string     `json:"path"`
	Protocol          string     `json:"protocol"`
	RequestID         string     `json:"requestId"`
	RequestTime       string     `json:"requestTime"`
	RequestTimeEpoch  int64      `json:"requestTimeEpoch"`
	ResourceID        *string    `json:"resourceId"`
	ResourcePath      string     `json:"resourcePath"`
	Stage             string     `json:"stage"`
}

// identityV1 has every key that AWS documents; those that only IAM or Cognito
// would fill are null.
type identityV1 struct {
	AccessKey                     *string `json:"accessKey"`
	AccountID                     *string `json:"accountId"`
	Caller                        *string `json:"caller"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	SourceIP                      string  `json:"sourceIp"`
	User                          *string `json:"user"`
	UserAgent                     string  `json:"userAgent"`
	UserArn                       *string `json:"userArn"`
}

// EventV1 returns the event in payload format 1.0: single values are the last
// of their name, multi values are all of them, and what is absent is null.
func EventV1(r Request) []byte {
	domain := domainOf(r.Host)
	prefix, _, _ := strings.Cut(domain, ".")
	body, encoded := bodyOf(r)
	headers, query := lowerCase(r.Headers), parseQuery(r.RawQuery)
	last := func(v []string) string { return v[len(v)-1] }
	return encode(eventV1{
		Version:           V1,
		Resource:          RouteKey,
		Path:              r.Path,
		HTTPMethod:        r.Method,
		Headers:           mapValues(headers, last),
		MultiValueHeaders: headers,
		Query:             mapValues(query, last),
		MultiValueQuery:   query,
		Context: contextV1{
			AccountID:         AccountID,
			APIID:             APIID,
			DomainName:        domain,
			DomainPrefix:      prefix,
			ExtendedRequestID: r.RequestID,
			HTTPMethod:        r.Method,
			Identity:          identityV1{SourceIP: r.SourceIP, UserAgent: header(r.Headers, "user-agent")},
			Path:              r.Path,
			Protocol:          r.Protocol,
			RequestID:         r.RequestID,
			RequestTime:       r.Time.UTC().Format(clock),
			RequestTimeEpoch:  r.Time.UnixMilli(),
			ResourcePath:      RouteKey,
			Stage:             Stage,
		},
		Body:     body,
		IsBase64: encoded,
	})
}

func encode(event any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(event); err != nil {
		// An event holds only strings, numbers, booleans and maps of them.
		panic("payload: event cannot be encoded: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
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

// headersV2 joins the values of each header with commas, and leaves out the
// cookies, which have a key of their own.
func headersV2(headers map[string][]string) map[string]string {
	joined := mapValues(lowerCase(headers), func(v []string) string { return strings.Join(v, ",") })
	delete(joined, "cookie")
	if joined == nil {
		joined = map[string]string{}
	}
	return joined
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

func lowerCase(headers map[string][]string) map[string][]string {
	lower := make(map[string][]string, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if list := headers[name]; len(list) > 0 {
			key := strings.ToLower(name)
			lower[key] = append(lower[key], list...)
		}
	}
	return lower
}

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

// mapValues returns nil for an empty map, which is null or absent in JSON.
func mapValues(in map[string][]string, f func([]string) string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for name, list := range in {
		out[name] = f(list)
	}
	return out
}

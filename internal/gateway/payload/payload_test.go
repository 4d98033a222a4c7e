package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"teal"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

func sample() Request {
	return Request{
		Method: "POST", Path: "/my/pa%20th", RawQuery: "p=1&p=2&q=a%20b+c&bad=%zz&flag", Protocol: "HTTP/1.1",
		Host: "shop.example.com:8080", SourceIP: "192.0.2.1",
		Headers: map[string][]string{
			"Header1": {"a", "b"}, "Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {"agent"},
			"Cookie": {"one=1; two=2", "three=3"}, "Host": {"shop.example.com:8080"},
		},
		Body: []byte(`{"hello":"<world>"}`), RequestID: "id-1",
		Time: time.Date(2020, 3, 12, 19, 3, 58, 390_000_000, time.UTC),
	}
}

const wantV2 = `{
  "version": "2.0", "routeKey": "$default", "rawPath": "/my/pa%20th", "rawQueryString": "p=1&p=2&q=a%20b+c&bad=%zz&flag",
  "cookies": ["one=1", "two=2", "three=3"],
  "headers": {"header1": "a,b", "content-type": "application/json; charset=utf-8", "user-agent": "agent", "host": "shop.example.com:8080"},
  "queryStringParameters": {"p": "1,2", "q": "a b c", "bad": "%zz", "flag": ""},
  "requestContext": {
    "accountId": "000000000000", "apiId": "teal", "domainName": "shop.example.com", "domainPrefix": "shop",
    "http": {"method": "POST", "path": "/my/pa%20th", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "agent"},
    "requestId": "id-1", "routeKey": "$default", "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1584039838390
  },
  "body": "{\"hello\":\"<world>\"}", "isBase64Encoded": false
}`

const wantV1 = `{
  "version": "1.0", "resource": "$default", "path": "/my/pa%20th", "httpMethod": "POST",
  "headers": {"header1": "b", "content-type": "application/json; charset=utf-8", "user-agent": "agent", "cookie": "three=3", "host": "shop.example.com:8080"},
  "multiValueHeaders": {"header1": ["a", "b"], "content-type": ["application/json; charset=utf-8"], "user-agent": ["agent"],
    "cookie": ["one=1; two=2", "three=3"], "host": ["shop.example.com:8080"]},
  "queryStringParameters": {"p": "2", "q": "a b c", "bad": "%zz", "flag": ""},
  "multiValueQueryStringParameters": {"p": ["1", "2"], "q": ["a b c"], "bad": ["%zz"], "flag": [""]},
  "requestContext": {
    "accountId": "000000000000", "apiId": "teal", "domainName": "shop.example.com", "domainPrefix": "shop", "extendedRequestId": "id-1",
    "httpMethod": "POST",
    "identity": {"accessKey": null, "accountId": null, "caller": null, "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null,
      "cognitoIdentityId": null, "cognitoIdentityPoolId": null, "principalOrgId": null, "sourceIp": "192.0.2.1", "user": null, "userAgent": "agent", "userArn": null},
    "path": "/my/pa%20th", "protocol": "HTTP/1.1", "requestId": "id-1", "requestTime": "12/Mar/2020:19:03:58 +0000", "requestTimeEpoch": 1584039838390,
    "resourceId": null, "resourcePath": "$default", "stage": "$default"
  },
  "pathParameters": null, "stageVariables": null, "body": "{\"hello\":\"<world>\"}", "isBase64Encoded": false
}`

func parse(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

func TestEvents(t *testing.T) {
	if diff := cmp.Diff(parse(t, []byte(wantV2)), parse(t, EventV2(sample()))); diff != "" {
		t.Errorf("2.0: %s", diff)
	}
	if diff := cmp.Diff(parse(t, []byte(wantV1)), parse(t, EventV1(sample()))); diff != "" {
		t.Errorf("1.0: %s", diff)
	}
}

// AWS's own types must find what they look for.
func TestEventsFitTheTypesOfAWS(t *testing.T) {
	var v2 events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(EventV2(sample()), &v2); err != nil {
		t.Fatal(err)
	}
	if v2.RequestContext.HTTP.Method != "POST" || v2.RequestContext.TimeEpoch != 1584039838390 || len(v2.Cookies) != 3 {
		t.Errorf("2.0: %+v", v2)
	}
	var v1 events.APIGatewayProxyRequest
	if err := json.Unmarshal(EventV1(sample()), &v1); err != nil {
		t.Fatal(err)
	}
	if v1.HTTPMethod != "POST" || v1.RequestContext.Identity.SourceIP != "192.0.2.1" || v1.MultiValueHeaders["header1"][1] != "b" {
		t.Errorf("1.0: %+v", v1)
	}
}

func TestAnEmptyRequestLeavesKeysOut(t *testing.T) {
	event := parse(t, EventV2(Request{Method: "GET", Path: "/", Host: "[::1]:80"}))
	for _, key := range []string{"body", "cookies", "queryStringParameters"} {
		if _, ok := event[key]; ok {
			t.Errorf("2.0 has %s", key)
		}
	}
	if event["headers"] == nil {
		t.Error("2.0 has no headers object")
	}
	event = parse(t, EventV1(Request{Method: "GET", Path: "/"}))
	for _, key := range []string{"body", "queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"} {
		if v, ok := event[key]; !ok || v != nil {
			t.Errorf("1.0: %s = %v, %v; want null", key, v, ok)
		}
	}
}

func TestWhichBodiesAreBase64(t *testing.T) {
	tests := []struct {
		contentType, contentEncoding, body string
		encoded                            bool
	}{
		{"text/plain", "", "hé", false},
		{"Text/HTML; charset=utf-8", "", "x", false},
		{"text/html; charset", "", "x", false},
		{"application/json", "", "{}", false},
		{"application/xml", "", "<a/>", false},
		{"application/javascript", "", "1", false},
		{"application/json", "gzip", "{}", true},
		{"application/json", "", "\xff\xfe", true},
		{"application/x-www-form-urlencoded", "", "a=b", true},
		{"application/octet-stream", "", "a", true},
		{"image/svg+xml", "", "a", true},
		{"", "", "a", true},
	}
	for _, tt := range tests {
		r := Request{Headers: map[string][]string{}, Body: []byte(tt.body)}
		if tt.contentType != "" {
			r.Headers["Content-Type"] = []string{tt.contentType}
		}
		if tt.contentEncoding != "" {
			r.Headers["Content-Encoding"] = []string{tt.contentEncoding}
		}
		if _, encoded := bodyOf(r); encoded != tt.encoded {
			t.Errorf("%+v: base64 = %v", tt, encoded)
		}
	}
}

func TestDecode(t *testing.T) {
	text := [2]string{"Content-Type", "text/plain;charset=UTF-8"}
	isJSON := [2]string{"Content-Type", "application/json"}
	tests := []struct {
		name, format, answer string
		want                 Response
	}{
		{"status as a string", V2, `{"statusCode": "200", "body": "Hello From Blue Deployment", "isBase64Encoded": false}`,
			Response{Status: 200, Headers: [][2]string{text}, Body: []byte("Hello From Blue Deployment")}},
		{"the same in 1.0", V1, `{"statusCode": "200", "body": "x"}`, Response{Status: 200, Headers: [][2]string{isJSON}, Body: []byte("x")}},
		{"python float", V2, `{"statusCode": 204.0}`, Response{Status: 204}},
		{"all of it", V2, ` {"statusCode": 201, "headers": {"content-type": "text/css", "X-N": 1.50, "x-b": true, "x-null": null, "X-Trim": " a\t"},
			"multiValueHeaders": {"x-m": ["1", 2]}, "cookies": ["a=1; Path=/", "b=2"], "body": "aGk=", "isBase64Encoded": true}`,
			Response{Status: 201, Cookies: []string{"a=1; Path=/", "b=2"}, Body: []byte("hi"),
				Headers: [][2]string{{"content-type", "text/css"}, {"x-b", "true"}, {"x-m", "1"}, {"x-m", "2"}, {"X-N", "1.50"}, {"X-Trim", "a"}}}},
		{"merged headers", V1, `{"statusCode": 200, "headers": {"A": "1", "b": "9"}, "multiValueHeaders": {"a": ["1", "2"], "B": ["8"]}}`,
			Response{Status: 200, Headers: [][2]string{{"a", "1"}, {"a", "2"}, {"B", "8"}, {"b", "9"}}}},
		{"framing is the server's", V2, `{"statusCode": 200, "headers": {"Content-Length": "999", "Connection": "close", "transfer-encoding": "chunked"}}`, Response{Status: 200}},
		{"null parts", V2, `{"statusCode": 200, "headers": null, "multiValueHeaders": null, "cookies": null, "body": null, "isBase64Encoded": null}`, Response{Status: 200}},
		{"object as body", V2, `{"statusCode": 200, "body": {"a": 1}}`, Response{Status: 200, Headers: [][2]string{text}, Body: []byte(`{"a": 1}`)}},
		{"bare object", V2, `{"message": "hi"}`, Response{Status: 200, Headers: [][2]string{isJSON}, Body: []byte(`{"message": "hi"}`)}},
		{"bare string", V2, `"Hello from Lambda!"`, Response{Status: 200, Headers: [][2]string{isJSON}, Body: []byte("Hello from Lambda!")}},
		{"bare null", V2, `null`, Response{Status: 200, Headers: [][2]string{isJSON}, Body: []byte("null")}},
		{"bare list", V2, `[1, 2]`, Response{Status: 200, Headers: [][2]string{isJSON}, Body: []byte("[1, 2]")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode([]byte(tt.answer), tt.format)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ format, answer, reason string }{
		{V2, ``, "not JSON"},
		{V2, `{"statusCode": 200`, "not JSON"},
		{V2, `{"statusCode": 99}`, "statusCode is 99"},
		{V2, `{"statusCode": 101}`, "statusCode is 101"},
		{V2, `{"statusCode": 700}`, "statusCode is 700"},
		{V2, `{"statusCode": -200}`, "statusCode is -200"},
		{V2, `{"statusCode": 200.5}`, "statusCode is 200.5"},
		{V2, `{"statusCode": 1e400}`, "statusCode is 1e400"},
		{V2, `{"statusCode": "abc"}`, `statusCode is "abc"`},
		{V2, `{"statusCode": "2e2"}`, `statusCode is "2e2"`},
		{V2, `{"statusCode": "NaN"}`, `statusCode is "NaN"`},
		{V2, `{"statusCode": ""}`, `statusCode is ""`},
		{V2, `{"statusCode": null}`, "statusCode is null"},
		{V2, `{"statusCode": true}`, "statusCode is true"},
		{V2, `{"statusCode": [200]}`, "statusCode is [200]"},
		{V2, `{"statusCode": 200, "headers": []}`, "headers is []"},
		{V2, `{"statusCode": 200, "headers": {"a": ["b"]}}`, "header a"},
		{V2, `{"statusCode": 200, "headers": {"a b": "c"}}`, "not the name of a header"},
		{V2, `{"statusCode": 200, "headers": {"": "c"}}`, "not the name of a header"},
		{V2, `{"statusCode": 200, "headers": {"a\r\nb": "c"}}`, "not the name of a header"},
		{V2, `{"statusCode": 200, "headers": {"a": "b\r\nSet-Cookie: c"}}`, "line break"},
		{V2, `{"statusCode": 200, "headers": {"a": "b\u0000"}}`, "control character"},
		{V2, `{"statusCode": 200, "multiValueHeaders": {"a": "b"}}`, "multiValueHeaders"},
		{V2, `{"statusCode": 200, "cookies": "a"}`, "cookies"},
		{V2, `{"statusCode": 200, "cookies": ["a\nb"]}`, "cookie"},
		{V2, `{"statusCode": 200, "body": "***", "isBase64Encoded": true}`, "not base64"},
		{V2, `{"statusCode": 200, "body": 1, "isBase64Encoded": true}`, "body is 1"},
		{V2, `{"statusCode": 200, "isBase64Encoded": "yes"}`, "isBase64Encoded"},
		{V1, `{"statusCode": 200, "body": {"a": 1}}`, "body is"},
		{V1, `{"body": "x"}`, "no statusCode"},
		{V1, `"x"`, "no statusCode"},
	}
	for _, tt := range tests {
		_, err := Decode([]byte(tt.answer), tt.format)
		if !teal.IsCode(err, teal.CodeBadAnswer) || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: err = %v, want one with %q", tt.answer, err, tt.reason)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"statusCode":"200","headers":{"a":1},"multiValueHeaders":{"b":["c"]},"cookies":["d"],"body":"aGk=","isBase64Encoded":true}`,
		`"x"`, `null`, `{}`, `[`, `{"statusCode":2e2}`, `{"statusCode":200,"headers":{"a":"\r\n"}}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, answer []byte, old bool) {
		format := V2
		if old {
			format = V1
		}
		r, err := Decode(answer, format)
		if err != nil {
			if !teal.IsCode(err, teal.CodeBadAnswer) || !utf8.ValidString(err.Error()) && utf8.Valid(answer) {
				t.Fatalf("err = %v", err)
			}
			return
		}
		if r.Status < 200 || r.Status > 599 {
			t.Fatalf("status %d", r.Status)
		}
		for _, h := range r.Headers {
			if !isToken(h[0]) || strings.ContainsAny(h[1], "\r\n\x00") {
				t.Fatalf("header %q", h)
			}
		}
		for _, c := range r.Cookies {
			if strings.ContainsAny(c, "\r\n\x00") {
				t.Fatalf("cookie %q", c)
			}
		}
	})
}

func FuzzEventV2(f *testing.F) {
	f.Add("GET", "/a", "x=1&x=2", "shop:80", "X-A", "b", "text/plain", []byte("body"))
	f.Add("", "", "%", "[", "", "\xff", "", []byte{0xff})
	f.Fuzz(func(t *testing.T, method, path, query, host, name, value, kind string, body []byte) {
		r := Request{Method: method, Path: path, RawQuery: query, Host: host, Body: body,
			Headers: map[string][]string{name: {value}, "Content-Type": {kind}}}
		var event struct {
			RawPath        string
			RawQueryString string
			Body           string
			IsBase64       bool `json:"isBase64Encoded"`
		}
		if err := json.Unmarshal(EventV2(r), &event); err != nil {
			t.Fatal(err)
		}
		if event.RawPath != strings.ToValidUTF8(path, "\ufffd") && utf8.ValidString(path) || event.RawQueryString != query && utf8.ValidString(query) {
			t.Fatalf("path %q query %q", event.RawPath, event.RawQueryString)
		}
		got := []byte(event.Body)
		if event.IsBase64 {
			var err error
			if got, err = base64.StdEncoding.DecodeString(event.Body); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, body) {
			t.Fatalf("body %q, want %q", got, body)
		}
		if !json.Valid(EventV1(r)) {
			t.Fatal("1.0 is not JSON")
		}
	})
}

func BenchmarkEventV2(b *testing.B) {
	r := sample()
	b.ReportAllocs()
	for b.Loop() {
		EventV2(r)
	}
}

func BenchmarkDecode(b *testing.B) {
	answer := []byte(`{"statusCode": "200", "headers": {"content-type": "text/plain"}, "body": "Hello From Blue Deployment", "isBase64Encoded": false}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(answer, V2); err != nil {
			b.Fatal(err)
		}
	}
}

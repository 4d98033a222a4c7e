package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var (
	key = Key{ID: "teal", Secret: "s3cret", Region: "us-east-1", Service: "lambda"}
	now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
)

const target = "http://127.0.0.1:8081/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3AF/invocations?Qualifier=%24LATEST&b=a%20b&b=&a"

// signed returns a request that AWS's own signer has signed, as a server gets
// it.
func signed(t *testing.T, body string, at time.Time, change func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Invocation-Type", "Event")
	r.Header.Set("X-Note", "  two   spaces ")
	if change != nil {
		change(r)
	}
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "teal", SecretAccessKey: "s3cret"}, r, hex.EncodeToString(sum[:]), "lambda", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

// received is r as it comes out of a connection.
func received(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	in := httptest.NewRequest(r.Method, r.URL.RequestURI(), nil)
	in.Host, in.Header, in.ContentLength = r.URL.Host, r.Header.Clone(), r.ContentLength
	return in
}

func verify(k Key, r *http.Request, body string, at time.Time) error {
	s, err := k.Parse(r, at)
	if err != nil {
		return err
	}
	if _, err := k.VerifyHead(s); err != nil {
		return err
	}
	return k.Verify(s, []byte(body))
}

// Before a body is read, a client has proven who it is when the head says the
// body's hash, or there is none, and the signature is right; a wrong signature is
// found out then. Seen red with a VerifyHead that believes what is declared.
func TestVerifyHead(t *testing.T) {
	t.Parallel()
	declare := func(payload string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(headerPayload, payload) }
	}
	sum := sha256.Sum256([]byte("{}"))
	hash := hex.EncodeToString(sum[:])
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		key    string
		proven bool
		code   string
	}{
		"declared":              {"{}", declare(hash), "s3cret", true, ""},
		"declared, another key": {"{}", declare(hash), "guessed", false, "InvalidSignatureException"},
		"undeclared":            {"{}", nil, "s3cret", false, ""},
		"no body":               {"", nil, "s3cret", true, ""},
		"no body, another key":  {"", nil, "guessed", false, "InvalidSignatureException"},
		"unsigned":              {"{}", declare("UNSIGNED-PAYLOAD"), "s3cret", false, "InvalidSignatureException"},
		"in pieces":             {"{}", declare("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), "s3cret", false, "InvalidSignatureException"},
	} {
		own := key
		own.Secret = c.key
		s, err := own.Parse(signed(t, c.body, now, c.change), now)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if proven, err := own.VerifyHead(s); proven != c.proven || codeOf(err) != c.code {
			t.Errorf("%s: proven %v, %v", name, proven, err)
		}
	}
}

func TestAcceptsWhatAWSSigns(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, 4 * time.Minute, -4 * time.Minute} {
		r := signed(t, `{"a":1}`, now.Add(skew), nil)
		if err := verify(key, r, `{"a":1}`, now); err != nil {
			t.Errorf("%v off: %v", skew, err)
		}
		// Sent again, as on AWS.
		if err := verify(key, r, `{"a":1}`, now); err != nil {
			t.Errorf("%v off, again: %v", skew, err)
		}
	}
}

func TestAcceptsWhatAWSPresigns(t *testing.T) {
	t.Parallel()
	empty := sha256.Sum256(nil)
	r, err := http.NewRequest(http.MethodGet, target+"&X-Amz-Expires=600", nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: "teal", SecretAccessKey: "s3cret"}, r, hex.EncodeToString(empty[:]), "lambda", "us-east-1", now)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	in := httptest.NewRequest(http.MethodGet, u.RequestURI(), nil)
	in.Host = u.Host
	for after, want := range map[time.Duration]string{0: "", 9 * time.Minute: "", 11 * time.Minute: "InvalidSignatureException"} {
		if got := codeOf(verify(key, in, "", now.Add(after))); got != want {
			t.Errorf("after %v: %q, want %q", after, got, want)
		}
	}
	if got := codeOf(verify(key, in, "body", now)); got != "InvalidSignatureException" {
		t.Errorf("with a body: %q", got)
	}
}

func TestPresignIsAccepted(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	own, err := url.Parse(key.Presign(u, now, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	in := httptest.NewRequest(http.MethodGet, own.RequestURI(), nil)
	in.Host = own.Host
	if err := verify(key, in, "", now); err != nil {
		t.Error(err)
	}
	if got := codeOf(verify(key, in, "", now.Add(2*time.Minute))); got != "InvalidSignatureException" {
		t.Errorf("expired: %q", got)
	}
}

func codeOf(err error) string {
	var own *Error
	if errors.As(err, &own) {
		return own.Code
	}
	return ""
}

// Seen red with each of checkScope, checkTime, checkSigned, the comparison of the
// key and that of the signature taken out: the rows about it were accepted, or
// refused with another code.
func TestRefuses(t *testing.T) {
	t.Parallel()
	const mismatch, incomplete = "InvalidSignatureException", "IncompleteSignatureException"
	replace := func(name, from, to string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, strings.Replace(r.Header.Get(name), from, to, 1)) }
	}
	for name, c := range map[string]struct {
		tamper  func(*http.Request)
		at      time.Time
		body    string
		code    string
		message string
	}{
		"no signature":           {tamper: func(r *http.Request) { r.Header.Del("Authorization") }, code: "MissingAuthenticationTokenException"},
		"a bearer token":         {tamper: func(r *http.Request) { r.Header.Set("Authorization", "Bearer s3cret") }, code: incomplete},
		"no date":                {tamper: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, code: incomplete, message: "'X-Amz-Date'"},
		"no credential":          {tamper: replace("Authorization", "Credential", "Cred"), code: incomplete, message: "'Credential'"},
		"a pair without =":       {tamper: replace("Authorization", "Signature=", "Signature"), code: incomplete},
		"a date of another form": {tamper: func(r *http.Request) { r.Header.Set("X-Amz-Date", "yesterday") }, code: incomplete},
		"a short credential":     {tamper: replace("Authorization", "/aws4_request", ""), code: incomplete},
		"another key":            {tamper: replace("Authorization", "Credential=teal/", "Credential=real/"), code: "UnrecognizedClientException"},
		"a session token":        {tamper: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, code: "UnrecognizedClientException"},
		"another region":         {tamper: replace("Authorization", "us-east-1", "eu-west-1"), code: mismatch, message: "valid region"},
		"another service":        {tamper: replace("Authorization", "/lambda/", "/s3/"), code: mismatch, message: "correct service"},
		"another terminator":     {tamper: replace("Authorization", "aws4_request", "aws5_request"), code: mismatch, message: "terminator"},
		"another day":            {tamper: replace("Authorization", "20260304", "20260305"), code: mismatch, message: "does not match YYYYMMDD"},
		"too old":                {at: now.Add(6 * time.Minute), code: mismatch, message: "Signature expired"},
		"from the future":        {at: now.Add(-6 * time.Minute), code: mismatch, message: "not yet current"},
		"a signature parameter":  {tamper: func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=0" }, code: mismatch}, // seen red with it left out of what is signed
		"a forged signature":     {tamper: replace("Authorization", "Signature=", "Signature=0"), code: mismatch, message: "we calculated"},
		"another body":           {body: `{"a":2}`, code: mismatch},
		"a header changed":       {tamper: func(r *http.Request) { r.Header.Set("X-Amz-Invocation-Type", "RequestResponse") }, code: mismatch},
		"a header added":         {tamper: func(r *http.Request) { r.Header.Set("X-Amz-Log-Type", "Tail") }, code: mismatch, message: "'x-amz-log-type'"},
		"another host":           {tamper: func(r *http.Request) { r.Host = "elsewhere" }, code: mismatch},
		"another path":           {tamper: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/x", "" }, code: mismatch},
		"another query":          {tamper: func(r *http.Request) { r.URL.RawQuery += "&c=d" }, code: mismatch},
		"another method":         {tamper: func(r *http.Request) { r.Method = http.MethodPut }, code: mismatch},
		"host not signed":        {tamper: replace("Authorization", "host;", ""), code: mismatch, message: "'Host'"},
	} {
		r := signed(t, `{"a":1}`, now, nil)
		if c.tamper != nil {
			c.tamper(r)
		}
		body, at := c.body, c.at
		if body == "" {
			body = `{"a":1}`
		}
		if at.IsZero() {
			at = now
		}
		err := verify(key, r, body, at)
		if codeOf(err) != c.code || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v (%s), want %s", name, err, codeOf(err), c.code)
		}
	}
	empty := key
	empty.Secret = ""
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	if u, err = url.Parse(empty.Presign(u, now, time.Minute)); err != nil {
		t.Fatal(err)
	}
	in := httptest.NewRequest(http.MethodGet, u.RequestURI(), nil)
	in.Host = u.Host
	if err := verify(empty, in, "", now); err == nil {
		t.Error("a server without a secret accepted somebody")
	}
}

// Whatever a stranger sends is refused and breaks nothing.
func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=teal/20260304/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00", "", "20260304T050607Z")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=teal%2F20260304%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260304T050607Z&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=0", "")
	f.Add("AWS4-HMAC-SHA256 a=b,c", "%zz", "x")
	f.Fuzz(func(t *testing.T, authorization, query, date string) {
		r := httptest.NewRequest(http.MethodGet, "/2015-03-31/functions", bytes.NewReader(nil))
		r.URL.RawQuery = query
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		if err := verify(key, r, "", now); err == nil {
			t.Error("accepted")
		} else if codeOf(err) == "" {
			t.Errorf("not in AWS's words: %v", err)
		}
	})
}

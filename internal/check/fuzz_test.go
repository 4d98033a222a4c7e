package check

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"teal"
)

// FuzzParseInstant: whatever a Prometheus server answers, only one finite number
// is a value.
func FuzzParseInstant(f *testing.F) {
	for _, body := range []string{
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}}`,
		`{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}`,
		`{"status":"success","data":{"resultType":"scalar","result":[1,"0x1p-2"]}}`,
		`{"status":"error","error":"x"}`, `null`, ``,
	} {
		f.Add(200, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		value, err := parseInstant(reply{status: status, body: body})
		if err == nil && (math.IsNaN(value) || math.IsInf(value, 0) || status != http.StatusOK) {
			t.Errorf("status %d with %q is the value %g", status, body, value)
		}
	})
}

// FuzzAnswers: whatever a webhook or a function answers, a pass needs the word
// for it.
func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`{"verdict": "pass"}`), "")
	f.Add(200, []byte(`{"hookStatus": "SUCCEEDED"}`), "Unhandled")
	f.Fuzz(func(t *testing.T, status int, body []byte, failed string) {
		if verdict, _ := webhookAnswer(reply{status: status, body: body}); verdict == teal.VerdictPass &&
			(status != http.StatusOK || !json.Valid(body)) {
			t.Errorf("status %d with %q passes", status, body)
		}
		verdict, seen, again := hookResult(teal.Answer{Payload: body, FunctionError: failed})
		if verdict == teal.VerdictPass && (failed != "" || !json.Valid(body)) {
			t.Errorf("%q with the error %q passes", body, failed)
		}
		if verdict == "" && (again < callbackMin || again > callbackMax) || verdict != "" && seen == "" {
			t.Errorf("%q is to be asked again after %s, %q", body, again, seen)
		}
	})
}

// FuzzFill: what green answers cannot break out of the request that it is filled
// into.
func FuzzFill(f *testing.F) {
	for _, value := range []string{"17", "a b&c=d#e", "http://other/x?y", "\r\nX: 1", "ö%2f\xff", "100% %zz %", "//other/"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		v := visitor{base: "http://127.0.0.1:80", host: "shop.example.com"}
		filled, err := values{"x": value}.fill(teal.Request{Path: "/a/${x}?q=${x}&r=1", Headers: map[string]string{"X": "${x}"}})
		if err != nil {
			t.Fatal(err)
		}
		request, err := v.request(t.Context(), filled)
		if err != nil {
			t.Fatalf("with %q there is no request: %s", value, err)
		}
		if request.URL.Host != "127.0.0.1:80" || request.Host != "shop.example.com" || !strings.HasPrefix(request.URL.Path, "/a/") || request.URL.Fragment != "" {
			t.Errorf("with %q the request goes to %s of %s", value, request.URL, request.Host)
		}
		if !strings.Contains(value, "?") && (request.URL.Query().Get("q") != value || request.URL.Query().Get("r") != "1") {
			t.Errorf("with %q the query is %q", value, request.URL.RawQuery)
		}
	})
}

// FuzzText: what is kept of a text is bounded and can be shown.
func FuzzText(f *testing.F) {
	f.Add("ö\x1b[31m\xff\n", 10)
	f.Add(strings.Repeat("x\n", 5000), 600)
	f.Fuzz(func(t *testing.T, text string, n int) {
		var last tail
		for range max(0, min(n, 20)) {
			last.line(text)
		}
		for _, kept := range []string{clip(text, maxExcerpt), line(text, maxExcerpt), last.String()} {
			if len(kept) > maxOutput || !utf8.ValidString(kept) || strings.ContainsAny(kept, "\x1b\x00\r\x7f") {
				t.Errorf("%q is kept", kept)
			}
		}
		if len(clip(text, maxExcerpt)) > maxExcerpt || len(line(text, maxExcerpt)) > maxExcerpt {
			t.Errorf("%d bytes are kept of at most %d", len(clip(text, maxExcerpt)), maxExcerpt)
		}
		if len(text) < maxExcerpt && utf8.ValidString(text) && printable(text) == text && clip(text, maxExcerpt) != text {
			t.Errorf("%q is cut to %q", text, clip(text, maxExcerpt))
		}
	})
}

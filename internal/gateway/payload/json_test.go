package payload

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// What encoding/json reads as members is what membersOf reads.
//
// Seen to fail with the escape ignored in stringEnd, and with the depth ignored
// in valueEnd.
func FuzzMembersOf(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `[]`, `null`, `"{"`, `{"a":1}`, "{ \"a\" :\t-1.5e3 ,\n\"b\" : {\"c\":[1,{\"}\":\"]\"}]} }", `{"a":"\"}","a":"\\"}`,
		`{"":"","\u0061\ud800":null,"x":[[],{}],"y":true}`, "{\"\xff\":\"\xfe\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		text = []byte(strings.Trim(string(text), " \t\r\n")) // as Decode does
		var want map[string]json.RawMessage
		if text[0] == '{' {
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, membersOf(text)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	})
}

// What appendText writes reads as what encoding/json writes, and textOf reads it
// as encoding/json does.
//
// Seen to fail with no escape for control characters, with bytes that are not
// UTF-8 left as they are, and with textOf taking every text
// that is UTF-8 as it is written.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "plain", `a "quoted" \ text`, "\x00\x1f\x7f\b\f\n\r\t", "é\u2028\U0001f600", "\xff", "a\xc3", "<&>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := appendText(nil, s)
		var want, got string
		standard, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(standard, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &got); err != nil || got != want || !utf8.Valid(written) {
			t.Fatalf("%q is written as %s, which is %q: %v", s, written, got, err)
		}
		for _, raw := range [][]byte{written, standard, []byte(`"` + s + `"`)} {
			if json.Valid(raw) && json.Unmarshal(raw, &want) == nil && string(textOf(raw)) != want {
				t.Fatalf("%s is read as %q, want %q", raw, textOf(raw), want)
			}
		}
	})
}

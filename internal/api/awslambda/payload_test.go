package awslambda

import (
	"encoding/base64"
	"testing"
)

// Seen red with json.Valid alone (a list, a number, null, a text and what is no UTF-8
// passed), without utf8.Valid, and with a text that is no base64 taken as it is.
func TestAClientContextIsAnObject(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		`{}`: true, ` {"custom":{"a":"\u00e4"}}`: true,
		``: false, ` `: false, `[]`: false, `1`: false, `"{}"`: false, `null`: false, `{`: false, `{} {}`: false, "{\"a\":\"\xff\"}": false,
	} {
		if got := encodesObject(base64.StdEncoding.EncodeToString([]byte(raw))); got != want {
			t.Errorf("%q: %v", raw, got)
		}
	}
	if encodesObject("{}") {
		t.Error("what is no base64 passed")
	}
}

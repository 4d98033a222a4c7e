package queue

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"teal"
)

// docs/limits.md says what the code has.
func TestTheLimitsOfQueuesAreDocumented(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{limitMessages: DefaultMessages, limitBytes: DefaultBytes, limitAge: teal.Duration(DefaultAge), limitDead: DefaultDead} {
		if row := fmt.Sprintf("| `%s` | %v |", name, value); !bytes.Contains(data, []byte(row)) {
			t.Errorf("docs/limits.md lacks %s", row)
		}
		var l Limits
		if err := l.SetLimit(name, fmt.Sprint(value)); err != nil || l == (Limits{}) {
			t.Errorf("%s: %+v %v", name, l, err)
		}
		if err := l.SetLimit(name, "0"); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%s of 0: %v", name, err)
		}
	}
}

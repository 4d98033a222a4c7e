package event

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// docs/limits.md says what the code has.
func TestTheLimitsOfEventsAreDocumented(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{fmt.Sprintf("| `%s` | %d |", limitEvents, DefaultEvents), fmt.Sprintf("| `%s` | %s |", limitBytes, DefaultBytes)} {
		if !bytes.Contains(data, []byte(row)) {
			t.Errorf("docs/limits.md lacks %s", row)
		}
	}
}

package gateway

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"teal"
)

// documented returns the rows of docs/limits.md under a heading, by name.
func documented(t *testing.T, heading string) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(data), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(section, -1) {
		rows[row[1]] = strings.TrimSpace(row[2])
	}
	return rows
}

func TestEveryLimitIsDocumentedWithItsDefault(t *testing.T) {
	rows := documented(t, "The gateway")
	defaults := reflect.ValueOf(Limits{}.WithDefaults())
	for i := range defaults.NumField() {
		name := limitName(defaults.Type().Field(i).Name)
		row, found := rows[name]
		delete(rows, name)
		if defaults.Field(i).IsZero() {
			t.Errorf("the limit %s has no default", name)
			continue
		}
		// What a reader would write must be what the code has.
		var written Limits
		if err := written.SetLimit(name, strings.ReplaceAll(row, " ", "")); err != nil || !found {
			t.Errorf("docs/limits.md says %q of %s: %v", row, name, err)
			continue
		}
		if got, want := reflect.ValueOf(written).Field(i).Interface(), defaults.Field(i).Interface(); got != want {
			t.Errorf("docs/limits.md says that %s is %v by default; it is %v", name, got, want)
		}
	}
	for name := range rows {
		t.Errorf("docs/limits.md has a limit %s, which the gateway does not", name)
	}
}

func TestLimitsAreSetByName(t *testing.T) {
	var l Limits
	for name, value := range map[string]string{"body-stall": "90s", "streams": "7", "header-bytes": "32KiB", "function-bytes": "1MiB"} {
		if err := l.SetLimit(name, value); err != nil {
			t.Error(err)
		}
	}
	if want := (Limits{BodyStall: 90 * time.Second, Streams: 7, HeaderBytes: 32 << 10, FunctionBytes: teal.MiB}); l != want {
		t.Errorf("got %+v", l)
	}
	for _, pair := range [][2]string{{"body-stall", "90"}, {"body-stall", "-1s"}, {"streams", "0"}, {"streams", "1KiB"}, {"header-bytes", "x"}, {"function-bytes", "12"}, {"colour", "1"}} {
		if err := l.SetLimit(pair[0], pair[1]); !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(fmt.Sprint(err), pair[0]) {
			t.Errorf("%s: %v", pair, err)
		}
	}
	if !slices.Contains(LimitNames(), "function-bodies") {
		t.Error(LimitNames())
	}
}

package teal_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"teal"
)

// docs/limits.md says what the code has.
func TestTheTableOfLimits(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(data), "\n## teal.yaml\n")
	got := map[string][2]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| ([^|]*) ?\\|").FindAllStringSubmatch(section, -1) {
		got[row[1]] = [2]string{row[2], strings.TrimSpace(row[3])}
	}
	memory := fmt.Sprintf("%s to %s", teal.MinMemory, teal.MaxMemory)
	minutes := fmt.Sprintf("to %s", teal.MaxTimeout)
	for key, want := range map[string][2]string{
		"functions.*.memory":          {teal.DefaultMemory.String(), memory},
		"functions.*.timeout":         {teal.DefaultTimeout.String(), minutes},
		"functions.*.init":            {teal.DefaultInit.String(), minutes},
		"functions.*.idle":            {teal.DefaultIdle.String(), ""},
		"functions.*.concurrency.min": {fmt.Sprint(teal.DefaultConcurrencyMin), "0 to `max`"},
		"functions.*.concurrency.max": {fmt.Sprint(teal.DefaultConcurrencyMax), fmt.Sprintf("1 to %d", teal.MaxConcurrency)},
		"services.*.instances":        {fmt.Sprint(teal.DefaultInstances), fmt.Sprintf("1 to %d", teal.MaxInstances)},
		"services.*.memory":           {"no limit", memory},
		"services.*.grace":            {teal.DefaultGrace.String(), minutes},
		"*.health.interval":           {teal.DefaultHealthInterval.String(), "from 10ms"},
		"*.health.timeout":            {teal.DefaultHealthTimeout.String(), "from 10ms"},
		"*.health.failures":           {fmt.Sprint(teal.DefaultHealthFailures), "from 1"},
	} {
		if got[key] != want {
			t.Errorf("docs/limits.md says %q of %s; the code says %q", got[key], key, want)
		}
	}
	sentence := fmt.Sprintf("at most %d components and %d routes, an upstream %d addresses, a component %s of environment variables; a name has at most %d characters",
		teal.MaxComponents, teal.MaxRoutes, teal.MaxUpstreamURLs, teal.MaxEnvironment, teal.MaxNameLength)
	if !strings.Contains(section, sentence) {
		t.Errorf("docs/limits.md does not say %q", sentence)
	}
}

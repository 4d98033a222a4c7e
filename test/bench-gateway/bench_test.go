//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The whole of it once, for a moment: every proxy that is installed answers every
// case, and nothing fails.
func TestASmokeRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	dir := t.TempDir()
	for name, pkg := range map[string]string{"teal": "teal/cmd/teal", "bench": "teal/test/bench-gateway"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	document := filepath.Join(dir, "out.md")
	if err := os.WriteFile(document, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "bench"), "-short", "-teal", filepath.Join(dir, "teal"), "-out", document)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.HasPrefix(text, "before\n") || !strings.HasSuffix(text, "after\n") || strings.Contains(text, "old") {
		t.Errorf("the rest of the document was changed:\n%s", text)
	}
	for _, c := range cases(true) {
		if c.h2load == "" && !strings.Contains(text, "### "+capital(c.name)) {
			t.Errorf("%q was not measured", c.name)
		}
	}
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| Teal") && strings.TrimSpace(cells[len(cells)-3]) != "0" && len(cells) > 6 {
			t.Errorf("requests failed: %s", line)
		}
	}
	t.Logf("took %s\n%s", time.Since(began).Round(time.Second), text)
}

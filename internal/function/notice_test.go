package function

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Seen red with HasPrefix on the bare version: 3.1 was taken for 3.11.
func TestNoticeOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	for name, version := range map[string]string{"python3": "3.11.4", "node": "20.20.2", "node18": "18.1.0"} {
		script := fmt.Sprintf("#!/bin/sh\necho %s/%s\necho %s\n", dir, name, version)
		if err := os.WriteFile(dir+"/"+name, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	var i Interpreters
	for runtime, want := range map[string]string{
		"nodejs22.x": "runs on " + dir + "/node 20.20.2 (node22 is not in PATH) here; install node22", "nodejs20.x": "", "nodejs18.x": "", "nodejs": "",
		"python3": "", "python3.11": "", "python3.1": "runs on " + dir + "/python3 3.11.4", "python3.12": "install python3.12", "provided.al2023": "",
	} {
		if got := i.Notice(t.Context(), runtime); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", runtime, got, want)
		}
	}
}

package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"teal"
)

// C11: old versions go with their code, once a release has ended; the one that
// is live, and the one that a rollback would lead to, stay. Seen red without the
// look at the last release: version 4 was gone, and the rollback led nowhere.
func TestOldVersionsAreForgotten(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	for n := range 5 {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"teal.yaml": "app: hello\nfunctions:\n  hello: {runtime: python3, handler: app.handler}\nroutes:\n  - {path: /, to: hello}\n",
			"app.py":    fmt.Sprintf("def handler(event, context):\n    return %d\n", n),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		h.deploy(dir, true, func(p *teal.Policy) { p.Confidence, p.Keep = 0, 1 })
		h.awaitPhase("hello", teal.PhaseCompleted)
	}
	want := []int{3, 4, 5}
	deadline := time.Now().Add(20 * time.Second)
	for {
		list, err := h.Versions(t.Context(), "hello")
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int
		for _, v := range list {
			numbers = append(numbers, v.Number)
		}
		bundles, err := filepath.Glob(filepath.Join(h.data, bundleDir, "sha256-*"))
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(numbers, want) && len(bundles) == len(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("versions %v with %d bundles are kept, want %v", numbers, len(bundles), want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

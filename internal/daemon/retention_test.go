package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
	h.awaitVersions("hello", 3, 4, 5)
	h.awaitOnDisk("the code of three versions", 3, 0, 0)
}

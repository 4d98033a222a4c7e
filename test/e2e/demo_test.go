package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The demo of the README runs, says what it does, and cleans up.
func TestDemo(t *testing.T) {
	defer contained(t)
	t.Parallel()
	cmd := exec.Command(filepath.Join("..", "..", "scripts", "demo"), built.cli)
	temp := t.TempDir()
	cmd.Env = append(cleanEnv(), "TMPDIR="+temp)
	begin := time.Now() // the README says under a minute, on a machine that has nothing else to do
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, text := range []string{"Hello From Blue Deployment", "Hello From Green Deployment", "standby until", "rolled-back", "Promoting took"} {
		if !strings.Contains(string(out), text) {
			t.Errorf("the demo does not say %q:\n%s", text, out)
		}
	}
	t.Logf("the demo took %s", time.Since(begin))
	if left, err := filepath.Glob(filepath.Join(temp, "*")); err != nil || len(left) > 0 {
		t.Errorf("the demo has left %v", left)
	}
}

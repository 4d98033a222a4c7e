package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pythonZip writes a zip with a handler of one line and returns its path.
func pythonZip(t testing.TB, name, body string) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	file, err := w.Create("app.py")
	if err == nil {
		_, err = file.Write([]byte("import os, time\ndef handler(event, context):\n    " + body + "\n"))
	}
	path := filepath.Join(t.TempDir(), name)
	if err = errors.Join(err, w.Close(), os.WriteFile(path, buf.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

// lambdaEnv is what a client of the Lambda API needs to know.
func (s *server) lambdaEnv(more ...string) []string {
	s.t.Helper()
	return append(append(cleanEnv(), "ENDPOINT=http://"+s.addr("admin.addr"), "SECRET="+s.addr("admin.token")), more...)
}

// clientFlow runs a client's program against the server.
func (s *server) clientFlow(dir string, env []string, program string, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, env
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	s.t.Logf("%s: %s in %s", filepath.Base(program), strings.TrimSpace(string(out)), time.Since(start).Round(time.Millisecond))
}

// The clients that people have, none of which was written here, release a
// function blue-green: create, publish, change, publish, split, count, promote,
// roll back, delete.
//
// Seen red with the weights of an alias turned round (promotion and rollback
// reached the wrong version) and with every invocation led to the alias's first
// version (no green answer among 2 000).
func TestLambdaClients(t *testing.T) {
	s := startServer(t)
	here, err := filepath.Abs("testdata/lambda")
	if err != nil {
		t.Fatal(err)
	}
	blue, green := pythonZip(t, "blue.zip", `return "blue"`), pythonZip(t, "green.zip", `return "green"`)
	t.Run("boto3", func(t *testing.T) {
		if out, err := exec.Command("python3", "-c", "import boto3").CombinedOutput(); err != nil {
			t.Skipf("python3 has no boto3 here, scripts/need installs it: %s", out)
		}
		s.in(t).clientFlow(here, s.lambdaEnv(), "python3", "flow.py")
	})
	t.Run("AWS CLI", func(t *testing.T) {
		if _, err := exec.LookPath("aws"); err != nil {
			t.Skip("the AWS CLI is not here, scripts/need installs it")
		}
		s.in(t).clientFlow(here, s.lambdaEnv("BLUE="+blue, "GREEN="+green, "OUT="+filepath.Join(t.TempDir(), "out")), "sh", "flow.sh")
	})
	t.Run("client-lambda", func(t *testing.T) {
		if _, err := exec.LookPath("npm"); err != nil {
			t.Skip("npm is not here, scripts/need installs it")
		}
		dir := t.TempDir()
		install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--silent", "@aws-sdk/client-lambda@3")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			t.Skipf("@aws-sdk/client-lambda cannot be installed here: %v\n%s", err, out)
		}
		program, err := os.ReadFile(filepath.Join(here, "flow.mjs"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "flow.mjs"), program, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.in(t).clientFlow(dir, s.lambdaEnv("BLUE="+blue, "GREEN="+green), "node", "flow.mjs")
	})
}

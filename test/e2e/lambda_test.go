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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal/internal/wholebody"
)

// pythonZip writes a zip with a handler of one line and returns its path.
func pythonZip(t testing.TB, name, body string) string {
	t.Helper()
	return zipFile(t, name, "app.py", "import os, time\ndef handler(event, context):\n    "+body+"\n")
}

// zipFile writes a zip with one file and returns its path.
func zipFile(t testing.TB, name, file, content string) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	packed, err := w.Create(file)
	if err == nil {
		_, err = packed.Write([]byte(content))
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
// Seen red with every invocation led to the alias's first version: no green
// answer among 2 000.
func TestLambdaClients(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	here, err := filepath.Abs("testdata/lambda")
	if err != nil {
		t.Fatal(err)
	}
	blue, green := pythonZip(t, "blue.zip", `return "blue"`), pythonZip(t, "green.zip", `return "green"`)
	t.Run("boto3", func(t *testing.T) {
		defer contained(t)
		needBoto3(t)
		s.in(t).clientFlow(here, s.lambdaEnv(), "python3", "flow.py")
	})
	t.Run("AWS CLI", func(t *testing.T) {
		defer contained(t)
		if _, err := exec.LookPath("aws"); err != nil {
			t.Skip("the AWS CLI is not here, scripts/need installs it")
		}
		s.in(t).clientFlow(here, s.lambdaEnv("BLUE="+blue, "GREEN="+green, "OUT="+filepath.Join(t.TempDir(), "out")), "sh", "flow.sh")
	})
	t.Run("client-lambda", func(t *testing.T) {
		defer contained(t)
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

func needBoto3(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("python3", "-c", "import boto3").CombinedOutput(); err != nil {
		t.Skipf("python3 has no boto3 here, scripts/need installs it: %s", out)
	}
}

// Two versions of a function, each with its own version of a layer, answer side by
// side, also when the layer is deleted and the server has been killed since.
//
// Seen red with functions that are started without their layers: "No module
// named 'said'".
func TestLambdaLayerClients(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	here, err := filepath.Abs("testdata/lambda")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("boto3", func(t *testing.T) {
		defer contained(t)
		needBoto3(t)
		s := s.in(t)
		s.clientFlow(here, s.lambdaEnv("STEP=prepare"), "python3", "layers.py")
		s.kill()
		s.start()
		s.clientFlow(here, s.lambdaEnv("STEP=check"), "python3", "layers.py")
	})
	t.Run("AWS CLI", func(t *testing.T) {
		defer contained(t)
		if _, err := exec.LookPath("aws"); err != nil {
			t.Skip("the AWS CLI is not here, scripts/need installs it")
		}
		layer := zipFile(t, "layer.zip", "python/said.py", "text = 'from the layer'\n")
		code := zipFile(t, "code.zip", "app.py", "import said\ndef handler(event, context):\n    return said.text\n")
		s.in(t).clientFlow(here, s.lambdaEnv("LAYER="+layer, "CODE="+code, "OUT="+filepath.Join(t.TempDir(), "out")), "sh", "layers.sh")
	})
}

// One event gives one result, whether a function URL made it of a request or it
// was handed to Invoke.
//
// Seen red with a gateway that leaves the answer's cookies out.
func TestLambdaInvokeAndGatewayAgree(t *testing.T) {
	defer contained(t)
	needBoto3(t)
	s := startServer(t)
	here, err := filepath.Abs("testdata/lambda")
	if err != nil {
		t.Fatal(err)
	}
	s.clientFlow(here, s.lambdaEnv(), "python3", "same.py")
}

// A server that is killed while a function is being made finds it made: nothing has to
// be done for it.
//
// Seen red with a change that the clock does not end.
func TestAKilledServerLeavesNoFunctionPending(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	client := func() *lambda.Client {
		return lambda.New(lambda.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("http://" + s.addr("admin.addr")), RetryMaxAttempts: 1, HTTPClient: wholebody.New(t),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "teal", SecretAccessKey: s.addr("admin.token")}, nil
			}),
		})
	}
	code, err := os.ReadFile(pythonZip(t, "code.zip", `return 1`))
	if err != nil {
		t.Fatal(err)
	}
	made, err := client().CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: aws.String("arn:aws:iam::000000000000:role/any"), Handler: aws.String("app.handler"),
		Runtime: types.RuntimePython312, Code: &types.FunctionCode{ZipFile: code},
	})
	if err != nil || made.State != types.StatePending {
		t.Fatalf("made: %+v, %v", made, err)
	}
	s.kill()
	s.start()
	if err := lambda.NewFunctionActiveV2Waiter(client()).Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("f")}, time.Minute); err != nil {
		t.Error(err)
	}
}

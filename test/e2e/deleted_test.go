package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// A function is deleted while a call of it still runs, and the server is killed:
// the next one starts, serves the other app, and takes down what was left; the
// name is free, and of the old function nothing is to be seen.
//
// Seen red before apps were deleted by their own record: every start ended with
// "There is no app f".
func TestKillAfterADelete(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "blue").dir)
	code, err := os.ReadFile(pythonZip(t, "f.zip", `print("old line", flush=True); time.sleep(event["s"]); return 1`))
	if err != nil {
		t.Fatal(err)
	}
	createFunction := func() *lambda.CreateFunctionOutput {
		out, err := s.lambda().CreateFunction(t.Context(), &lambda.CreateFunctionInput{
			FunctionName: aws.String("f"), Role: aws.String("arn:aws:iam::000000000000:role/any"), Handler: aws.String("app.handler"),
			Runtime: types.RuntimePython312, Timeout: aws.Int32(900), Publish: true, Code: &types.FunctionCode{ZipFile: code},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	createFunction()
	c := s.lambda()
	call := func(event string) error {
		_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Qualifier: aws.String("1"), Payload: []byte(event)})
		return err
	}
	if err := call(`{"s":0}`); err != nil {
		t.Fatal(err)
	}
	cut := make(chan error, 1)
	go func() { cut <- call(`{"s":600}`) }()
	logged := filepath.Join(s.data, "logs", "f")
	waitUntil(t, "the call to have begun", func() (bool, string) {
		log := s.teal("logs", "f").stdout
		return countLines(log, "old line") == 2, log
	})
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil {
		t.Fatal(err)
	}
	s.kill()
	if err := <-cut; err == nil {
		t.Error("the call was answered by a server that was killed")
	}

	s.start()
	if code, _, _ := s.get("/"); code != http.StatusOK {
		t.Errorf("the other app answers %d", code)
	}
	var gone *types.ResourceNotFoundException
	if _, err := s.lambda().GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("f")}); !errors.As(err, &gone) {
		t.Errorf("the deleted function: %v", err)
	}
	waitFor(t, "the old function's log to be gone", func() bool {
		_, err := os.Stat(logged)
		return errors.Is(err, os.ErrNotExist)
	})
	if version := aws.ToString(createFunction().Version); version != "2" {
		t.Errorf("the new function's first version is %s", version)
	}
	if r := s.ok("doctor"); r.code != 0 {
		t.Errorf("doctor: %s", r.stdout)
	}
}

func countLines(text, with string) (n int) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, with) {
			n++
		}
	}
	return n
}

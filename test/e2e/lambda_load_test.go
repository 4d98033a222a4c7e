package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal/internal/wholebody"
)

// lambda returns AWS's own client of the server's Lambda API.
func (s *server) lambda() *lambda.Client {
	s.t.Helper()
	secret := s.addr("admin.token")
	return lambda.New(lambda.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + s.addr("admin.addr")), RetryMaxAttempts: 1,
		HTTPClient: wholebody.New(s.t),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "teal", SecretAccessKey: secret}, nil
		}),
	})
}

// C1 and C2 for the alias that AWS's tools move: UpdateAlias on live loses no
// request of the gateway, and none that starts after it has returned reaches the
// old version.
//
// Seen red with an UpdateAlias that answers before it has written the alias:
// 18 of 196 requests reached the old version after a move.
func TestUpdateAliasUnderLoad(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	apps := []app{newApp(t, mixedManifest, "one"), newApp(t, mixedManifest, "two")}
	switches := alternate(s, apps, 2)
	c := s.lambda()
	move := func(version string) {
		m := moment{start: time.Now(), version: version}
		_, err := c.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: aws.String("mixed-fn"), Name: aws.String("live"), FunctionVersion: &version})
		if err != nil {
			t.Fatal(err)
		}
		m.end = time.Now()
		switches = append(switches, m)
	}
	move("1") // starts it
	running := startLoad(t, s.url(""), []kind{
		{"keep-alive", 2, false, get("/", says)},
		{"new connection", 1, true, get("/", says)},
		{"function", 2, false, get("/fn", says)},
		{"slow function", 1, false, get("/fn?ms=200", says)},
	})
	for n := range rounds(t, 110) {
		move(fmt.Sprint(2 - n%2))
		time.Sleep(200 * time.Millisecond) // so that requests of every kind meet every move
	}
	judge(t, running.stop(), switches)
}

// Events that were accepted are run, whatever becomes of the server meanwhile.
//
// Seen red with an Add that answers before the record is written: some of what
// had been accepted was never run.
func TestEventsSurviveKill(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	c := s.lambda()
	done := filepath.Join(t.TempDir(), "done")
	code, err := os.ReadFile(pythonZip(t, "f.zip", `time.sleep(0.3); open(os.environ["DONE_FILE"], "a").write(event["id"] + " " + context.function_version + "\n")`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: aws.String("arn:aws:iam::000000000000:role/any"), Handler: aws.String("app.handler"), Runtime: types.RuntimePython312,
		Code: &types.FunctionCode{ZipFile: code}, Publish: true, Environment: &types.Environment{Variables: map[string]string{"DONE_FILE": done}},
	})
	if err != nil {
		t.Fatal(err)
	}
	accepted := []string{}
	for round := range 3 {
		c := s.lambda() // the server has another address after each start
		for n := range 20 {
			id := fmt.Sprintf("%d-%d", round, n)
			out, err := c.Invoke(t.Context(), &lambda.InvokeInput{
				FunctionName: aws.String("f:1"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"id":"` + id + `"}`),
			})
			if err != nil || out.StatusCode != 202 {
				t.Fatalf("event %s: %v %v", id, out, err)
			}
			accepted = append(accepted, id)
		}
		s.kill()
		s.start()
	}
	waitFor(t, "every accepted event to be run", func() bool {
		data, _ := os.ReadFile(done)
		for _, id := range accepted {
			if !strings.Contains(string(data), id+" 1\n") {
				return false
			}
		}
		return true
	})
	data, _ := os.ReadFile(done)
	t.Logf("%d events accepted, run %d times, over 3 kills", len(accepted), strings.Count(string(data), "\n"))
}

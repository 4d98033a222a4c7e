package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
	"teal/internal/await"
	"teal/internal/event"
)

// hello writes a folder of code with a function that returns n.
func hello(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"teal.yaml": "app: hello\nfunctions:\n  hello: {runtime: python3, handler: app.handler}\nroutes:\n  - {path: /, to: hello}\n",
		"app.py":    fmt.Sprintf("def handler(event, context):\n    return %d\n", n),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (h *harness) awaitVersions(app string, want ...int) {
	h.t.Helper()
	var numbers []int
	defer func() {
		if h.t.Failed() {
			h.t.Logf("versions %v are kept", numbers)
		}
	}()
	await.True(h.t, fmt.Sprintf("versions %v alone to be kept", want), func() bool {
		list, err := h.Versions(h.t.Context(), app)
		if err != nil {
			h.t.Fatal(err)
		}
		numbers = nil
		for _, v := range list {
			numbers = append(numbers, v.Number)
		}
		return slices.Equal(numbers, want)
	})
}

// C19: a version that an accepted event waits for is not forgotten, also by the
// server after this one, and not deleted by hand; when the event is done it goes as
// any other.
//
// Seen red with a queue that does not read at the start what events there are:
// version 1 was gone, and the event with it.
func TestAVersionThatAnEventNeedsIsKept(t *testing.T) {
	data := t.TempDir()
	h := startDaemon(t, data)
	deploy := func(n int) {
		t.Helper()
		h.deploy(hello(t, n), true, func(p *teal.Policy) { p.Confidence, p.Keep = 0, 1 })
		h.awaitPhase("hello", teal.PhaseCompleted)
	}
	deploy(1)
	e := event.Event{App: "hello", Component: "hello", Name: "hello", ID: "e1", Version: 1, Payload: []byte("{}"), AcceptedAt: time.Now(), NotBefore: time.Now().Add(time.Hour)}
	if err := h.daemon.running.events.Add(t.Context(), e, nil); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		deploy(2 + n)
	}
	h.awaitVersions("hello", 1, 3, 4, 5)
	_, err := h.awsClient().DeleteFunction(t.Context(), &awssdk.DeleteFunctionInput{FunctionName: aws.String("hello"), Qualifier: aws.String("1")})
	wantFault(t, "a version that an event needs", err, "ResourceConflictException")
	h.stop()

	h = startDaemon(t, data)
	deploy(6)
	h.awaitVersions("hello", 1, 4, 5, 6)
	if err := h.daemon.running.events.Forget(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	deploy(7)
	h.awaitVersions("hello", 5, 6, 7)
}

// An event beyond the limit of its function is refused as AWS refuses one too many;
// there is room again when one is done.
//
// Seen red without the refusal.
func TestTooManyEventsAreRefused(t *testing.T) {
	h := startDaemon(t, t.TempDir(), func(c *Config) { c.AWS.Events = event.Limits{Events: 2, Bytes: 64 * teal.KiB} })
	c := h.awsClient()
	dir := t.TempDir()
	create(t, c, "f", python(t, `while not os.path.exists(event["until"]): time.sleep(0.01)`), func(in *awssdk.CreateFunctionInput) { in.Timeout = aws.Int32(60) })
	waits := fmt.Sprintf(`{"until": %q}`, filepath.Join(dir, "go"))
	send := func(payload string) error {
		_, err := c.Invoke(t.Context(), &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(payload), InvocationType: types.InvocationTypeEvent},
			func(o *awssdk.Options) { o.Retryer = aws.NopRetryer{} })
		return err
	}
	_, err := c.Invoke(t.Context(), &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: fmt.Appendf(nil, `{"until": "/", "x": %q}`, bytes.Repeat([]byte("x"), 64<<10)), InvocationType: types.InvocationTypeEvent},
		func(o *awssdk.Options) { o.Retryer = aws.NopRetryer{} })
	wantFault(t, "too many bytes", err, "TooManyRequestsException")
	for range 2 {
		if err := send(waits); err != nil {
			t.Fatal(err)
		}
	}
	wantFault(t, "one too many", send(waits), "TooManyRequestsException")
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await.True(t, "room for an event", func() bool { return send(waits) == nil })
}

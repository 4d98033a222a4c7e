package daemon

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal/internal/store"
	"teal/internal/store/memkv"
)

// received is what an HTTP destination has been told.
type received struct {
	*httptest.Server
	got chan map[string]any
}

func newReceived(t testing.TB) received {
	t.Helper()
	r := received{got: make(chan map[string]any, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		data, _ := io.ReadAll(req.Body)
		var report map[string]any
		if json.Unmarshal(data, &report) != nil {
			report = map[string]any{"not JSON": string(data)}
		}
		r.got <- report
	}))
	t.Cleanup(r.Close)
	return r
}

func (r received) next(t testing.TB) map[string]any {
	t.Helper()
	select {
	case report := <-r.got:
		return report
	case <-time.After(60 * time.Second):
		t.Fatal("the destination was told nothing")
		return nil
	}
}

func sendEvent(t testing.TB, c *awssdk.Client, name, qualifier, event string) {
	t.Helper()
	out, err := c.Invoke(t.Context(), &awssdk.InvokeInput{
		FunctionName: &name, Qualifier: &qualifier, Payload: []byte(event), InvocationType: types.InvocationTypeEvent,
	})
	if err != nil || out.StatusCode != 202 {
		t.Fatalf("event: %v %v", out, err)
	}
}

// An event is retried as the configuration says, on the version that its alias
// had when it was accepted, and its destinations are told.
func TestLambdaEvents(t *testing.T) {
	h := startDaemon(t, t.TempDir(), func(c *Config) { c.AWS.RetryDelay = 50 * time.Millisecond })
	c, ctx := h.awsClient(), t.Context()
	create(t, c, "f", python(t, `if event.get("fail"): raise ValueError("no")
return {"version": context.function_version, "arn": context.invoked_function_arn}`), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	must[*awssdk.CreateAliasOutput](t, "alias")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: aws.String("f"), Name: aws.String("prod"), FunctionVersion: aws.String("1")}))
	sink := newReceived(t)
	config := must[*awssdk.PutFunctionEventInvokeConfigOutput](t, "config")(c.PutFunctionEventInvokeConfig(ctx, &awssdk.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String("f"), Qualifier: aws.String("prod"), MaximumRetryAttempts: aws.Int32(1),
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &sink.URL}, OnFailure: &types.OnFailure{Destination: &sink.URL}},
	}))
	if *config.MaximumRetryAttempts != 1 || *config.DestinationConfig.OnSuccess.Destination != sink.URL || time.Since(*config.LastModified) > time.Minute {
		t.Errorf("config: %+v", config)
	}

	sendEvent(t, c, "f", "prod", `{"n":1}`)
	report := sink.next(t)
	text := encode(t, report)
	for _, want := range []string{`"condition":"Success"`, `"approximateInvokeCount":1`, `"requestPayload":{"n":1}`, `"executedVersion":"1"`, `function:f:prod"`, `"statusCode":200`} {
		if !strings.Contains(text, want) {
			t.Errorf("the report of a success lacks %s: %s", want, text)
		}
	}

	sendEvent(t, c, "f", "prod", `{"fail":true}`)
	must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: python(t, `return 2`), Publish: true}))
	must[*awssdk.UpdateAliasOutput](t, "move")(c.UpdateAlias(ctx, &awssdk.UpdateAliasInput{FunctionName: aws.String("f"), Name: aws.String("prod"), FunctionVersion: aws.String("2")}))
	text = encode(t, sink.next(t))
	for _, want := range []string{`"condition":"RetriesExhausted"`, `"approximateInvokeCount":2`, `"functionError":"Unhandled"`, `"errorType":"ValueError"`, `"executedVersion":"1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the report of a failure lacks %s: %s", want, text)
		}
	}

	// A function as a destination.
	create(t, c, "g", python(t, `import urllib.request
urllib.request.urlopen(urllib.request.Request(os.environ["SINK"], data=json.dumps({"told": event}).encode(), method="POST"))`), func(in *awssdk.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"SINK": sink.URL}}
	})
	must[*awssdk.UpdateFunctionEventInvokeConfigOutput](t, "config")(c.UpdateFunctionEventInvokeConfig(ctx, &awssdk.UpdateFunctionEventInvokeConfigInput{
		FunctionName: aws.String("f"), Qualifier: aws.String("prod"),
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: aws.String("arn:aws:lambda:us-east-1:000000000000:function:g")}},
	}))
	sendEvent(t, c, "f", "prod", `{"n":3}`)
	if text := encode(t, sink.next(t)); !strings.Contains(text, `"told":{`) || !strings.Contains(text, `"responsePayload":2`) {
		t.Errorf("the function was told %s", text)
	}
	records, err := store.NewSide(h.kv(), "lambda", "event", queued.key).List(ctx, "")
	if err != nil || len(records) > 1 { // g's own may be on its way out
		t.Errorf("%d events are left, %v", len(records), err)
	}

	_, err = c.PutFunctionEventInvokeConfig(ctx, &awssdk.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("f"), MaximumRetryAttempts: aws.Int32(3)})
	wantFault(t, "three retries", err, "ValidationException")
	_, err = c.PutFunctionEventInvokeConfig(ctx, &awssdk.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("f"), DestinationConfig: &types.DestinationConfig{
		OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:sqs:us-east-1:000000000000:q")}}})
	wantFault(t, "a queue", err, "InvalidParameterValueException")
	list := must[*awssdk.ListFunctionEventInvokeConfigsOutput](t, "list")(c.ListFunctionEventInvokeConfigs(ctx, &awssdk.ListFunctionEventInvokeConfigsInput{FunctionName: aws.String("f")}))
	if len(list.FunctionEventInvokeConfigs) != 1 {
		t.Errorf("configs: %+v", list.FunctionEventInvokeConfigs)
	}
	must[*awssdk.DeleteFunctionEventInvokeConfigOutput](t, "delete")(c.DeleteFunctionEventInvokeConfig(ctx, &awssdk.DeleteFunctionEventInvokeConfigInput{FunctionName: aws.String("f"), Qualifier: aws.String("prod")}))
	_, err = c.GetFunctionEventInvokeConfig(ctx, &awssdk.GetFunctionEventInvokeConfigInput{FunctionName: aws.String("f"), Qualifier: aws.String("prod")})
	wantFault(t, "a config that is gone", err, "ResourceNotFoundException")
}

// Events are worked on in time, a few of one function at once, until they are
// done; what a queue leaves behind the next one takes up.
//
// Seen red with the limit per function taken out, with the wait for NotBefore
// taken out, and with Run not reading what is in the store.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv := memkv.New()
		start := time.Now()
		var mu sync.Mutex
		running, most, done := 0, 0, map[string]time.Duration{}
		work := func(ctx context.Context, e queued) (queued, bool) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			mu.Lock()
			defer mu.Unlock()
			running--
			if e.Attempts++; e.Attempts < 3 && e.ID == "slow" {
				e.NotBefore = time.Now().Add(time.Minute)
				return e, false
			}
			done[e.ID] = time.Since(start)
			return e, true
		}
		ctx, stop := context.WithCancel(t.Context())
		first := newQueue(kv, work, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- first.Run(ctx) }()
		for _, id := range []string{"slow", "a", "b", "c", "d", "e", "f", "g", "h", "i"} {
			e := queued{App: "app", Component: "app", ID: id, AcceptedAt: time.Now()}
			if err := first.Add(ctx, e, nil); err != nil {
				t.Fatal(err)
			}
			if err := first.Add(ctx, e, nil); err != nil { // again, as a destination does after a crash
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		mu.Lock()
		if len(done) != 9 || most != eventsPerFunction {
			t.Errorf("after ten seconds: %d done, at most %d at once", len(done), most)
		}
		mu.Unlock()
		stop()
		<-ended
		second := newQueue(kv, work, slog.New(slog.DiscardHandler))
		ctx, stop = context.WithCancel(t.Context())
		go func() { ended <- second.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		stop()
		<-ended
		if took := done["slow"]; took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("the event that failed twice was done after %v", took)
		}
		if left, err := second.table.List(t.Context(), ""); err != nil || len(left) != 0 {
			t.Errorf("%d events are left, %v", len(left), err)
		}
	})
}

func TestPauses(t *testing.T) {
	t.Parallel()
	for refusals, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1000: 5 * time.Minute} {
		if got := pause(refusals); got != want {
			t.Errorf("after %d refusals: %v, want %v", refusals, got, want)
		}
	}
}

// What a destination answers is its answer: the report, and what it says, goes
// nowhere else.
//
// Seen red with a client that follows redirects.
func TestADestinationCannotSendAReportElsewhere(t *testing.T) {
	elsewhere := newReceived(t)
	sink := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(sink.Close)
	l := &lambda{http: newDestinationClient()}
	err := l.post(t.Context(), queued{Destination: sink.URL, Report: []byte(`{}`)})
	if err == nil || !strings.Contains(err.Error(), "status 307") {
		t.Errorf("told: %v", err)
	}
	if n := len(elsewhere.got); n > 0 {
		t.Error("somebody else was told")
	}
}

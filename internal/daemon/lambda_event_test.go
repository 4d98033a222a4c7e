package daemon

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal/internal/await"
	"teal/internal/store"
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
	return await.Value(t, "a report to the destination", r.got)
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
	await.True(t, "no event to be left", func() bool { // the destination may be told before they go
		return len(must[[]store.Entry](t, "events")(h.kv().List(ctx, "lambda.event.>"))) == 0
	})

	_, err := c.PutFunctionEventInvokeConfig(ctx, &awssdk.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("f"), MaximumRetryAttempts: aws.Int32(3)})
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

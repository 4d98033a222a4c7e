package daemon

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
	"teal/internal/api"
)

// A stopped function is called by nobody, whichever way they ask: its version, its
// alias, $LATEST, its URL. Those who may start it are told who has stopped it. An event
// that it is sent waits for the start. A deletion takes aliases, URLs and what waits
// with it.
//
// Seen red without the look at CodeAppStopped in Backend.Invoke (ServiceException, which
// clients try again).
func TestAStoppedFunctionWaits(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h, ctx := startDaemon(t, t.TempDir()), t.Context()
	c, f := h.awsClient(), aws.String("f")
	create(t, c, "f", python(t, `return {"statusCode": 200, "body": "ran"}`), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	point := &awssdk.CreateAliasInput{FunctionName: f, Name: aws.String("prod"), FunctionVersion: aws.String("1")}
	must[*awssdk.CreateAliasOutput](t, "alias")(c.CreateAlias(ctx, point))
	made := must[*awssdk.CreateFunctionUrlConfigOutput](t, "url")(c.CreateFunctionUrlConfig(ctx, &awssdk.CreateFunctionUrlConfigInput{
		FunctionName: f, Qualifier: aws.String("prod"), AuthType: types.FunctionUrlAuthTypeNone,
	}))
	must[*awssdk.AddPermissionOutput](t, "permission")(c.AddPermission(ctx, &awssdk.AddPermissionInput{
		FunctionName: f, Qualifier: aws.String("prod"), StatementId: aws.String("open"), Action: aws.String("lambda:InvokeFunctionUrl"),
		Principal: aws.String("*"), FunctionUrlAuthType: types.FunctionUrlAuthTypeNone,
	}))
	sink := newReceived(t)
	must[*awssdk.PutFunctionEventInvokeConfigOutput](t, "config")(c.PutFunctionEventInvokeConfig(ctx, &awssdk.PutFunctionEventInvokeConfigInput{
		FunctionName: f, Qualifier: aws.String("prod"), DestinationConfig: &types.DestinationConfig{
			OnSuccess: &types.OnSuccess{Destination: &sink.URL}, OnFailure: &types.OnFailure{Destination: &sink.URL},
		},
	}))
	if _, err := h.OrderApp(ctx, "f", teal.OrderStop, api.OrderBody{By: "ann", Why: "audit"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, qualifier := range []string{"1", "prod", teal.DraftName} {
			_, err := c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: f, Qualifier: &qualifier})
			wantFault(t, qualifier+" of a stopped function", err, "ResourceConflictException")
			if err != nil && !strings.Contains(err.Error(), "teal start f") {
				t.Error(err)
			}
		}
		if response, body := h.ask(request(t, "GET", *made.FunctionUrl, "")); response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("the URL of a stopped function: %d %s", response.StatusCode, body)
		}
		if _, err := h.Invoke(ctx, api.Invoke{App: "f"}); !teal.IsCode(err, teal.CodeConflict) {
			t.Errorf("teal invoke of a stopped function: %v", err)
		}
		_, err := c.UpdateAlias(ctx, &awssdk.UpdateAliasInput{FunctionName: f, Name: aws.String("prod"), FunctionVersion: aws.String("1")})
		wantFault(t, "an alias of a stopped function", err, "ResourceConflictException")
		sendEvent(t, c, "f", "prod", `{}`)
		h = h.again()
		c = h.awsClient()
	}
	if _, err := h.OrderApp(ctx, "f", teal.OrderStart, api.OrderBody{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if text := encode(t, sink.next(t)); !strings.Contains(text, `"condition":"Success"`) {
			t.Errorf("an event that was sent to the stopped function: %s", text)
		}
	}
	if response, body := h.ask(request(t, "GET", *made.FunctionUrl, "")); response.StatusCode != http.StatusOK || body != "ran" {
		t.Errorf("the URL: %d %s", response.StatusCode, body)
	}
	invoke(t, c, "f", teal.DraftName, "{}")

	if _, err := h.DeleteApp(ctx, "f", api.DeleteApp{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.GetAlias(ctx, &awssdk.GetAliasInput{FunctionName: f, Name: aws.String("prod")})
	wantFault(t, "an alias of a deleted app", err, "ResourceNotFoundException")
	if response, body := h.ask(request(t, "GET", *made.FunctionUrl, "")); response.StatusCode != http.StatusForbidden {
		t.Errorf("the URL of a deleted app: %d %s", response.StatusCode, body)
	}
	h.awaitGone("f")
	create(t, c, "f", python(t, `return 1`), func(*awssdk.CreateFunctionInput) {})
}

package daemon

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"teal"
	"teal/internal/api"
)

// A function that has no live alias can be called by its name: $LATEST answers, which
// is started for it, and live as soon as there is one.
//
// Seen red with live alone ("there is no app"), and with a draft that is asked for where
// live points to a version.
func TestInvokeWithoutLive(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	create(t, c, "f", python(t, `return "draft"`), nil)
	for _, qualifier := range []string{"", "$LATEST"} {
		got, err := h.Invoke(ctx, api.Invoke{App: "f", Qualifier: qualifier, Event: []byte("{}")})
		if err != nil || string(got.Payload) != `"draft"` || got.Version != teal.Draft {
			t.Errorf("%q: %+v, %v", qualifier, got, err)
		}
	}
	must[*awssdk.PublishVersionOutput](t, "publish")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: aws.String("f")}))
	must[*awssdk.CreateAliasOutput](t, "live")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: aws.String("f"), Name: aws.String("live"), FunctionVersion: aws.String("1")}))
	if got, err := h.Invoke(ctx, api.Invoke{App: "f", Event: []byte("{}")}); err != nil || got.Version != 1 {
		t.Errorf("live: %+v, %v", got, err)
	}
}

// An alias may point to $LATEST, which then follows the draft; a broken version
// is not given to an alias; lists and deletions are AWS's.
func TestLambdaAliases(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	create(t, c, "f", python(t, `return "one"`), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	f := aws.String("f")
	must[*awssdk.CreateAliasOutput](t, "dev")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: f, Name: aws.String("dev"), FunctionVersion: aws.String("$LATEST")}))
	must[*awssdk.CreateAliasOutput](t, "prod")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: f, Name: aws.String("prod"), FunctionVersion: aws.String("1")}))
	if answer, version := invoke(t, c, "f", "dev", "{}"); answer != `"one"` || version != "$LATEST" {
		t.Errorf("dev: %s %s", version, answer)
	}
	must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: f, ZipFile: python(t, `return "draft"`)}))
	if answer, version := invoke(t, c, "f", "dev", "{}"); answer != `"draft"` || version != "$LATEST" {
		t.Errorf("dev after a change: %s %s", version, answer)
	}
	if answer, _ := invoke(t, c, "f:prod", "", "{}"); answer != `"one"` {
		t.Errorf("prod after a change of the draft: %s", answer)
	}
	must[*awssdk.UpdateFunctionCodeOutput](t, "break")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: f, ZipFile: zipped(t, "app.py", "this is no Python"), Publish: true}))
	_, err := c.UpdateAlias(ctx, &awssdk.UpdateAliasInput{FunctionName: f, Name: aws.String("prod"), FunctionVersion: aws.String("2")})
	wantFault(t, "an alias for what does not start", err, "ResourceConflictException")
	if answer, _ := invoke(t, c, "f", "prod", "{}"); answer != `"one"` {
		t.Errorf("prod after a refused change: %s", answer)
	}
	out := must[*awssdk.InvokeOutput](t, "invoke what does not start")(c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: f, Qualifier: aws.String("2")}))
	if aws.ToString(out.FunctionError) != "Unhandled" {
		t.Errorf("what does not start said %v %s", out.FunctionError, out.Payload)
	}

	list := must[*awssdk.ListAliasesOutput](t, "list")(c.ListAliases(ctx, &awssdk.ListAliasesInput{FunctionName: f}))
	ofOne := must[*awssdk.ListAliasesOutput](t, "list")(c.ListAliases(ctx, &awssdk.ListAliasesInput{FunctionName: f, FunctionVersion: aws.String("1")}))
	if len(list.Aliases) != 2 || len(ofOne.Aliases) != 1 || *ofOne.Aliases[0].Name != "prod" {
		t.Errorf("aliases: %+v, of version 1: %+v", list.Aliases, ofOne.Aliases)
	}
	must[*awssdk.PutProvisionedConcurrencyConfigOutput](t, "provision")(c.PutProvisionedConcurrencyConfig(ctx, &awssdk.PutProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: aws.String("prod"), ProvisionedConcurrentExecutions: aws.Int32(1)}))
	provisioned := must[*awssdk.ListProvisionedConcurrencyConfigsOutput](t, "list")(c.ListProvisionedConcurrencyConfigs(ctx, &awssdk.ListProvisionedConcurrencyConfigsInput{FunctionName: f}))
	if len(provisioned.ProvisionedConcurrencyConfigs) != 1 || *provisioned.ProvisionedConcurrencyConfigs[0].FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:f:prod" {
		t.Errorf("provisioned: %+v", provisioned.ProvisionedConcurrencyConfigs)
	}
	for range 2 { // the second time there is nothing to delete, which is no error
		must[*awssdk.DeleteAliasOutput](t, "delete")(c.DeleteAlias(ctx, &awssdk.DeleteAliasInput{FunctionName: f, Name: aws.String("dev")}))
	}
	if _, err := c.GetAlias(ctx, &awssdk.GetAliasInput{FunctionName: f, Name: aws.String("dev")}); err == nil {
		t.Error("a deleted alias is there")
	}
	if status, code, _ := h.raw("POST", "/2014-11-13/functions/f:prod/invoke-async", "{}"); status != 202 {
		t.Errorf("InvokeAsync: %d %s", status, code)
	}
	// What runs for those who call it alone is stopped when nobody has.
	h.daemon.running.lambda.StopIdle(ctx, time.Now().Add(time.Hour))
	if h.daemon.running.manager.Runs("f", 2) || !h.daemon.running.manager.Runs("f", 1) {
		t.Error("after a while, what no alias points to runs, or what one points to does not")
	}
}

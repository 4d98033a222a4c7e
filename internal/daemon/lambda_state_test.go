package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
	"teal/internal/await"
	"teal/internal/lambda"
)

// settles has functions change for so long.
func settles(d time.Duration) func(*Config) { return func(c *Config) { c.AWS.Settle = d } }

// awaitSettled returns the function when it is not changing any more.
func awaitSettled(t *testing.T, c *awssdk.Client, name string) *awssdk.GetFunctionConfigurationOutput {
	t.Helper()
	var got *awssdk.GetFunctionConfigurationOutput
	await.True(t, name+" to be changing no more", func() bool {
		got = must[*awssdk.GetFunctionConfigurationOutput](t, "get")(c.GetFunctionConfiguration(t.Context(), &awssdk.GetFunctionConfigurationInput{FunctionName: &name}))
		return got.State == types.StateActive && got.LastUpdateStatus == types.LastUpdateStatusSuccessful
	})
	return got
}

// deployHello makes the app shop with the function hello in Teal's own way.
func (h *harness) deployHello() {
	h.t.Helper()
	dir := h.t.TempDir()
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "teal.yaml"), []byte("app: shop\nfunctions:\n  hello: {runtime: python3, handler: app.handler, code: .}\n  other: {runtime: python3, handler: app.handler, code: .}\nroutes:\n  - {path: /, to: hello}\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "app.py"), []byte("def handler(event, context):\n    return 'deployed'\n"), 0o644),
	)
	if err != nil {
		h.t.Fatal(err)
	}
	h.deploy(dir, true, func(p *teal.Policy) { p.Confidence = 0 })
	h.awaitPhase("shop", teal.PhaseCompleted)
}

// A function that was made or changed says so for a while, in which nobody else
// changes it. It is run and deleted all the while, and its neighbour in the app is
// changed.
//
// Seen red with a draft that is never changing (the 409s), and with a change that is
// the whole app's.
func TestLambdaChangesOneAtATime(t *testing.T) {
	h := startDaemon(t, t.TempDir(), settles(time.Hour))
	c, ctx := h.awsClient(), t.Context()
	made := create(t, c, "f", python(t, "return 1"), func(in *awssdk.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{}}
	})
	if made.State != types.StatePending || made.StateReasonCode != types.StateReasonCodeCreating || aws.ToString(made.StateReason) != "The function is being created." || made.LastUpdateStatus != "" {
		t.Errorf("made: %+v", made)
	}
	if made.Environment == nil || made.Environment.Variables == nil || len(made.Environment.Variables) > 0 {
		t.Errorf("an environment without variables is %+v", made.Environment)
	}
	update := func(name string) (*awssdk.UpdateFunctionConfigurationOutput, error) {
		return c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{FunctionName: &name, Timeout: aws.Int32(2)})
	}
	refused := func(what, says string, err error) {
		t.Helper()
		wantFault(t, what, err, "ResourceConflictException")
		if err != nil && !strings.Contains(err.Error(), "The operation cannot be performed at this time. "+says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := update("f")
	refused("an update of what is being made", "The function is currently in the following state: Pending", err)
	if answer, _ := invoke(t, c, "f", "", "{}"); answer != "1" {
		t.Errorf("while it is being made it says %s", answer)
	}
	must[*awssdk.DeleteFunctionOutput](t, "delete what is being made")(c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: aws.String("f")}))

	h.deployHello()
	changed := must[*awssdk.UpdateFunctionConfigurationOutput](t, "update")(update("shop-hello"))
	if changed.State != types.StateActive || changed.LastUpdateStatus != types.LastUpdateStatusInProgress || string(changed.LastUpdateStatusReasonCode) != "Creating" || aws.ToString(changed.LastUpdateStatusReason) != "The function is being created." {
		t.Errorf("changed: %+v", changed)
	}
	const busy = "An update is in progress for resource: arn:aws:lambda:us-east-1:000000000000:function:shop-hello"
	_, err = update("shop-hello")
	refused("an update beside another", busy, err)
	_, err = c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("shop-hello"), ZipFile: python(t, "return 2")})
	refused("code beside an update", busy, err)
	must[*awssdk.UpdateFunctionConfigurationOutput](t, "update its neighbour")(update("shop-other"))
}

// When a change is over, the revision is another one; a version is published then and
// not before. Lists say nothing of it.
//
// Seen red with a revision that does not know the change, with a publication that does
// not wait, and with describe in the place of listed.
func TestLambdaSettles(t *testing.T) {
	h := startDaemon(t, t.TempDir(), settles(300*time.Millisecond))
	c, ctx := h.awsClient(), t.Context()
	f := aws.String("f")
	made := create(t, c, "f", python(t, "return 1"), nil)
	active := awaitSettled(t, c, "f")
	if *active.RevisionId == *made.RevisionId || active.StateReason != nil || active.Environment != nil {
		t.Errorf("made: %s, then %+v", *made.RevisionId, active)
	}
	changed := must[*awssdk.UpdateFunctionConfigurationOutput](t, "update")(c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{FunctionName: f, Timeout: aws.Int32(2)}))
	_, err := c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: f, RevisionId: changed.RevisionId})
	wantFault(t, "publish the revision of the update", err, "PreconditionFailedException")
	settled := awaitSettled(t, c, "f")
	if *settled.RevisionId == *changed.RevisionId || *settled.Timeout != 2 {
		t.Errorf("changed: %s, then %+v", *changed.RevisionId, settled)
	}
	must[*awssdk.PublishVersionOutput](t, "publish")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: f, RevisionId: settled.RevisionId}))
	list := must[*awssdk.ListVersionsByFunctionOutput](t, "versions")(c.ListVersionsByFunction(ctx, &awssdk.ListVersionsByFunctionInput{FunctionName: f}))
	all := must[*awssdk.ListFunctionsOutput](t, "functions")(c.ListFunctions(ctx, &awssdk.ListFunctionsInput{}))
	if len(list.Versions) != 2 || len(all.Functions) != 1 {
		t.Errorf("%d versions, %d functions", len(list.Versions), len(all.Functions))
	}
	for _, v := range append(list.Versions, all.Functions...) {
		if v.State != "" || v.LastUpdateStatus != "" || v.RuntimeVersionConfig != nil {
			t.Errorf("in a list: %+v", v)
		}
	}
}

// A version that is published with its function, or with a change of it, is pending
// with it; one that was there is not.
//
// Seen red with versions that are never pending, and with all of a changing draft's.
func TestLambdaPublishedWhenMade(t *testing.T) {
	h := startDaemon(t, t.TempDir(), settles(time.Hour))
	c, ctx := h.awsClient(), t.Context()
	made := create(t, c, "f", python(t, "return 1"), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	if *made.Version != "1" || made.State != types.StatePending || *made.FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:f" {
		t.Errorf("made: %+v", made)
	}
	version := func(name, version string) *awssdk.GetFunctionConfigurationOutput {
		t.Helper()
		return must[*awssdk.GetFunctionConfigurationOutput](t, "get")(c.GetFunctionConfiguration(ctx, &awssdk.GetFunctionConfigurationInput{FunctionName: &name, Qualifier: &version}))
	}
	if got := version("f", "1"); got.State != types.StatePending || *got.FunctionArn != *made.FunctionArn+":1" {
		t.Errorf("version 1: %+v", got)
	}
	if answer, _ := invoke(t, c, "f", "1", "{}"); answer != "1" {
		t.Errorf("version 1 says %s", answer)
	}
	h.deployHello()
	changed := must[*awssdk.UpdateFunctionCodeOutput](t, "code")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("shop-hello"), ZipFile: python(t, "return 2"), Publish: true}))
	if changed.State != types.StatePending || changed.StateReasonCode != types.StateReasonCodeCreating || changed.LastUpdateStatus != "" || *changed.Version != "2" {
		t.Errorf("changed: %+v", changed)
	}
	if got := version("shop-hello", "2"); got.State != types.StatePending || *got.RevisionId != *changed.RevisionId {
		t.Errorf("version 2: %+v", got)
	}
	if got := version("shop-hello", "1"); got.State != types.StateActive {
		t.Errorf("the version before: %+v", got)
	}
}

// With the time that servers have, AWS's waiters look twice at most.
//
// Seen red with a time of 3 s.
func TestLambdaWaitersTakeAboutASecond(t *testing.T) {
	h := startDaemon(t, t.TempDir(), settles(0))
	c := h.awsClient()
	create(t, c, "f", python(t, "return 1"), nil)
	polls := 0
	looks := func(o *awssdk.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Second, time.Second // the CLI's
		o.Retryable = func(_ context.Context, _ *awssdk.GetFunctionInput, out *awssdk.GetFunctionOutput, err error) (bool, error) {
			polls++
			return out == nil || out.Configuration.State != types.StateActive, err
		}
	}
	if err := awssdk.NewFunctionActiveV2Waiter(c, looks).Wait(t.Context(), &awssdk.GetFunctionInput{FunctionName: aws.String("f")}, time.Minute); err != nil || polls > 2 {
		t.Errorf("%d looks, %v", polls, err)
	}
	if lambda.DefaultSettle >= time.Second {
		t.Errorf("functions are changing for %s: longer than the second between two looks", lambda.DefaultSettle)
	}
}

// A server that is stopped while a function is being made finds it made: the state
// follows from the record.
//
// Seen red with a change that the clock does not end.
func TestLambdaStateAfterARestart(t *testing.T) {
	h := startDaemon(t, t.TempDir(), settles(time.Hour))
	c := h.awsClient()
	made := create(t, c, "f", python(t, "return 1"), nil)
	if made.State != types.StatePending {
		t.Errorf("made: %s", made.State)
	}
	h.stop()
	h = startDaemon(t, h.data, settles(time.Hour))
	got := must[*awssdk.GetFunctionOutput](t, "get")(h.awsClient().GetFunction(t.Context(), &awssdk.GetFunctionInput{FunctionName: aws.String("f")}))
	if got.Configuration.State != types.StatePending || *got.Configuration.RevisionId != *made.RevisionId {
		t.Errorf("within the time: %+v", got.Configuration)
	}
	h.stop()
	h = startDaemon(t, h.data, settles(time.Millisecond))
	if got := awaitSettled(t, h.awsClient(), "f"); *got.RevisionId == *made.RevisionId {
		t.Errorf("after it: %+v", got)
	}
}

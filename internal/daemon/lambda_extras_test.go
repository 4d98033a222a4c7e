package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal/internal/await"
	"teal/internal/store"
)

// kv is the store under the daemon.
func (h *harness) kv() store.KV { return h.daemon.running.db }

func TestLambdaConcurrency(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	create(t, c, "f", python(t, `while not os.path.exists(event.get("until", "/")): time.sleep(0.01)`), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	f := aws.String("f")
	must[*awssdk.PutFunctionConcurrencyOutput](t, "reserve")(c.PutFunctionConcurrency(ctx, &awssdk.PutFunctionConcurrencyInput{FunctionName: f, ReservedConcurrentExecutions: aws.Int32(0)}))
	_, err := c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: f})
	wantFault(t, "stopped", err, "TooManyRequestsException")
	must[*awssdk.PutFunctionConcurrencyOutput](t, "reserve")(c.PutFunctionConcurrency(ctx, &awssdk.PutFunctionConcurrencyInput{FunctionName: f, ReservedConcurrentExecutions: aws.Int32(2)}))
	// Two of five stay inside until the three others have been told.
	until := filepath.Join(t.TempDir(), "go")
	told := make(chan error, 5)
	for range cap(told) {
		go func() {
			_, err := c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: f, Qualifier: aws.String("1"), Payload: fmt.Appendf(nil, `{"until": %q}`, until)})
			told <- err
		}()
	}
	for range 3 {
		wantFault(t, "beyond a reserved concurrency of 2", await.Value(t, "the refusal of a call", told), "TooManyRequestsException")
	}
	touchFile(t, until)
	for range 2 {
		if err := await.Value(t, "the end of a call", told); err != nil {
			t.Errorf("one of two calls within a reserved concurrency of 2: %v", err)
		}
	}
	got := must[*awssdk.GetFunctionConcurrencyOutput](t, "get")(c.GetFunctionConcurrency(ctx, &awssdk.GetFunctionConcurrencyInput{FunctionName: f}))
	if *got.ReservedConcurrentExecutions != 2 {
		t.Errorf("reserved: %v", got.ReservedConcurrentExecutions)
	}
	must[*awssdk.DeleteFunctionConcurrencyOutput](t, "delete")(c.DeleteFunctionConcurrency(ctx, &awssdk.DeleteFunctionConcurrencyInput{FunctionName: f}))
	invoke(t, c, "f", "", `{}`)

	_, err = c.PutProvisionedConcurrencyConfig(ctx, &awssdk.PutProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: aws.String("$LATEST"), ProvisionedConcurrentExecutions: aws.Int32(1)})
	wantFault(t, "provision $LATEST", err, "InvalidParameterValueException")
	must[*awssdk.PutProvisionedConcurrencyConfigOutput](t, "provision")(c.PutProvisionedConcurrencyConfig(ctx, &awssdk.PutProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: aws.String("1"), ProvisionedConcurrentExecutions: aws.Int32(3)}))
	await.True(t, "three provisioned instances", func() bool {
		p := must[*awssdk.GetProvisionedConcurrencyConfigOutput](t, "get")(c.GetProvisionedConcurrencyConfig(ctx, &awssdk.GetProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: aws.String("1")}))
		return p.Status == types.ProvisionedConcurrencyStatusEnumReady && aws.ToInt32(p.AllocatedProvisionedConcurrentExecutions) == 3
	})
	if n := h.daemon.running.manager.Instances("f", 1, "f"); n < 3 {
		t.Errorf("%d instances are there", n)
	}
	must[*awssdk.DeleteProvisionedConcurrencyConfigOutput](t, "delete")(c.DeleteProvisionedConcurrencyConfig(ctx, &awssdk.DeleteProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: aws.String("1")}))
	_, err = c.GetProvisionedConcurrencyConfig(ctx, &awssdk.GetProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: aws.String("1")})
	wantFault(t, "a config that is gone", err, "ProvisionedConcurrencyConfigNotFoundException")
	settings := must[*awssdk.GetAccountSettingsOutput](t, "account")(c.GetAccountSettings(ctx, &awssdk.GetAccountSettingsInput{}))
	if settings.AccountUsage.FunctionCount != 1 || settings.AccountLimit.UnreservedConcurrentExecutions == nil || *settings.AccountLimit.UnreservedConcurrentExecutions != 1000 {
		t.Errorf("account: %+v %+v", settings.AccountUsage, settings.AccountLimit)
	}
}

// ask sends a request to a function URL: its host name leads to this machine
// whatever the resolver thinks of it.
func (h *harness) ask(r *http.Request) (*http.Response, string) {
	h.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, h.daemon.HTTPAddr().String())
	}}
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return response, string(body)
}

func request(t testing.TB, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestLambdaFunctionURLs(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	create(t, c, "f", python(t, `return {"statusCode": 201, "headers": {"access-control-allow-origin": "mine"}, "body": json.dumps([event["rawPath"], event["version"], event.get("body"), context.invoked_function_arn])}`),
		func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	f := aws.String("f")
	must[*awssdk.CreateAliasOutput](t, "alias")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: f, Name: aws.String("prod"), FunctionVersion: aws.String("1")}))
	made := must[*awssdk.CreateFunctionUrlConfigOutput](t, "url")(c.CreateFunctionUrlConfig(ctx, &awssdk.CreateFunctionUrlConfigInput{
		FunctionName: f, Qualifier: aws.String("prod"), AuthType: types.FunctionUrlAuthTypeNone,
		Cors: &types.Cors{AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"GET"}, MaxAge: aws.Int32(60), ExposeHeaders: []string{"x-a"}},
	}))
	if response, body := h.ask(request(t, "GET", *made.FunctionUrl, "")); response.StatusCode != 403 {
		t.Errorf("without a permission: %d %s", response.StatusCode, body)
	}
	must[*awssdk.AddPermissionOutput](t, "permission")(c.AddPermission(ctx, &awssdk.AddPermissionInput{
		FunctionName: f, Qualifier: aws.String("prod"), StatementId: aws.String("open"), Action: aws.String("lambda:InvokeFunctionUrl"),
		Principal: aws.String("*"), FunctionUrlAuthType: types.FunctionUrlAuthTypeNone,
	}))
	response, body := h.ask(request(t, "POST", *made.FunctionUrl+"a/b?c=d", "hello", "Origin", "https://a.example"))
	if response.StatusCode != 201 || !strings.Contains(body, `["/a/b", "2.0", "aGVsbG8=", `) && !strings.Contains(body, `["/a/b", "2.0", "hello", `) || !strings.Contains(body, `function:f:prod"`) {
		t.Errorf("called: %d %s", response.StatusCode, body)
	}
	if got := response.Header.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != "https://a.example" || response.Header.Get("Access-Control-Expose-Headers") != "x-a" {
		t.Errorf("CORS: %v", response.Header)
	}
	response, _ = h.ask(request(t, "OPTIONS", *made.FunctionUrl, "", "Origin", "https://a.example", "Access-Control-Request-Method", "GET"))
	if response.StatusCode != 200 || response.Header.Get("Access-Control-Allow-Methods") != "GET" || response.Header.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("preflight: %d %v", response.StatusCode, response.Header)
	}
	response, _ = h.ask(request(t, "GET", *made.FunctionUrl, "", "Origin", "https://b.example"))
	if response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CORS for another origin: %v", response.Header)
	}

	// A URL of the function itself calls $LATEST, which runs for who calls it.
	latest := must[*awssdk.CreateFunctionUrlConfigOutput](t, "url")(c.CreateFunctionUrlConfig(ctx, &awssdk.CreateFunctionUrlConfigInput{FunctionName: f, AuthType: types.FunctionUrlAuthTypeAwsIam}))
	if response, _ := h.ask(request(t, "GET", *latest.FunctionUrl, "")); response.StatusCode != 403 {
		t.Errorf("unsigned: %d", response.StatusCode)
	}
	signed := request(t, "POST", *latest.FunctionUrl+"x", "signed")
	sign(t, signed, h.urlKey(), "signed", false)
	if response, body := h.ask(signed); response.StatusCode != 201 || !strings.Contains(body, `function:f"`) || response.Header.Get("Teal-Version") != "$LATEST" {
		t.Errorf("signed: %d %s %v", response.StatusCode, body, response.Header)
	}
	forged := request(t, "POST", *latest.FunctionUrl+"x", "forged")
	forged.Header = signed.Header.Clone()
	if response, _ := h.ask(forged); response.StatusCode != 403 {
		t.Errorf("another body under the same signature: %d", response.StatusCode)
	}
	_, err := c.CreateFunctionUrlConfig(ctx, &awssdk.CreateFunctionUrlConfigInput{FunctionName: f, AuthType: types.FunctionUrlAuthTypeNone})
	wantFault(t, "a second URL", err, "ResourceConflictException")
	updated := must[*awssdk.UpdateFunctionUrlConfigOutput](t, "update")(c.UpdateFunctionUrlConfig(ctx, &awssdk.UpdateFunctionUrlConfigInput{FunctionName: f, AuthType: types.FunctionUrlAuthTypeNone}))
	if *updated.FunctionUrl != *latest.FunctionUrl || updated.AuthType != types.FunctionUrlAuthTypeNone {
		t.Errorf("updated: %+v", updated)
	}
	list := must[*awssdk.ListFunctionUrlConfigsOutput](t, "list")(c.ListFunctionUrlConfigs(ctx, &awssdk.ListFunctionUrlConfigsInput{FunctionName: f}))
	if len(list.FunctionUrlConfigs) != 2 {
		t.Errorf("URLs: %+v", list.FunctionUrlConfigs)
	}
	must[*awssdk.DeleteFunctionUrlConfigOutput](t, "delete")(c.DeleteFunctionUrlConfig(ctx, &awssdk.DeleteFunctionUrlConfigInput{FunctionName: f}))
	if response, _ := h.ask(request(t, "GET", *latest.FunctionUrl, "")); response.StatusCode != 403 {
		t.Errorf("a URL that is gone: %d", response.StatusCode)
	}
	_, err = c.GetFunctionUrlConfig(ctx, &awssdk.GetFunctionUrlConfigInput{FunctionName: f})
	wantFault(t, "a URL that is gone", err, "ResourceNotFoundException")
}

func TestLambdaTagsPoliciesAndTheRest(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	made := create(t, c, "f", python(t, "return 1"), nil)
	must[*awssdk.TagResourceOutput](t, "tag")(c.TagResource(ctx, &awssdk.TagResourceInput{Resource: made.FunctionArn, Tags: map[string]string{"a": "1", "b": "2"}}))
	must[*awssdk.UntagResourceOutput](t, "untag")(c.UntagResource(ctx, &awssdk.UntagResourceInput{Resource: made.FunctionArn, TagKeys: []string{"a"}}))
	tags := must[*awssdk.ListTagsOutput](t, "tags")(c.ListTags(ctx, &awssdk.ListTagsInput{Resource: made.FunctionArn}))
	if len(tags.Tags) != 1 || tags.Tags["b"] != "2" {
		t.Errorf("tags: %v", tags.Tags)
	}
	f := aws.String("f")
	add := &awssdk.AddPermissionInput{FunctionName: f, StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"), SourceAccount: aws.String("111111111111")}
	must[*awssdk.AddPermissionOutput](t, "permission")(c.AddPermission(ctx, add))
	_, err := c.AddPermission(ctx, add)
	wantFault(t, "a permission twice", err, "ResourceConflictException")
	policy := must[*awssdk.GetPolicyOutput](t, "policy")(c.GetPolicy(ctx, &awssdk.GetPolicyInput{FunctionName: f}))
	for _, want := range []string{`"Version":"2012-10-17"`, `"Sid":"s"`, `"Principal":{"Service":"s3.amazonaws.com"}`, `"AWS:SourceAccount":"111111111111"`, `"Resource":"arn:aws:lambda:us-east-1:000000000000:function:f"`} {
		if !strings.Contains(*policy.Policy, want) {
			t.Errorf("the policy lacks %s: %s", want, *policy.Policy)
		}
	}
	_, err = c.RemovePermission(ctx, &awssdk.RemovePermissionInput{FunctionName: f, StatementId: aws.String("s"), RevisionId: aws.String("old")})
	wantFault(t, "a stale revision", err, "PreconditionFailedException")
	must[*awssdk.RemovePermissionOutput](t, "remove")(c.RemovePermission(ctx, &awssdk.RemovePermissionInput{FunctionName: f, StatementId: aws.String("s"), RevisionId: policy.RevisionId}))
	_, err = c.GetPolicy(ctx, &awssdk.GetPolicyInput{FunctionName: f})
	wantFault(t, "no policy", err, "ResourceNotFoundException")

	must[*awssdk.PutFunctionRecursionConfigOutput](t, "recursion")(c.PutFunctionRecursionConfig(ctx, &awssdk.PutFunctionRecursionConfigInput{FunctionName: f, RecursiveLoop: types.RecursiveLoopAllow}))
	recursion := must[*awssdk.GetFunctionRecursionConfigOutput](t, "recursion")(c.GetFunctionRecursionConfig(ctx, &awssdk.GetFunctionRecursionConfigInput{FunctionName: f}))
	runtime := must[*awssdk.GetRuntimeManagementConfigOutput](t, "runtime")(c.GetRuntimeManagementConfig(ctx, &awssdk.GetRuntimeManagementConfigInput{FunctionName: f}))
	if recursion.RecursiveLoop != types.RecursiveLoopAllow || runtime.UpdateRuntimeOn != types.UpdateRuntimeOnAuto {
		t.Errorf("recursion %v, runtime %v", recursion.RecursiveLoop, runtime.UpdateRuntimeOn)
	}
	_, err = c.PutRuntimeManagementConfig(ctx, &awssdk.PutRuntimeManagementConfigInput{FunctionName: f, UpdateRuntimeOn: types.UpdateRuntimeOnManual, RuntimeVersionArn: aws.String("arn:aws:lambda:us-east-1::runtime:x")})
	wantFault(t, "a runtime version of one's own", err, "InvalidParameterValueException")
	put := must[*awssdk.PutRuntimeManagementConfigOutput](t, "runtime")(c.PutRuntimeManagementConfig(ctx, &awssdk.PutRuntimeManagementConfigInput{FunctionName: f, UpdateRuntimeOn: types.UpdateRuntimeOnFunctionUpdate}))
	if put.UpdateRuntimeOn != types.UpdateRuntimeOnFunctionUpdate {
		t.Errorf("runtime: %+v", put)
	}
	_, err = c.CreateEventSourceMapping(ctx, &awssdk.CreateEventSourceMappingInput{FunctionName: f})
	wantFault(t, "an event source", err, "InvalidParameterValueException")
	mappings := must[*awssdk.ListEventSourceMappingsOutput](t, "event sources")(c.ListEventSourceMappings(ctx, &awssdk.ListEventSourceMappingsInput{}))
	signing := must[*awssdk.GetFunctionCodeSigningConfigOutput](t, "code signing")(c.GetFunctionCodeSigningConfig(ctx, &awssdk.GetFunctionCodeSigningConfigInput{FunctionName: f}))
	if len(mappings.EventSourceMappings) != 0 || signing.CodeSigningConfigArn != nil {
		t.Errorf("%v %v", mappings, signing)
	}
	response, err := http.Post("http://"+h.daemon.AdminAddr().String()+"/2015-03-31/functions", "application/json", bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != 403 || response.Header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" || response.Header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("unsigned: %d %s %v", response.StatusCode, body, response.Header)
	}
}

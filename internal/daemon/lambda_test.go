package daemon

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"teal"
	"teal/internal/api"
	"teal/internal/await"
	"teal/internal/wholebody"
)

const role = "arn:aws:iam::000000000000:role/any"

// awsClient returns AWS's own client, pointed at the daemon.
func (h *harness) awsClient() *awssdk.Client {
	h.t.Helper()
	token, err := os.ReadFile(filepath.Join(h.data, "admin.token"))
	if err != nil {
		h.t.Fatal(err)
	}
	return awssdk.New(awssdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + h.daemon.AdminAddr().String()),
		Credentials: aws.CredentialsProviderFunc(func(_ context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "teal", SecretAccessKey: strings.TrimSpace(string(token))}, nil
		}),
		HTTPClient: wholebody.New(h.t), RetryMaxAttempts: 1,
	})
}

// python returns a zip with a handler app.handler of this body.
func python(t testing.TB, body string) []byte {
	t.Helper()
	return zipped(t, "app.py", "import json, os, time\ndef handler(event, context):\n    "+strings.ReplaceAll(body, "\n", "\n    ")+"\n")
}

func zipped(t testing.TB, name, content string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	file, err := w.Create(name)
	if err == nil {
		_, err = file.Write([]byte(content))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// create makes a function.
func create(t testing.TB, c *awssdk.Client, name string, code []byte, change func(*awssdk.CreateFunctionInput)) *awssdk.CreateFunctionOutput {
	t.Helper()
	in := &awssdk.CreateFunctionInput{
		FunctionName: &name, Role: aws.String(role), Handler: aws.String("app.handler"), Runtime: types.RuntimePython312,
		Code:    &types.FunctionCode{ZipFile: code},
		Timeout: aws.Int32(60), // AWS's own is 3 s, which a machine that is used to the full needs to start
	}
	if change != nil {
		change(in)
	}
	out, err := c.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// invoke calls a function and returns what it said.
func invoke(t testing.TB, c *awssdk.Client, name, qualifier, event string) (answer, version string) {
	t.Helper()
	in := &awssdk.InvokeInput{FunctionName: &name, Payload: []byte(event)}
	if qualifier != "" {
		in.Qualifier = &qualifier
	}
	out, err := c.Invoke(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if out.FunctionError != nil {
		t.Fatalf("%s:%s: %s: %s", name, qualifier, *out.FunctionError, out.Payload)
	}
	return string(out.Payload), aws.ToString(out.ExecutedVersion)
}

// wantFault checks that an error is AWS's code.
func wantFault(t testing.TB, what string, err error, code string) {
	t.Helper()
	var fault smithy.APIError
	if !errors.As(err, &fault) || fault.ErrorCode() != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func must[T any](t testing.TB, what string) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return v
	}
}

// One function from its first line of code to its end, driven by AWS's client,
// and the same app seen with Teal's.
func TestLambdaFromCreateToDelete(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	const name = "My_Function"
	first := python(t, `return {"said": "one", "event": event, "version": context.function_version, "arn": context.invoked_function_arn}`)
	made := create(t, c, name, first, func(in *awssdk.CreateFunctionInput) {
		in.Description, in.Timeout, in.MemorySize = aws.String("first"), aws.Int32(50), aws.Int32(256)
		in.Environment = &types.Environment{Variables: map[string]string{"STAGE": "test"}}
		in.Tags = map[string]string{"team": "a"}
	})
	if *made.Version != "$LATEST" || made.State != types.StatePending || *made.FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:My_Function" {
		t.Errorf("made: %+v", made)
	}
	if err := awssdk.NewFunctionActiveV2Waiter(c).Wait(ctx, &awssdk.GetFunctionInput{FunctionName: aws.String(name)}, await.Patience); err != nil {
		t.Error(err)
	}

	// $LATEST runs for who calls it, without any alias.
	answer, version := invoke(t, c, name, "", `{"n":1}`)
	if version != "$LATEST" || !strings.Contains(answer, `"said": "one"`) || !strings.Contains(answer, `"version": "$LATEST"`) || !strings.Contains(answer, `function:My_Function"`) {
		t.Errorf("$LATEST: %s %s", version, answer)
	}

	one := must[*awssdk.PublishVersionOutput](t, "publish 1")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: aws.String(name)}))
	again := must[*awssdk.PublishVersionOutput](t, "publish again")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: aws.String(name)}))
	if *one.Version != "1" || *again.Version != "1" {
		t.Errorf("published %s, then %s without a change", *one.Version, *again.Version)
	}

	second := python(t, `return "two"`)
	updated := must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String(name), ZipFile: second}))
	if *updated.RevisionId == *made.RevisionId || *updated.CodeSha256 == *made.CodeSha256 {
		t.Errorf("after the update: %+v", updated)
	}
	if answer, version := invoke(t, c, name, "$LATEST", `{}`); answer != `"two"` || version != "$LATEST" {
		t.Errorf("$LATEST after the update: %s %s", version, answer)
	}
	two := must[*awssdk.PublishVersionOutput](t, "publish 2")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{
		FunctionName: aws.String(name), Description: aws.String("second"), CodeSha256: updated.CodeSha256,
	}))
	if *two.Version != "2" || *two.Description != "second" {
		t.Errorf("second: %+v", two)
	}
	// Going back to older content is a new version, as on AWS.
	must[*awssdk.UpdateFunctionCodeOutput](t, "update back")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String(name), ZipFile: first}))
	three := must[*awssdk.PublishVersionOutput](t, "publish 3")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: aws.String(name)}))
	if *three.Version != "3" || *three.CodeSha256 != *one.CodeSha256 {
		t.Errorf("third: %+v", three)
	}
	versions := must[*awssdk.ListVersionsByFunctionOutput](t, "versions")(c.ListVersionsByFunction(ctx, &awssdk.ListVersionsByFunctionInput{FunctionName: aws.String(name)}))
	if len(versions.Versions) != 4 || *versions.Versions[0].Version != "$LATEST" || *versions.Versions[3].Version != "3" {
		t.Errorf("versions: %+v", versions.Versions)
	}

	// The code comes back as it was sent.
	got := must[*awssdk.GetFunctionOutput](t, "get")(c.GetFunction(ctx, &awssdk.GetFunctionInput{FunctionName: aws.String(name), Qualifier: aws.String("2")}))
	if code := download(t, *got.Code.Location); !bytes.Equal(code, second) {
		t.Errorf("the code of version 2 has %d bytes, %d were sent", len(code), len(second))
	}
	if got.Tags["team"] != "a" || *got.Configuration.FunctionArn != *made.FunctionArn+":2" {
		t.Errorf("got %+v", got)
	}

	// The alias is the app's own.
	alias := must[*awssdk.CreateAliasOutput](t, "alias")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{
		FunctionName: aws.String(name), Name: aws.String("live"), FunctionVersion: aws.String("1"), Description: aws.String("what people get"),
	}))
	status := must[any](t, "status")(h.Status(ctx, name))
	if text := encode(t, status); !strings.Contains(text, `"live":{"revision":`) || !strings.Contains(text, `"version":1,"weight":100`) {
		t.Errorf("status: %s", text)
	}
	moved := must[*awssdk.UpdateAliasOutput](t, "split")(c.UpdateAlias(ctx, &awssdk.UpdateAliasInput{
		FunctionName: aws.String(name), Name: aws.String("live"), RevisionId: alias.RevisionId,
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 0.3}},
	}))
	if moved.RoutingConfig.AdditionalVersionWeights["2"] != 0.3 || *moved.Description != "what people get" || *moved.RevisionId == *alias.RevisionId {
		t.Errorf("split: %+v", moved)
	}
	seen := map[string]int{}
	for range 200 {
		_, version := invoke(t, c, name, "live", `{}`)
		seen[version]++
	}
	if seen["1"]+seen["2"] != 200 || seen["2"] < 30 || seen["2"] > 95 {
		t.Errorf("a weight of 0.3 gave %v of 200", seen)
	}

	// Teal's own way back.
	if _, err := h.Rollback(ctx, name, api.RollbackBody{}); err != nil {
		t.Errorf("rollback: %v", err)
	}
	after := must[*awssdk.GetAliasOutput](t, "get alias")(c.GetAlias(ctx, &awssdk.GetAliasInput{FunctionName: aws.String(name), Name: aws.String("live")}))
	if *after.FunctionVersion != "1" || after.RoutingConfig != nil || *after.Description != "what people get" {
		t.Errorf("after the rollback: %+v", after)
	}

	_, err := c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: aws.String(name), Qualifier: aws.String("1")})
	wantFault(t, "delete what live points to", err, "ResourceConflictException")
	must[*awssdk.DeleteFunctionOutput](t, "delete 3")(c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: aws.String(name), Qualifier: aws.String("3")}))
	must[*awssdk.DeleteFunctionOutput](t, "delete")(c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: aws.String(name)}))
	_, err = c.GetFunction(ctx, &awssdk.GetFunctionInput{FunctionName: aws.String(name)})
	wantFault(t, "get what is deleted", err, "ResourceNotFoundException")
	if _, err := h.Status(ctx, name); !teal.IsCode(err, teal.CodeUnknownApp) {
		t.Errorf("status of what is deleted: %v", err)
	}

	// Made again, it gets new numbers.
	create(t, c, name, first, func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	got = must[*awssdk.GetFunctionOutput](t, "get")(c.GetFunction(ctx, &awssdk.GetFunctionInput{FunctionName: aws.String(name), Qualifier: aws.String("4")}))
	if *got.Configuration.Version != "4" {
		t.Errorf("made again: version %s", *got.Configuration.Version)
	}
}

func encode(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func download(t testing.TB, url string) []byte {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", url, response.StatusCode, data, err)
	}
	return data
}

func TestLambdaInvocations(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	create(t, c, "f", python(t, `print("hello from", event.get("who"))
if event.get("fail"): raise ValueError("no")
return context.client_context.custom if context.client_context else None`), nil)
	out := must[*awssdk.InvokeOutput](t, "invoke")(c.Invoke(ctx, &awssdk.InvokeInput{
		FunctionName: aws.String("f"), Payload: []byte(`{"who":"me"}`), LogType: types.LogTypeTail,
		ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte(`{"custom":{"a":"ä"}}`))),
	}))
	log, _ := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if !strings.Contains(string(log), "hello from me") || !strings.Contains(string(log), "REPORT RequestId: ") || !strings.HasPrefix(string(log), "START RequestId: ") {
		t.Errorf("log: %s", log)
	}
	if string(out.Payload) != `{"a": "\u00e4"}` && string(out.Payload) != `{"a": "ä"}` {
		t.Errorf("client context: %s", out.Payload)
	}
	out = must[*awssdk.InvokeOutput](t, "invoke")(c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{"fail":true}`)}))
	if aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), `"errorType": "ValueError"`) || out.StatusCode != 200 {
		t.Errorf("failed: %v %s", out.FunctionError, out.Payload)
	}
	out = must[*awssdk.InvokeOutput](t, "dry run")(c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeDryRun}))
	if out.StatusCode != 204 {
		t.Errorf("dry run: %d", out.StatusCode)
	}
	_, err := c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{`)})
	wantFault(t, "not JSON", err, "InvalidRequestContentException")
	_, err = c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), Qualifier: aws.String("9")})
	wantFault(t, "no such version", err, "ResourceNotFoundException")
	_, err = c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), Qualifier: aws.String("beta")})
	wantFault(t, "no such alias", err, "ResourceNotFoundException")
	_, err = c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("g")})
	wantFault(t, "no such function", err, "ResourceNotFoundException")
	large := []byte(`"` + strings.Repeat("x", 6<<20) + `"`)
	_, err = c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: large})
	wantFault(t, "too large", err, "RequestTooLargeException")
	_, err = c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: large[:2<<20], InvocationType: types.InvocationTypeEvent})
	wantFault(t, "not JSON and too large for an event", err, "InvalidRequestContentException")
	_, err = c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: append(large[:2<<20:2<<20], '"'), InvocationType: types.InvocationTypeEvent})
	wantFault(t, "too large for an event", err, "RequestTooLargeException")
}

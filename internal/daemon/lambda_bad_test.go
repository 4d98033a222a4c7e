package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
)

// raw sends a signed request that no SDK would let through.
func (h *harness) raw(method, path, body string) (status int, code, message string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.daemon.AdminAddr().String()+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	credentials, err := h.awsClient().Options().Credentials.Retrieve(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(context.Background(), credentials, r, hex.EncodeToString(sum[:]), "lambda", "us-east-1", time.Now()); err != nil {
		h.t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	data, _ := io.ReadAll(response.Body)
	var said map[string]any
	_ = json.Unmarshal(data, &said)
	for _, key := range []string{"message", "Message"} {
		if text, ok := said[key].(string); ok {
			message = text
		}
	}
	return response.StatusCode, response.Header.Get("X-Amzn-Errortype"), message
}

// Whatever is wrong with a request, it is said in AWS's code and status, and
// nothing has changed.
//
// Of events, seen red without utf8.Valid (both were taken, with 200 and 202), without
// json.Valid (the deep one was), and without the reason in the answer.
func TestLambdaBadInput(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	create(t, c, "f", python(t, "return 1"), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: python(t, "return 2"), Publish: true}))
	must[*awssdk.CreateAliasOutput](t, "alias")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: aws.String("f"), Name: aws.String("prod"), FunctionVersion: aws.String("1")}))
	before := encode(t, must[*awssdk.GetAliasOutput](t, "get")(c.GetAlias(ctx, &awssdk.GetAliasInput{FunctionName: aws.String("f"), Name: aws.String("prod")})).RevisionId)

	zip64 := base64.StdEncoding.EncodeToString(python(t, "return 3"))
	made := func(change string) string {
		return `{"FunctionName":"g","Role":"` + role + `","Handler":"app.handler","Runtime":"python3.12","Code":{"ZipFile":"` + zip64 + `"}` + change + `}`
	}
	const create, alias = "/2015-03-31/functions", "/2015-03-31/functions/f/aliases/prod"
	weights := func(w string) string { return `{"RoutingConfig":{"AdditionalVersionWeights":` + w + `}}` }
	bomb := base64.StdEncoding.EncodeToString(zipped(t, "zero", strings.Repeat("\x00", 251<<20)))
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		code, says               string
	}{
		{"no such operation", "GET", "/2015-03-31/nothing", "", 404, "UnknownOperationException", ""},
		{"a body that is not JSON", "POST", create, "{", 400, "InvalidRequestContentException", "Could not parse request body into json"},
		{"an event that is no UTF-8", "POST", "/2015-03-31/functions/f/invocations", "{\"a\":\"\xff\"}", 400, "InvalidRequestContentException", "Could not parse payload into json: Invalid UTF-8"},
		{"an event for later, likewise", "POST", "/2014-11-13/functions/f/invoke-async", "\"\xc3(\"", 400, "InvalidRequestContentException", "Invalid UTF-8"},
		{"an event nested too deep", "POST", "/2015-03-31/functions/f/invocations", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), 400, "InvalidRequestContentException", "max depth"},
		{"a name of the wrong form", "GET", "/2015-03-31/functions/a!b", "", 400, "ValidationException", "functionName"},
		{"another region", "GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Af", "", 404, "ResourceNotFoundException", "region"},
		{"another account", "GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A111111111111%3Afunction%3Af", "", 403, "AccessDeniedException", "not authorized"},
		{"two qualifiers", "GET", "/2015-03-31/functions/f:1?Qualifier=2", "", 400, "InvalidParameterValueException", "derived qualifier"},
		{"no such version", "GET", "/2015-03-31/functions/f?Qualifier=9", "", 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:9"},
		{"no such alias", "GET", "/2015-03-31/functions/f/aliases/beta", "", 404, "ResourceNotFoundException", "Cannot find alias arn"},
		{"no role", "POST", create, strings.Replace(made(""), `"Role":"`+role+`",`, "", 1), 400, "ValidationException", "role"},
		{"a role that is none", "POST", create, strings.Replace(made(""), role, "me", 1), 400, "ValidationException", "role"},
		{"a name that is taken", "POST", create, strings.Replace(made(""), `"g"`, `"f"`, 1), 409, "ResourceConflictException", "Function already exist: f"},
		{"an unknown runtime", "POST", create, strings.Replace(made(""), "python3.12", "cobol", 1), 400, "InvalidParameterValueException", "enum value set"},
		{"a retired runtime", "POST", create, strings.Replace(made(""), "python3.12", "nodejs12.x", 1), 400, "InvalidParameterValueException", "no longer supported"},
		{"a runtime that is not here", "POST", create, strings.Replace(made(""), "python3.12", "java21", 1), 400, "InvalidParameterValueException", "not available on Teal"},
		{"a zip that is none", "POST", create, strings.Replace(made(""), zip64, "aGVsbG8=", 1), 400, "InvalidParameterValueException", "Could not unzip"},
		{"a zip without files", "POST", create, strings.Replace(made(""), zip64, "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==", 1), 400, "InvalidParameterValueException", "non-empty zip"},
		{"an empty zip", "POST", create, strings.Replace(made(""), zip64, "", 1), 400, "InvalidParameterValueException", "non-empty zip"},
		{"a zip bomb", "POST", create, strings.Replace(made(""), zip64, bomb, 1), 400, "InvalidParameterValueException", "Unzipped size"},
		{"no code", "POST", create, strings.Replace(made(""), `"ZipFile":"`+zip64+`"`, "", 1), 400, "InvalidParameterValueException", "source for function code"},
		{"base64 that is none", "POST", create, strings.Replace(made(""), zip64, "%", 1), 400, "SerializationException", ""},
		{"S3 without a folder", "POST", create, strings.Replace(made(""), `"ZipFile":"`+zip64+`"`, `"S3Bucket":"bkt","S3Key":"k"`, 1), 400, "InvalidParameterValueException", "--aws-buckets"},
		{"an image", "POST", create, made(`,"PackageType":"Image"`), 400, "InvalidParameterValueException", "not images"},
		{"a VPC", "POST", create, made(`,"VpcConfig":{"SubnetIds":["s"],"SecurityGroupIds":["g"]}`), 400, "InvalidParameterValueException", "VpcConfig"},
		{"too little memory", "POST", create, made(`,"MemorySize":64`), 400, "ValidationException", "memorySize"},
		{"too long a timeout", "POST", create, made(`,"Timeout":901`), 400, "ValidationException", "timeout"},
		{"text for a number", "POST", create, made(`,"Timeout":"5"`), 400, "SerializationException", "STRING_VALUE"},
		{"a long description", "POST", create, made(`,"Description":"` + strings.Repeat("x", 257) + `"`), 400, "ValidationException", "description"},
		{"a large environment", "POST", create, made(`,"Environment":{"Variables":{"AB":"` + strings.Repeat("x", 4096) + `"}}`), 400, "InvalidParameterValueException", "4KB"},
		{"a reserved variable", "POST", create, made(`,"Environment":{"Variables":{"AWS_REGION":"x"}}`), 400, "InvalidParameterValueException", "Reserved keys"},
		{"a leading dash", "POST", create, strings.Replace(made(""), `"g"`, `"-g"`, 1), 400, "InvalidParameterValueException", "dash"},
		{"a stale revision", "PUT", "/2015-03-31/functions/f/configuration", `{"RevisionId":"00000000-0000-4000-8000-000000000000"}`, 412, "PreconditionFailedException", "latest Revision Id"},
		{"a wrong digest", "POST", "/2015-03-31/functions/f/versions", `{"CodeSha256":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"}`, 400, "InvalidParameterValueException", "CodeSHA256"},
		{"an alias of digits", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"12","FunctionVersion":"1"}`, 400, "ValidationException", "name"},
		{"the alias preview", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"preview","FunctionVersion":"1"}`, 400, "InvalidParameterValueException", "preview"},
		{"an alias twice", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"prod","FunctionVersion":"1"}`, 409, "ResourceConflictException", "Alias already exists"},
		{"an alias for no version", "PUT", alias, `{"FunctionVersion":"9"}`, 404, "ResourceNotFoundException", "function:f:9"},
		{"a weight as text", "PUT", alias, weights(`{"2":"0.5"}`), 400, "SerializationException", ""},
		{"a negative weight", "PUT", alias, weights(`{"2":-0.1}`), 400, "ValidationException", "additionalVersionWeights"},
		{"a weight of 1", "PUT", alias, weights(`{"2":1}`), 400, "ValidationException", "additionalVersionWeights"},
		{"a weight of NaN", "PUT", alias, weights(`{"2":NaN}`), 400, "InvalidRequestContentException", ""},
		{"a weight too fine", "PUT", alias, weights(`{"2":0.12345}`), 400, "InvalidParameterValueException", "four decimals"},
		{"three versions", "PUT", alias, weights(`{"1":0.1,"2":0.1}`), 400, "InvalidParameterValueException", "cannot be greater than 1"},
		{"a weight for itself", "PUT", alias, weights(`{"1":0.1}`), 400, "InvalidParameterValueException", "already included"},
		{"a weight for no version", "PUT", alias, weights(`{"9":0.1}`), 404, "ResourceNotFoundException", ""},
		{"a weight for a word", "PUT", alias, weights(`{"beta":0.1}`), 400, "ValidationException", "[0-9]+"},
		{"$LATEST with weights", "PUT", alias, `{"FunctionVersion":"$LATEST","RoutingConfig":{"AdditionalVersionWeights":{"2":0.1}}}`, 400, "InvalidParameterValueException", "$LATEST is not supported"},
		{"live to $LATEST", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"live","FunctionVersion":"$LATEST"}`, 400, "InvalidParameterValueException", "live"},
		{"a marker of another list", "GET", "/2015-03-31/functions?Marker=eyJMaXN0IjoidmVyc2lvbnMgb2YgZiIsIkFmdGVyIjoiIn0%3D", "", 400, "InvalidParameterValueException", "Marker"},
		{"a page of nothing", "GET", "/2015-03-31/functions?MaxItems=0", "", 400, "ValidationException", "maxItems"},
		{"another list", "GET", "/2015-03-31/functions?FunctionVersion=SOME", "", 400, "ValidationException", "functionVersion"},
		{"code signing", "GET", "/2020-04-22/code-signing-configs", "", 400, "InvalidParameterValueException", "docs/aws.md"},
	} {
		status, code, message := h.raw(c.method, c.path, c.body)
		if status != c.status || code != c.code || !strings.Contains(message, c.says) {
			t.Errorf("%s: %d %s %q; want %d %s with %q", c.what, status, code, message, c.status, c.code, c.says)
		}
	}
	after := must[*awssdk.GetAliasOutput](t, "get")(c.GetAlias(ctx, &awssdk.GetAliasInput{FunctionName: aws.String("f"), Name: aws.String("prod")}))
	if encode(t, after.RevisionId) != before || after.RoutingConfig != nil {
		t.Errorf("the alias has changed: %+v", after)
	}
	list := must[*awssdk.ListFunctionsOutput](t, "list")(c.ListFunctions(ctx, &awssdk.ListFunctionsInput{}))
	if len(list.Functions) != 1 {
		t.Errorf("%d functions", len(list.Functions))
	}
}

// Of many updates at once some are done and the others are refused as conflicts;
// the last one done is what is there.
func TestLambdaUpdatesAtOnce(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	create(t, c, "f", python(t, "return 1"), nil)
	var group sync.WaitGroup
	results := make(chan error, 20)
	for n := range 20 {
		group.Go(func() {
			_, err := c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), Timeout: aws.Int32(int32(n + 1))})
			results <- err
		})
	}
	group.Wait()
	close(results)
	done := 0
	for err := range results {
		if err == nil {
			done++
		} else {
			wantFault(t, "an update beside another", err, "ResourceConflictException")
		}
	}
	if done == 0 {
		t.Error("none of 20 updates was done")
	}
}

// Lists come in pages, each item once.
func TestLambdaPages(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	code := python(t, "return 1")
	for n := range 7 {
		create(t, c, "f"+string(rune('a'+n)), code, func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	}
	var names []string
	for pages := awssdk.NewListFunctionsPaginator(c, &awssdk.ListFunctionsInput{MaxItems: aws.Int32(3)}); pages.HasMorePages(); {
		page := must[*awssdk.ListFunctionsOutput](t, "page")(pages.NextPage(ctx))
		for _, f := range page.Functions {
			names = append(names, *f.FunctionName)
		}
	}
	if strings.Join(names, "") != "fafbfcfdfefffg" {
		t.Errorf("functions: %v", names)
	}
	count := 0
	for pages := awssdk.NewListFunctionsPaginator(c, &awssdk.ListFunctionsInput{MaxItems: aws.Int32(4), FunctionVersion: types.FunctionVersionAll}); pages.HasMorePages(); {
		count += len(must[*awssdk.ListFunctionsOutput](t, "page")(pages.NextPage(ctx)).Functions)
	}
	if count != 14 {
		t.Errorf("%d versions of all functions, want 14", count)
	}
}

// A list shows what was written before it was asked for, in pages that leave
// nothing out. Seen red, as a test that hangs, with ":" between name and number in
// the markers: they are not in the order of the list then.
func TestLambdaListsAreNeverBehind(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	list := func(all bool, size int32) (keys []string) {
		in := &awssdk.ListFunctionsInput{MaxItems: &size}
		if all {
			in.FunctionVersion = types.FunctionVersionAll
		}
		for pages := awssdk.NewListFunctionsPaginator(c, in); pages.HasMorePages(); {
			for _, f := range must[*awssdk.ListFunctionsOutput](t, "page")(pages.NextPage(ctx)).Functions {
				keys = append(keys, *f.FunctionName+" "+*f.Version+" "+*f.Description)
			}
		}
		return keys
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	code := python(t, "return 1")
	for _, name := range []string{"fa-b", "fa", "fa_c"} {
		create(t, c, name, code, nil)
		must[*awssdk.UpdateFunctionConfigurationOutput](t, "describe")(c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{FunctionName: &name, Description: &name}))
		must[*awssdk.PublishVersionOutput](t, "publish")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: &name}))
	}
	for size := range int32(4) {
		want("functions", list(false, size+1), "fa $LATEST fa", "fa-b $LATEST fa-b", "fa_c $LATEST fa_c")
		want("versions", list(true, size+1), "fa $LATEST fa", "fa 1 fa", "fa-b $LATEST fa-b", "fa-b 1 fa-b", "fa_c $LATEST fa_c", "fa_c 1 fa_c")
	}
	for n := range 30 {
		name := fmt.Sprintf("g%d", n)
		create(t, c, name, code, func(in *awssdk.CreateFunctionInput) { in.Description, in.Publish = aws.String("x"), true })
		if got := list(true, 50); !slices.Contains(got, name+" 1 x") || !slices.Contains(got, name+" $LATEST x") {
			t.Errorf("right after it was made %s is not among %q", name, got)
		}
		must[*awssdk.DeleteFunctionOutput](t, "delete")(c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: &name}))
		want("after the deletion", list(false, 50), "fa $LATEST fa", "fa-b $LATEST fa-b", "fa_c $LATEST fa_c")
	}
	must[*awssdk.DeleteFunctionOutput](t, "delete a version")(c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: aws.String("fa"), Qualifier: aws.String("1")}))
	want("without a version", list(true, 50)[:2], "fa $LATEST fa", "fa-b $LATEST fa-b")
	h.stop()
	h = startDaemon(t, h.data)
	c = h.awsClient()
	want("after a restart", list(true, 50), "fa $LATEST fa", "fa-b $LATEST fa-b", "fa-b 1 fa-b", "fa_c $LATEST fa_c", "fa_c 1 fa_c")
}

// An app that `teal deploy` has made is a function here, with its code to
// download.
func TestLambdaSeesDeployedApps(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	dir := t.TempDir()
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "teal.yaml"), []byte("app: shop\nfunctions:\n  hello: {runtime: python3, handler: app.handler, code: ./code}\nroutes:\n  - {path: /, to: hello}\n"), 0o644),
		os.Mkdir(filepath.Join(dir, "code"), 0o755),
		os.WriteFile(filepath.Join(dir, "code", "app.py"), []byte("def handler(event, context):\n    return 'deployed'\n"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	h.deploy(dir, true, func(p *teal.Policy) { p.Confidence = 0 })
	h.awaitPhase("shop", teal.PhaseCompleted)
	got := must[*awssdk.GetFunctionOutput](t, "get")(c.GetFunction(ctx, &awssdk.GetFunctionInput{FunctionName: aws.String("shop-hello"), Qualifier: aws.String("live")}))
	if *got.Configuration.Version != "1" || *got.Configuration.FunctionName != "shop-hello" {
		t.Errorf("got %+v", got.Configuration)
	}
	if zip := download(t, *got.Code.Location); !bytes.HasPrefix(zip, []byte("PK")) {
		t.Errorf("the code is %q", zip)
	}
	if answer, version := invoke(t, c, "shop-hello", "live", "{}"); answer != `"deployed"` || version != "1" {
		t.Errorf("version %s said %s", version, answer)
	}
	update := must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("shop-hello"), ZipFile: python(t, "return 'updated'"), Publish: true}))
	if *update.Version != "2" {
		t.Errorf("published %s", *update.Version)
	}
	must[*awssdk.UpdateAliasOutput](t, "promote")(c.UpdateAlias(ctx, &awssdk.UpdateAliasInput{FunctionName: aws.String("shop-hello"), Name: aws.String("live"), FunctionVersion: aws.String("2")}))
	if response, body := h.ask(request(t, "GET", "http://shop.example/", "")); body != "updated" || response.Header.Get("Teal-Version") != "2" {
		t.Errorf("the gateway: %s %s", response.Header.Get("Teal-Version"), body)
	}
}

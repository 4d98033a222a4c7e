package daemon

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal/internal/datadir"
	"teal/internal/store"
)

// zipOf packs files; a name that ends in @ is a link, one that ends in * is
// executable.
func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, content := range files {
		header := &zip.FileHeader{Name: strings.TrimRight(name, "@*"), Method: zip.Deflate}
		header.SetMode(0o644)
		switch {
		case strings.HasSuffix(name, "@"):
			header.SetMode(os.ModeSymlink | 0o777)
		case strings.HasSuffix(name, "*"):
			header.SetMode(0o755)
		}
		file, err := w.CreateHeader(header)
		if err == nil {
			_, err = file.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// bomb is the content of a layer that says that it is 251 MB large.
func bomb(t testing.TB) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	file, err := w.CreateRaw(&zip.FileHeader{Name: "zero", Method: zip.Deflate, CompressedSize64: 1, UncompressedSize64: 251 << 20})
	if err == nil {
		_, err = file.Write([]byte{3})
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return `{"Content":{"ZipFile":"` + base64.StdEncoding.EncodeToString(buf.Bytes()) + `"}}`
}

func publishLayer(t testing.TB, c *awssdk.Client, name string, files map[string]string) *awssdk.PublishLayerVersionOutput {
	t.Helper()
	return must[*awssdk.PublishLayerVersionOutput](t, "publish layer")(c.PublishLayerVersion(t.Context(), &awssdk.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: zipOf(t, files)},
	}))
}

// Versions of layers, from the first to none, and their policies.
func TestLambdaLayerVersions(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	code := zipOf(t, map[string]string{"python/said.py": "text = 'one'\n"})
	name := aws.String("shared")
	one := must[*awssdk.PublishLayerVersionOutput](t, "publish")(c.PublishLayerVersion(ctx, &awssdk.PublishLayerVersionInput{
		LayerName: name, Description: aws.String("first"), LicenseInfo: aws.String("MIT"),
		CompatibleRuntimes: []types.Runtime{types.RuntimePython312}, CompatibleArchitectures: []types.Architecture{types.ArchitectureX8664},
		Content: &types.LayerVersionContentInput{ZipFile: code},
	}))
	const arn = "arn:aws:lambda:us-east-1:000000000000:layer:shared"
	if one.Version != 1 || *one.LayerArn != arn || *one.LayerVersionArn != arn+":1" || one.Content.CodeSize != int64(len(code)) || *one.LicenseInfo != "MIT" || *one.CreatedDate == "" {
		t.Errorf("published: %+v", one)
	}
	got := must[*awssdk.GetLayerVersionOutput](t, "get")(c.GetLayerVersion(ctx, &awssdk.GetLayerVersionInput{LayerName: aws.String(arn), VersionNumber: aws.Int64(1)}))
	if !bytes.Equal(download(t, *got.Content.Location), code) || *got.Content.CodeSha256 != *one.Content.CodeSha256 || *got.Description != "first" {
		t.Errorf("got: %+v", got)
	}
	byARN := must[*awssdk.GetLayerVersionByArnOutput](t, "by ARN")(c.GetLayerVersionByArn(ctx, &awssdk.GetLayerVersionByArnInput{Arn: one.LayerVersionArn}))
	if *byARN.LayerVersionArn != *one.LayerVersionArn || byARN.CompatibleRuntimes[0] != types.RuntimePython312 {
		t.Errorf("by ARN: %+v", byARN)
	}
	two := publishLayer(t, c, "shared", map[string]string{"python/said.py": "text = 'two'\n"})
	publishLayer(t, c, "another", map[string]string{"a": "b"})
	list := must[*awssdk.ListLayerVersionsOutput](t, "versions")(c.ListLayerVersions(ctx, &awssdk.ListLayerVersionsInput{LayerName: name}))
	if len(list.LayerVersions) != 2 || list.LayerVersions[0].Version != 2 {
		t.Errorf("versions: %+v", list.LayerVersions)
	}
	page := must[*awssdk.ListLayerVersionsOutput](t, "a page")(c.ListLayerVersions(ctx, &awssdk.ListLayerVersionsInput{LayerName: name, MaxItems: aws.Int32(1)}))
	rest := must[*awssdk.ListLayerVersionsOutput](t, "the next page")(c.ListLayerVersions(ctx, &awssdk.ListLayerVersionsInput{LayerName: name, Marker: page.NextMarker}))
	if len(rest.LayerVersions) != 1 || rest.LayerVersions[0].Version != 1 || rest.NextMarker != nil {
		t.Errorf("the next page: %+v", rest)
	}
	all := must[*awssdk.ListLayersOutput](t, "layers")(c.ListLayers(ctx, &awssdk.ListLayersInput{}))
	if len(all.Layers) != 2 || *all.Layers[1].LayerName != "shared" || all.Layers[1].LatestMatchingVersion.Version != 2 {
		t.Errorf("layers: %+v", all.Layers)
	}
	only := must[*awssdk.ListLayersOutput](t, "layers for")(c.ListLayers(ctx, &awssdk.ListLayersInput{CompatibleRuntime: types.RuntimePython312, CompatibleArchitecture: types.ArchitectureX8664}))
	if len(only.Layers) != 1 || only.Layers[0].LatestMatchingVersion.Version != 1 {
		t.Errorf("layers for python3.12: %+v", only.Layers)
	}

	layerPolicies(t, c, name)

	must[*awssdk.DeleteLayerVersionOutput](t, "delete")(c.DeleteLayerVersion(ctx, &awssdk.DeleteLayerVersionInput{LayerName: name, VersionNumber: aws.Int64(two.Version)}))
	must[*awssdk.DeleteLayerVersionOutput](t, "delete again")(c.DeleteLayerVersion(ctx, &awssdk.DeleteLayerVersionInput{LayerName: name, VersionNumber: aws.Int64(two.Version)}))
	_, err := c.GetLayerVersion(ctx, &awssdk.GetLayerVersionInput{LayerName: name, VersionNumber: aws.Int64(two.Version)})
	wantFault(t, "get what is deleted", err, "ResourceNotFoundException")
	h.stop()
	h = startDaemon(t, h.data)
	c = h.awsClient()
	if three := publishLayer(t, c, "shared", map[string]string{"x": "y"}); three.Version != 3 {
		t.Errorf("the number after a deleted one, after a restart: %d", three.Version)
	}
}

func layerPolicies(t *testing.T, c *awssdk.Client, name *string) {
	t.Helper()
	ctx, version := t.Context(), aws.Int64(1)
	_, err := c.GetLayerVersionPolicy(ctx, &awssdk.GetLayerVersionPolicyInput{LayerName: name, VersionNumber: version})
	wantFault(t, "no policy", err, "ResourceNotFoundException")
	permission := &awssdk.AddLayerVersionPermissionInput{
		LayerName: name, VersionNumber: version, StatementId: aws.String("all"), Action: aws.String("lambda:GetLayerVersion"),
		Principal: aws.String("*"), OrganizationId: aws.String("o-0123456789"),
	}
	added := must[*awssdk.AddLayerVersionPermissionOutput](t, "add")(c.AddLayerVersionPermission(ctx, permission))
	if !strings.Contains(*added.Statement, `"aws:PrincipalOrgID":"o-0123456789"`) || !strings.Contains(*added.Statement, "layer:shared:1") {
		t.Errorf("statement: %s", *added.Statement)
	}
	_, err = c.AddLayerVersionPermission(ctx, permission)
	wantFault(t, "the same again", err, "ResourceConflictException")
	permission.StatementId, permission.RevisionId = aws.String("more"), aws.String("stale")
	_, err = c.AddLayerVersionPermission(ctx, permission)
	wantFault(t, "a stale revision", err, "PreconditionFailedException")
	policy := must[*awssdk.GetLayerVersionPolicyOutput](t, "policy")(c.GetLayerVersionPolicy(ctx, &awssdk.GetLayerVersionPolicyInput{LayerName: name, VersionNumber: version}))
	if *policy.RevisionId != *added.RevisionId || !strings.Contains(*policy.Policy, `"Sid":"all"`) {
		t.Errorf("policy: %+v", policy)
	}
	must[*awssdk.RemoveLayerVersionPermissionOutput](t, "remove")(c.RemoveLayerVersionPermission(ctx, &awssdk.RemoveLayerVersionPermissionInput{LayerName: name, VersionNumber: version, StatementId: aws.String("all"), RevisionId: policy.RevisionId}))
	_, err = c.RemoveLayerVersionPermission(ctx, &awssdk.RemoveLayerVersionPermissionInput{LayerName: name, VersionNumber: version, StatementId: aws.String("all")})
	wantFault(t, "remove what is gone", err, "ResourceNotFoundException")
}

// A version keeps the layers that it was published with, also when they are
// deleted and the server has started again. Later layers cover earlier ones.
func TestLambdaLayersOfFunctions(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	f := aws.String("f")
	one := publishLayer(t, c, "said", map[string]string{"python/said.py": "text = 'one'\n", "python/lib/python3.12/site-packages/deep.py": "text = 'deep'\n"})
	over := publishLayer(t, c, "over", map[string]string{"python/covered.py": "text = 'over'\n", "bin/tool*": "#!/bin/sh\necho tool\n"})
	under := publishLayer(t, c, "under", map[string]string{"python/covered.py": "text = 'under'\n", "lib/x": ""})
	made := create(t, c, "f", python(t, `import said, deep, covered, subprocess
return [said.text, deep.text, covered.text, subprocess.check_output(["tool"], text=True).strip(), os.path.isdir(os.environ["LAMBDA_LAYERS"] + "/python")]`),
		func(in *awssdk.CreateFunctionInput) {
			in.Layers, in.Publish = []string{*one.LayerVersionArn, *under.LayerVersionArn, *over.LayerVersionArn}, true
		})
	if len(made.Layers) != 3 || *made.Layers[0].Arn != *one.LayerVersionArn || made.Layers[0].CodeSize != one.Content.CodeSize {
		t.Errorf("made with %+v", made.Layers)
	}
	const first, second = `["one", "deep", "over", "tool", true]`, `["two", "deep", "under", "tool", true]`
	if answer, _ := invoke(t, c, "f", "1", "{}"); answer != first {
		t.Errorf("version 1: %s", answer)
	}
	two := publishLayer(t, c, "said", map[string]string{"python/said.py": "text = 'two'\n", "python/deep.py": "text = 'deep'\n"})
	must[*awssdk.UpdateFunctionConfigurationOutput](t, "update")(c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{
		FunctionName: f, Layers: []string{*two.LayerVersionArn, *over.LayerVersionArn, *under.LayerVersionArn},
	}))
	must[*awssdk.PublishVersionOutput](t, "publish")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: f}))
	for _, l := range []*awssdk.PublishLayerVersionOutput{one, over, two} {
		_, name, _ := strings.Cut(*l.LayerArn, ":layer:")
		must[*awssdk.DeleteLayerVersionOutput](t, "delete")(c.DeleteLayerVersion(ctx, &awssdk.DeleteLayerVersionInput{LayerName: &name, VersionNumber: &l.Version}))
	}
	for _, when := range []string{"at once", "after a restart"} {
		for version, want := range map[string]string{"1": first, "2": second, "$LATEST": second} {
			if answer, _ := invoke(t, c, "f", version, "{}"); answer != want {
				t.Errorf("%s version %s says %s, want %s", when, version, answer, want)
			}
		}
		h.stop()
		h = startDaemon(t, h.data)
		c = h.awsClient()
	}
	_, err := c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{FunctionName: f, Layers: []string{*two.LayerVersionArn}})
	wantFault(t, "a layer that is deleted", err, "InvalidParameterValueException")
	none := must[*awssdk.UpdateFunctionConfigurationOutput](t, "no layers")(c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{FunctionName: f, Layers: []string{}}))
	if len(none.Layers) != 0 {
		t.Errorf("without layers: %+v", none.Layers)
	}
	out := must[*awssdk.InvokeOutput](t, "invoke")(c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: f}))
	if !strings.Contains(string(out.Payload), "No module named 'said'") {
		t.Errorf("without layers: %s", out.Payload)
	}
}

// Numbers are given out once, to many at the same time, and when a server was
// killed after it had taken a number and before the version was recorded: then
// there is no such version.
//
// Seen red with numbers that follow from how many versions there are: the number
// that was taken was given out.
func TestLambdaLayerNumbersAreUnique(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	code := zipOf(t, map[string]string{"a": "b"})
	numbers := make(chan int64, 8)
	var callers sync.WaitGroup
	for range cap(numbers) {
		callers.Go(func() {
			out, err := c.PublishLayerVersion(ctx, &awssdk.PublishLayerVersionInput{LayerName: aws.String("l"), Content: &types.LayerVersionContentInput{ZipFile: code}})
			if err != nil {
				t.Error(err)
				return
			}
			numbers <- out.Version
		})
	}
	callers.Wait()
	close(numbers)
	seen := map[int64]bool{}
	for n := range numbers {
		if seen[n] || n < 1 || n > 8 {
			t.Errorf("number %d, after %v", n, seen)
		}
		seen[n] = true
	}
	type counter struct {
		Layer string
		Last  int
	}
	key := store.SideKey{App: "l", Name: "layer"} // a number that was taken, and no version recorded, when the server ended
	counters := store.NewSide(h.kv(), "lambda", "layers", func(counter) store.SideKey { return key })
	_, err := counters.Modify(ctx, key, func(c *counter) error { c.Last++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	h.stop()
	h = startDaemon(t, h.data)
	c = h.awsClient()
	if next := publishLayer(t, c, "l", map[string]string{"a": "c"}); next.Version != 10 {
		t.Errorf("the next number is %d", next.Version)
	}
	list := must[*awssdk.ListLayerVersionsOutput](t, "versions")(c.ListLayerVersions(ctx, &awssdk.ListLayerVersionsInput{LayerName: aws.String("l")}))
	if len(list.LayerVersions) != 9 {
		t.Errorf("versions: %+v", list.LayerVersions)
	}
}

func TestLambdaBootstrapInALayer(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c := h.awsClient()
	loader := publishLayer(t, c, "loader", map[string]string{"bootstrap*": `#!/usr/bin/env python3
import os, urllib.request
api = "http://%s/2018-06-01/runtime/invocation/" % os.environ["AWS_LAMBDA_RUNTIME_API"]
while True:
    event = urllib.request.urlopen(api + "next")
    text = open(os.environ["LAMBDA_TASK_ROOT"] + "/text").read()
    urllib.request.urlopen(api + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", data=text.encode())
`})
	create(t, c, "f", zipped(t, "text", `"from the code"`), func(in *awssdk.CreateFunctionInput) {
		in.Runtime, in.Layers = types.RuntimeProvidedal2023, []string{*loader.LayerVersionArn}
	})
	if answer, _ := invoke(t, c, "f", "", "{}"); answer != `"from the code"` {
		t.Errorf("answer: %s", answer)
	}
}

// Whatever is wrong with a layer, or with what a function wants of layers, it is
// said in AWS's code and status, and nothing is there afterwards.
func TestLambdaBadLayers(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c := h.awsClient()
	create(t, c, "f", python(t, "return 1"), nil)
	for _, name := range []string{"a", "b"} {
		publishLayer(t, c, name, map[string]string{"x": name})
	}
	publishLayer(t, c, "a", map[string]string{"x": "2"})
	publishLayer(t, c, "up", map[string]string{"up@": "in/../x"})
	publishLayer(t, c, "in", map[string]string{"in@": "."})
	bundles := func() int {
		found, err := filepath.Glob(filepath.Join(h.data, datadir.Bundles, "s*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	before := bundles()
	const versions, configure, arn = "/2018-10-31/layers/l/versions", "/2015-03-31/functions/f/configuration", "arn:aws:lambda:us-east-1:000000000000:layer:"
	content := func(files map[string]string) string {
		return `{"Content":{"ZipFile":"` + base64.StdEncoding.EncodeToString(zipOf(t, files)) + `"}}`
	}
	layers := func(arns ...string) string { return `{"Layers":["` + strings.Join(arns, `","`) + `"]}` }
	good := content(map[string]string{"a": "b"})
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		code, says               string
	}{
		{"no content", "POST", versions, `{}`, 400, "ValidationException", "'content'"},
		{"no code", "POST", versions, `{"Content":{}}`, 400, "InvalidParameterValueException", "provide a source"},
		{"not a zip", "POST", versions, `{"Content":{"ZipFile":"bm8="}}`, 400, "InvalidParameterValueException", "Could not unzip"},
		{"not base64", "POST", versions, `{"Content":{"ZipFile":"*"}}`, 400, "SerializationException", ""},
		{"an empty zip", "POST", versions, content(nil), 400, "InvalidParameterValueException", "non-empty zip"},
		{"a bomb", "POST", versions, bomb(t), 400, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes"},
		{"a path that leads out", "POST", versions, content(map[string]string{"../x": "y"}), 400, "InvalidParameterValueException", "leaves the folder"},
		{"an absolute path", "POST", versions, content(map[string]string{"/etc/x": "y"}), 400, "InvalidParameterValueException", "absolute"},
		{"a link that leads out", "POST", versions, content(map[string]string{"python/x@": "../../y"}), 400, "InvalidParameterValueException", "outside"},
		{"an extension", "POST", versions, content(map[string]string{"extensions/x*": "y"}), 400, "InvalidParameterValueException", "docs/aws.md"},
		{"a bucket without a folder of buckets", "POST", versions, `{"Content":{"S3Bucket":"bucket","S3Key":"k"}}`, 400, "InvalidParameterValueException", "--aws-buckets"},
		{"a long description", "POST", versions, strings.Replace(good, `{`, `{"Description":"`+strings.Repeat("x", 257)+`",`, 1), 400, "ValidationException", "'description'"},
		{"a runtime that never was", "POST", versions, strings.Replace(good, `{`, `{"CompatibleRuntimes":["cobol"],`, 1), 400, "ValidationException", "'compatibleRuntimes'"},
		{"an architecture that never was", "POST", versions, strings.Replace(good, `{`, `{"CompatibleArchitectures":["vax"],`, 1), 400, "ValidationException", "'compatibleArchitectures'"},
		{"a name with a dot", "POST", "/2018-10-31/layers/l.l/versions", good, 400, "ValidationException", "'layerName'"},
		{"another account's name", "POST", "/2018-10-31/layers/arn%3Aaws%3Alambda%3Aus-east-1%3A111111111111%3Alayer%3Al/versions", good, 403, "AccessDeniedException", "not authorized"},
		{"no such version", "GET", "/2018-10-31/layers/a/versions/9", ``, 404, "ResourceNotFoundException", "does not exist"},
		{"version 0", "GET", "/2018-10-31/layers/a/versions/0", ``, 400, "InvalidParameterValueException", "Layer Version Cannot be less than 1"},
		{"a version that is no number", "GET", "/2018-10-31/layers/a/versions/x", ``, 400, "SerializationException", ""},
		{"an ARN without a version", "GET", "/2018-10-31/layers?find=LayerVersion&Arn=" + arn + "a", ``, 400, "ValidationException", "'arn'"},
		{"another account's ARN", "GET", "/2018-10-31/layers?find=LayerVersion&Arn=arn:aws:lambda:us-east-1:111111111111:layer:a:1", ``, 403, "AccessDeniedException", "lambda:GetLayerVersion"},
		{"too large a page", "GET", "/2018-10-31/layers?MaxItems=51", ``, 400, "ValidationException", "'maxItems'"},
		{"another list's marker", "GET", "/2018-10-31/layers?Marker=bm8=", ``, 400, "InvalidParameterValueException", "Marker"},
		{"another action", "POST", "/2018-10-31/layers/a/versions/1/policy", `{"StatementId":"s","Action":"lambda:InvokeFunction","Principal":"*"}`, 400, "ValidationException", "'action'"},
		{"another principal", "POST", "/2018-10-31/layers/a/versions/1/policy", `{"StatementId":"s","Action":"lambda:GetLayerVersion","Principal":"s3.amazonaws.com"}`, 400, "ValidationException", "'principal'"},
		{"an organization and an account", "POST", "/2018-10-31/layers/a/versions/1/policy", `{"StatementId":"s","Action":"lambda:GetLayerVersion","Principal":"111111111111","OrganizationId":"o-0123456789"}`, 400, "InvalidParameterValueException", "organization"},

		{"six layers", "PUT", configure, layers(arn+"a:1", arn+"b:1", arn+"c:1", arn+"d:1", arn+"e:1", arn+"f:1"), 400, "InvalidParameterValueException", "Cannot reference more than 5 layers."},
		{"an unknown layer", "PUT", configure, layers(arn+"a:1", arn+"zzz:1"), 400, "InvalidParameterValueException", "Layer version " + arn + "zzz:1 does not exist."},
		{"an unknown version", "PUT", configure, layers(arn + "a:9"), 400, "InvalidParameterValueException", "does not exist"},
		{"a version beyond all numbers", "PUT", configure, layers(arn + "a:99999999999999999999"), 400, "InvalidParameterValueException", "does not exist"},
		{"two versions of one layer", "PUT", configure, layers(arn+"a:1", arn+"a:2"), 400, "InvalidParameterValueException", "Two different versions of the same layer"},
		{"no ARN", "PUT", configure, layers("a:1"), 400, "ValidationException", "'layers'"},
		{"an ARN without a version", "PUT", configure, layers(arn + "a"), 400, "ValidationException", "'layers'"},
		{"a function's ARN", "PUT", configure, layers("arn:aws:lambda:us-east-1:000000000000:function:a:1"), 400, "ValidationException", "'layers'"},
		{"another account's layer", "PUT", configure, layers("arn:aws:lambda:us-east-1:111111111111:layer:a:1"), 403, "AccessDeniedException", "lambda:GetLayerVersion"},
		{"another region's layer", "PUT", configure, layers("arn:aws:lambda:eu-west-1:000000000000:layer:a:1"), 400, "InvalidParameterValueException", "not reachable"},
		{"links that lead out together", "PUT", configure, layers(arn+"up:1", arn+"in:1"), 400, "InvalidParameterValueException", "outside"},
	} {
		status, code, message := h.raw(c.method, c.path, c.body)
		if status != c.status || code != c.code || !strings.Contains(message, c.says) {
			t.Errorf("%s: %d %s %q, want %d %s %q", c.what, status, code, message, c.status, c.code, c.says)
		}
	}
	if after := bundles(); after > before {
		t.Errorf("%d bundles and stacks are left of refused requests", after-before)
	}
	list := must[*awssdk.ListLayersOutput](t, "layers")(c.ListLayers(t.Context(), &awssdk.ListLayersInput{}))
	if len(list.Layers) != 4 {
		t.Errorf("layers: %+v", list.Layers)
	}
	got, err := c.GetFunctionConfiguration(t.Context(), &awssdk.GetFunctionConfigurationInput{FunctionName: aws.String("f")})
	if err != nil || len(got.Layers) != 0 {
		t.Error(errors.Join(err), got.Layers)
	}
}

// Code comes out of a folder that stands for a bucket, for functions and layers.
func TestLambdaCodeFromBuckets(t *testing.T) {
	buckets := t.TempDir()
	put := func(key string, data []byte) {
		t.Helper()
		path := filepath.Join(buckets, "code", key)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put("first.zip", python(t, "import said\nreturn said.text + ' 1'"))
	put("team/second.zip", python(t, "import said\nreturn said.text + ' 2'"))
	put("layer.zip", zipOf(t, map[string]string{"python/said.py": "text = 'said'\n"}))
	h := startDaemon(t, t.TempDir(), func(cfg *Config) { cfg.AWS.Buckets = buckets })
	c, ctx := h.awsClient(), t.Context()
	bucket := aws.String("code")
	layer := must[*awssdk.PublishLayerVersionOutput](t, "layer")(c.PublishLayerVersion(ctx, &awssdk.PublishLayerVersionInput{
		LayerName: aws.String("said"), Content: &types.LayerVersionContentInput{S3Bucket: bucket, S3Key: aws.String("layer.zip")},
	}))
	made := create(t, c, "f", nil, func(in *awssdk.CreateFunctionInput) {
		in.Code = &types.FunctionCode{S3Bucket: bucket, S3Key: aws.String("first.zip")}
		in.Layers = []string{*layer.LayerVersionArn}
	})
	sum := sha256.Sum256(python(t, "import said\nreturn said.text + ' 1'"))
	if *made.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("CodeSha256: %s", *made.CodeSha256)
	}
	if answer, _ := invoke(t, c, "f", "", "{}"); answer != `"said 1"` {
		t.Errorf("created: %s", answer)
	}
	must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), S3Bucket: bucket, S3Key: aws.String("team/second.zip")}))
	if answer, _ := invoke(t, c, "f", "", "{}"); answer != `"said 2"` {
		t.Errorf("updated: %s", answer)
	}
	_, err := c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), S3Bucket: bucket, S3Key: aws.String("team/none.zip")})
	wantFault(t, "no such key", err, "InvalidParameterValueException")
}

package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/await"
	"teal/internal/datadir"
)

// onDisk returns how many bundles, stacks and zips there are.
func (h *harness) onDisk() (n [3]int) {
	h.t.Helper()
	for i, pattern := range []string{filepath.Join(datadir.Bundles, "sha256-*"), filepath.Join(datadir.Bundles, "stack-*"), filepath.Join(datadir.Zips, "*.zip")} {
		found, err := filepath.Glob(filepath.Join(h.data, pattern))
		if err != nil {
			h.t.Fatal(err)
		}
		n[i] = len(found)
	}
	return n
}

func (h *harness) awaitOnDisk(what string, bundles, stacks, zips int) {
	h.t.Helper()
	want := [3]int{bundles, stacks, zips}
	defer func() {
		if h.t.Failed() {
			h.t.Logf("%v bundles, stacks and zips", h.onDisk())
		}
	}()
	await.True(h.t, fmt.Sprintf("%s: %v bundles, stacks and zips", what, want), func() bool { return h.onDisk() == want })
}

// Code goes with the last that needs it: functions that share it, versions,
// drafts and layers. Seen red without the look at who needs it: the layers were gone
// after the first removal.
func TestLambdaCodeGoesWithTheLastThatNeedsIt(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	drop := func(name, qualifier string) {
		t.Helper()
		in := &awssdk.DeleteFunctionInput{FunctionName: &name}
		if qualifier != "" {
			in.Qualifier = &qualifier
		}
		must[*awssdk.DeleteFunctionOutput](t, "delete "+name)(c.DeleteFunction(ctx, in))
	}
	one := publishLayer(t, c, "one", map[string]string{"python/a.py": "text = 'one'\n"})
	two := publishLayer(t, c, "two", map[string]string{"python/b.py": "text = 'two'\n"})
	shared := python(t, "import a, b\nreturn a.text + b.text")
	for _, name := range []string{"f", "g"} {
		create(t, c, name, shared, func(in *awssdk.CreateFunctionInput) {
			in.Layers, in.Publish = []string{*one.LayerVersionArn, *two.LayerVersionArn}, true
		})
	}
	collect := func() {
		t.Helper()
		if left, err := h.daemon.running.garbage.Collect(ctx); left || err != nil {
			t.Errorf("collect: %v %v", left, err)
		}
	}
	h.awaitOnDisk("two functions", 3, 1, 3)
	must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: python(t, "return 1")}))
	h.awaitOnDisk("with a draft of its own", 4, 1, 4)
	must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: python(t, "return 2")}))
	h.awaitOnDisk("with another draft", 4, 1, 4)
	drop("f", "1")
	drop("f", "")
	collect()
	h.awaitOnDisk("without f", 3, 1, 3)
	if answer, _ := invoke(t, c, "g", "$LATEST", "{}"); answer != `"onetwo"` {
		t.Errorf("g: %s", answer)
	}
	for _, name := range []string{"one", "two"} {
		must[*awssdk.DeleteLayerVersionOutput](t, "delete")(c.DeleteLayerVersion(ctx, &awssdk.DeleteLayerVersionInput{LayerName: &name, VersionNumber: aws.Int64(1)}))
	}
	drop("g", "1")
	h.awaitOnDisk("the draft of g alone", 3, 1, 1) // a layer's zip is handed out by its version alone
	h.stop()
	h = startDaemon(t, h.data)
	c = h.awsClient()
	if answer, _ := invoke(t, c, "g", "", "{}"); answer != `"onetwo"` {
		t.Errorf("g after a restart: %s", answer)
	}
	drop("g", "")
	h.awaitOnDisk("nothing", 0, 0, 0)
}

// What still runs keeps its code, also when no record names it any more.
//
// Seen red without the look at what runs: No module named 'late'.
func TestCodeStaysWhileItRuns(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	begun, goes := filepath.Join(t.TempDir(), "begun"), filepath.Join(t.TempDir(), "go")
	code := zipOf(t, map[string]string{"late.py": "text = 'late'\n", "app.py": `import os, time
def handler(event, context):
    open(event["begun"], "x").close()
    while not os.path.exists(event["go"]): time.sleep(0.01)
    import late
    return late.text
`})
	create(t, c, "f", code, nil)
	var calls sync.WaitGroup
	calls.Go(func() {
		out, err := c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: fmt.Appendf(nil, `{"begun": %q, "go": %q}`, begun, goes)})
		if err != nil {
			t.Error(err)
		} else if string(out.Payload) != `"late"` {
			t.Errorf("the code was taken from a call: %s", out.Payload)
		}
	})
	defer calls.Wait()
	await.True(t, "the call to begin", func() bool { _, err := os.Stat(begun); return err == nil })
	must[*awssdk.UpdateFunctionCodeOutput](t, "update")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: python(t, "return 1")}))
	if left, err := h.daemon.running.garbage.Collect(ctx); err != nil {
		t.Errorf("collect: %v %v", left, err)
	}
	touchFile(t, goes)
	calls.Wait()
	h.awaitOnDisk("the new code alone", 1, 0, 1)
}

// What a server was kept from removing goes when the next one starts, unless it is
// so young that somebody may be about to deploy it.
func TestOrphansGoAfterAStart(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c := h.awsClient()
	create(t, c, "f", python(t, "return 1"), nil)
	h.stop()
	old, zero := time.Now().Add(-2*time.Hour), strings.Repeat("0", 63)
	plant := func(name string, at time.Time) {
		if err := os.MkdirAll(filepath.Join(h.data, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(h.data, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	plant(filepath.Join(datadir.Bundles, "sha256-"+zero+"1", "code"), old)
	plant(filepath.Join(datadir.Bundles, "sha256-"+zero+"1"), old)
	plant(filepath.Join(datadir.Bundles, "stack-"+zero+"2"), old)
	plant(filepath.Join(datadir.Zips, zero+"3.zip"), old) // an empty folder is removed like a file
	plant(filepath.Join(datadir.Bundles, "sha256-"+zero+"4"), time.Now())
	found, err := filepath.Glob(filepath.Join(h.data, datadir.Bundles, "sha256-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if !strings.HasSuffix(path, zero+"4") {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	h = startDaemon(t, h.data)
	h.awaitOnDisk("what is needed, and what is young", 2, 0, 1)
	if answer, _ := invoke(t, h.awsClient(), "f", "", "{}"); answer != "1" {
		t.Errorf("f: %s", answer)
	}
}

// A server that begins with an empty store beside code, as one does whose damaged
// store was moved away, keeps the code and says so: with the store back everything
// is served again.
//
// Seen red without the look at whether the store was ever used: the code was gone,
// and f was answered 503 for ever.
func TestAnEmptyStoreRemovesNoCode(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	create(t, h.awsClient(), "f", python(t, "return 1"), nil)
	h.stop()
	found, err := filepath.Glob(filepath.Join(h.data, datadir.Bundles, "sha256-*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("bundles: %q, %v", found, err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(found[0], old, old); err != nil {
		t.Fatal(err)
	}
	kept, dir := filepath.Join(h.data, "store.kept"), filepath.Join(h.data, datadir.Store)
	if err := os.Rename(dir, kept); err != nil {
		t.Fatal(err)
	}
	h = startDaemon(t, h.data)
	told := func() bool {
		return slices.ContainsFunc(h.daemon.running.alerts.List(), func(a teal.Alert) bool { return a.Subject == dir })
	}
	await.True(t, "an alert that names the store", told)
	h.stop()
	if err := errors.Join(os.RemoveAll(dir), os.Rename(kept, dir)); err != nil {
		t.Fatal(err)
	}
	h = startDaemon(t, h.data)
	if answer, _ := invoke(t, h.awsClient(), "f", "", "{}"); answer != "1" {
		t.Errorf("f: %s", answer)
	}
}

// What was configured for an alias or a version goes with it, and does not come
// back with the next one of that name; also when the server is killed in between.
func TestLambdaConfigurationGoesWithItsAlias(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	f, prod, one := aws.String("f"), aws.String("prod"), aws.String("1")
	create(t, c, "f", python(t, "return 1"), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	configure := func() {
		t.Helper()
		for _, qualifier := range []*string{prod, one} {
			must[*awssdk.PutFunctionEventInvokeConfigOutput](t, "events")(c.PutFunctionEventInvokeConfig(ctx, &awssdk.PutFunctionEventInvokeConfigInput{FunctionName: f, Qualifier: qualifier, MaximumRetryAttempts: aws.Int32(1)}))
			must[*awssdk.AddPermissionOutput](t, "permission")(c.AddPermission(ctx, &awssdk.AddPermissionInput{FunctionName: f, Qualifier: qualifier, StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("*")}))
		}
		must[*awssdk.PutProvisionedConcurrencyConfigOutput](t, "provisioned")(c.PutProvisionedConcurrencyConfig(ctx, &awssdk.PutProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: prod, ProvisionedConcurrentExecutions: aws.Int32(1)}))
		must[*awssdk.CreateFunctionUrlConfigOutput](t, "url")(c.CreateFunctionUrlConfig(ctx, &awssdk.CreateFunctionUrlConfigInput{FunctionName: f, Qualifier: prod, AuthType: types.FunctionUrlAuthTypeNone}))
	}
	alias := func() {
		t.Helper()
		must[*awssdk.CreateAliasOutput](t, "alias")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: f, Name: prod, FunctionVersion: one}))
	}
	kept := func() []string {
		x, _ := h.daemon.running.lambda.Extras(ctx, awslambda.Ref{App: "f", Component: "f"})
		return slices.Compact(x.Qualifiers())
	}
	alias()
	configure()
	if got := kept(); !slices.Equal(got, []string{"1", "prod"}) {
		t.Fatalf("configured: %q", got)
	}
	must[*awssdk.DeleteAliasOutput](t, "delete")(c.DeleteAlias(ctx, &awssdk.DeleteAliasInput{FunctionName: f, Name: prod}))
	if got := kept(); !slices.Equal(got, []string{"1"}) {
		t.Errorf("without the alias: %q", got)
	}
	alias()
	_, err := c.GetProvisionedConcurrencyConfig(ctx, &awssdk.GetProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: prod})
	wantFault(t, "the next alias of that name", err, "ProvisionedConcurrencyConfigNotFoundException")

	// The alias's record is gone, and what belongs to it is not, when the server ends.
	must[*awssdk.PutFunctionEventInvokeConfigOutput](t, "events")(c.PutFunctionEventInvokeConfig(ctx, &awssdk.PutFunctionEventInvokeConfigInput{FunctionName: f, Qualifier: prod, MaximumRetryAttempts: aws.Int32(1)}))
	if err := h.daemon.running.router.Remove(ctx, "f", "prod", "ann"); err != nil {
		t.Fatal(err)
	}
	h.stop()
	h = startDaemon(t, h.data)
	c = h.awsClient()
	await.True(t, "what belongs to the alias to go after a restart", func() bool { return slices.Equal(kept(), []string{"1"}) })
	must[*awssdk.DeleteFunctionOutput](t, "delete")(c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: f, Qualifier: one}))
	if got := kept(); len(got) != 0 {
		t.Errorf("without the version: %q", got)
	}
}

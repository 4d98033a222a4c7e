package daemon

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// What is not there is said in the words that AWS has for it, which depend on the
// operation, and so is what AWS does not do.
//
// Seen red with what every operation said before: noFunction.
func TestLambdaNotFoundInAWSsWords(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c := h.awsClient()
	create(t, c, "f", python(t, "return 1"), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	const (
		at       = "arn:aws:lambda:us-east-1:000000000000:function:"
		v1       = "/2015-03-31/functions/"
		events   = "/2019-09-25/functions/"
		urls     = "/2021-10-31/functions/"
		warm     = "/2019-09-30/functions/"
		notFound = "ResourceNotFoundException"
		invalid  = "InvalidParameterValueException"

		validation = "ValidationException"
	)
	permission := `{"StatementId":"s","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com"}`
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		code, says               string
	}{
		{"a function", "GET", v1 + "no", "", 404, notFound, "Function not found: " + at + "no"},
		{"an ARN without its end", "GET", v1 + "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction", "", 404, notFound, "Function not found: " + at + "function"},
		{"a name longer than any", "GET", v1 + strings.Repeat("a", 65), "", 404, notFound, "Function not found: " + at + strings.Repeat("a", 65)},
		{"$latest", "GET", v1 + "f?Qualifier=%24latest", "", 404, notFound, "Function not found: " + at + "f:$latest"},
		{"$LATEST.PUBLISHED", "GET", v1 + "f?Qualifier=%24LATEST.PUBLISHED", "", 404, notFound, "Function not found: " + at + "f:$LATEST.PUBLISHED"},
		{"a partition of Europe's", "GET", v1 + "arn%3Aaws-eusc%3Alambda%3Aeusc-de-east-1%3A000000000000%3Afunction%3Af", "", 404, notFound, "Functions from 'eusc-de-east-1' are not reachable in this region ('us-east-1')"},
		{"to call", "POST", v1 + "no/invocations", "{}", 404, notFound, "Function not found: " + at + "no:$LATEST"},
		{"an alias to call", "POST", v1 + "f/invocations?Qualifier=beta", "{}", 404, notFound, "Function not found: " + at + "f:beta"},
		{"an alias for it", "POST", v1 + "no/aliases", `{"Name":"a","FunctionVersion":"3"}`, 404, notFound, "Function not found: " + at + "no:3"},
		{"to reserve for", "PUT", "/2017-10-31/functions/no/concurrency", `{"ReservedConcurrentExecutions":1}`, 404, notFound, "Function not found: " + at + "no:$LATEST"},
		{"what is reserved", "GET", warm + "no/concurrency", "", 404, notFound, "Function not found: " + at + "no"},

		{"to put events", "PUT", events + "no/event-invoke-config", `{"MaximumRetryAttempts":1}`, 404, notFound, "The function doesn't exist."},
		{"an alias to put events", "PUT", events + "f/event-invoke-config?Qualifier=beta", `{"MaximumRetryAttempts":1}`, 404, notFound, "The function doesn't exist."},
		{"to update events", "POST", events + "no/event-invoke-config", `{"MaximumRetryAttempts":1}`, 404, notFound, "The function doesn't exist."},
		{"to list events", "GET", events + "no/event-invoke-config/list", "", 404, notFound, "The function doesn't exist."},
		{"to get events", "GET", events + "no/event-invoke-config", "", 404, notFound, "The function " + at + "no:$LATEST doesn't have an EventInvokeConfig"},
		{"events", "GET", events + "f/event-invoke-config?Qualifier=1", "", 404, notFound, "The function " + at + "f:1 doesn't have an EventInvokeConfig"},
		{"an alias's events", "DELETE", events + "f/event-invoke-config?Qualifier=beta", "", 404, notFound, "The function " + at + "f:beta doesn't have an EventInvokeConfig"},
		{"a destination", "PUT", events + "f/event-invoke-config", `{"DestinationConfig":{"OnFailure":{"Destination":"` + at + `no"}}}`, 400, invalid, "The destination ARN " + at + "no is invalid."},

		{"to make a URL", "POST", urls + "no/url", `{"AuthType":"NONE"}`, 404, notFound, "Function does not exist"},
		{"an alias to make a URL", "POST", urls + "f/url?Qualifier=beta", `{"AuthType":"NONE"}`, 404, notFound, "Function does not exist"},
		{"to change a URL", "PUT", urls + "no/url", `{"AuthType":"NONE"}`, 404, notFound, "Function does not exist"},
		{"a URL to change", "PUT", urls + "f/url", `{"AuthType":"NONE"}`, 404, notFound, "The resource you requested does not exist."},
		{"to list URLs", "GET", urls + "no/urls", "", 404, notFound, "Function does not exist"},
		{"to get a URL", "GET", urls + "no/url", "", 404, notFound, "The resource you requested does not exist."},
		{"to delete a URL", "DELETE", urls + "f/url", "", 404, notFound, "The resource you requested does not exist."},
		{"a version's URL", "GET", urls + "no/url?Qualifier=1", "", 400, "ValidationException", `1 validation error detected: Value '1' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)`},

		{"a policy's function", "GET", v1 + "no/policy", "", 404, notFound, "The resource you requested does not exist."},
		{"to permit", "POST", v1 + "no/policy", permission, 404, notFound, "Function not found: " + at + "no"},
		{"an alias to permit", "POST", v1 + "f/policy?Qualifier=beta", permission, 404, notFound, "Cannot find alias arn: " + at + "f:beta"},
		{"a version to permit", "POST", v1 + "f/policy?Qualifier=42", permission, 404, notFound, "Function not found: " + at + "f:42"},
		{"a policy", "DELETE", v1 + "f/policy/s", "", 404, notFound, "No policy is associated with the given resource."},
		{"a function's policy", "DELETE", v1 + "no/policy/s", "", 404, notFound, "No policy found for: " + at + "no"},

		{"an alias to keep warm", "GET", warm + "no/provisioned-concurrency?Qualifier=beta", "", 404, notFound, "Cannot find alias arn: " + at + "no:beta"},
		{"a version to keep warm", "PUT", warm + "f/provisioned-concurrency?Qualifier=10", `{"ProvisionedConcurrentExecutions":1}`, 404, notFound, "Function not found: " + at + "f:10"},
		{"$LATEST kept warm", "GET", warm + "f/provisioned-concurrency?Qualifier=%24LATEST", "", 400, invalid, "The function resource provided must be an alias or a published version."},

		{"$LATEST to delete", "DELETE", v1 + "no?Qualifier=%24LATEST", "", 400, invalid, "$LATEST version cannot be deleted without deleting the function."},
		{"an alias to delete", "DELETE", v1 + "no?Qualifier=beta", "", 400, invalid, "Deletion of aliases is not currently supported."},
		{"a version of none", "DELETE", v1 + "no?Qualifier=3", "", 404, notFound, "Function not found: " + at + "no"},
		{"a version to delete", "DELETE", v1 + "f?Qualifier=1233", "", 204, "", ""},

		{"an alias to change", "PUT", v1 + "f/aliases/beta", "{}", 404, notFound, "Alias not found: " + at + "f:beta"},
		{"a share", "POST", v1 + "f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":2}}}`, 400, validation, "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"},
		{"nothing about events", "PUT", events + "no/event-invoke-config", "{}", 400, invalid, "You must specify at least one of error handling or destination setting."},
		{"a destination elsewhere", "PUT", events + "f/event-invoke-config", `{"DestinationConfig":{"OnSuccess":{"Destination":"arn:aws:iam:us-east-1:000000000000:function:f"}}}`, 400, invalid, "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:iam:us-east-1:000000000000:function:f), onFailure=null) is invalid."},
		{"a destination's form", "PUT", events + "f/event-invoke-config", `{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:_:us-east-1:000000000000:function:f"}}}`, 400, validation, `1 validation error detected: Value 'arn:aws:_:us-east-1:000000000000:function:f' at 'destinationConfig.onFailure.destination' failed to satisfy constraint: Member must satisfy regular expression pattern: $|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`},
		{"$LATEST to reserve for", "PUT", "/2017-10-31/functions/f%3A%24LATEST/concurrency", `{"ReservedConcurrentExecutions":1}`, 400, invalid, "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."},
		{"more than there is", "PUT", warm + "f/provisioned-concurrency?Qualifier=1", `{"ProvisionedConcurrentExecutions":1001}`, 400, invalid, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000]."},
		{"almost all there is", "PUT", warm + "f/provisioned-concurrency?Qualifier=1", `{"ProvisionedConcurrentExecutions":901}`, 400, invalid, "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."},
		{"a principal", "POST", v1 + "f/policy", `{"StatementId":"s","Action":"lambda:InvokeFunction","Principal":"invalid.nonaws.com"}`, 400, invalid, "The provided principal was invalid. Please check the principal and try again."},
		{"an event source", "GET", "/2015-03-31/event-source-mappings/0", "", 404, notFound, "The resource you requested does not exist."},
		{"an event source to tag", "GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Aevent-source-mapping%3A10e8a47e-8815-4b77-83c8-35c518200000", "", 404, notFound, "Event source mapping not found: arn:aws:lambda:us-east-1:000000000000:event-source-mapping:10e8a47e-8815-4b77-83c8-35c518200000"},
		{"a layer without its version", "PUT", v1 + "f/configuration", `{"Layers":["arn:aws:lambda:us-east-1:000000000000:layer:l"]}`, 400, validation, `1 validation error detected: Value '[arn:aws:lambda:us-east-1:000000000000:layer:l]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+), Member must not be null]`},
	} {
		status, code, message := h.raw(c.method, c.path, c.body)
		if status != c.status || code != c.code || message != c.says {
			t.Errorf("%s: %d %s %q\nwant %d %s %q", c.what, status, code, message, c.status, c.code, c.says)
		}
	}
}

// What answers have, and what they leave out, is what AWS's have.
//
// Seen red with each of: the mode of a URL always said, empty lists of a layer left
// out, levels of JSON logs left out, ready instances counted in the answer to who asks
// for them, and a policy's own revision alone taken.
func TestLambdaAnswersAsAWSsAre(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	f, one, beta := aws.String("f"), aws.String("1"), aws.String("beta")
	made := create(t, c, "f", python(t, "return 1"), func(in *awssdk.CreateFunctionInput) {
		in.Publish = true
		in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson}
	})
	if l := made.LoggingConfig; l.ApplicationLogLevel != types.ApplicationLogLevelInfo || l.SystemLogLevel != types.SystemLogLevelInfo {
		t.Errorf("logging: %+v", l)
	}
	url := must[*awssdk.CreateFunctionUrlConfigOutput](t, "url")(c.CreateFunctionUrlConfig(ctx, &awssdk.CreateFunctionUrlConfigInput{FunctionName: f, AuthType: types.FunctionUrlAuthTypeNone}))
	changed := must[*awssdk.UpdateFunctionUrlConfigOutput](t, "change it")(c.UpdateFunctionUrlConfig(ctx, &awssdk.UpdateFunctionUrlConfigInput{FunctionName: f, AuthType: types.FunctionUrlAuthTypeAwsIam}))
	got := must[*awssdk.GetFunctionUrlConfigOutput](t, "get it")(c.GetFunctionUrlConfig(ctx, &awssdk.GetFunctionUrlConfigInput{FunctionName: f}))
	if url.InvokeMode != "" || changed.InvokeMode != "" || got.InvokeMode != types.InvokeModeBuffered {
		t.Errorf("a URL: %q, %q, then %q", url.InvokeMode, changed.InvokeMode, got.InvokeMode)
	}
	layer := must[*awssdk.PublishLayerVersionOutput](t, "layer")(c.PublishLayerVersion(ctx, &awssdk.PublishLayerVersionInput{
		LayerName: aws.String("l"), Content: &types.LayerVersionContentInput{ZipFile: python(t, "return 1")}, CompatibleRuntimes: []types.Runtime{},
	}))
	if layer.CompatibleRuntimes == nil || layer.CompatibleArchitectures != nil {
		t.Errorf("a layer: %#v, %#v", layer.CompatibleRuntimes, layer.CompatibleArchitectures)
	}
	invoke(t, c, "f", "1", "{}") // an instance of it stands ready
	warm := must[*awssdk.PutProvisionedConcurrencyConfigOutput](t, "keep warm")(c.PutProvisionedConcurrencyConfig(ctx, &awssdk.PutProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: one, ProvisionedConcurrentExecutions: aws.Int32(1)}))
	if warm.Status != types.ProvisionedConcurrencyStatusEnumInProgress || *warm.AllocatedProvisionedConcurrentExecutions != 0 || *warm.AvailableProvisionedConcurrentExecutions != 0 {
		t.Errorf("kept warm: %+v", warm)
	}
	alias := must[*awssdk.CreateAliasOutput](t, "alias")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: f, Name: beta, FunctionVersion: one}))
	permit := func(sid string, revision *string) error {
		_, err := c.AddPermission(ctx, &awssdk.AddPermissionInput{
			FunctionName: f, Qualifier: beta, StatementId: &sid, Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"), RevisionId: revision,
		})
		return err
	}
	wantFault(t, "a revision that never was", permit("s", aws.String("wrong")), "PreconditionFailedException")
	if err := permit("s", alias.RevisionId); err != nil {
		t.Errorf("the alias's revision, before there is a policy: %v", err)
	}
	wantFault(t, "it, when there is one", permit("s2", alias.RevisionId), "PreconditionFailedException")
	policy := must[*awssdk.GetPolicyOutput](t, "policy")(c.GetPolicy(ctx, &awssdk.GetPolicyInput{FunctionName: f, Qualifier: beta}))
	if err := permit("s2", policy.RevisionId); err != nil {
		t.Errorf("the policy's revision: %v", err)
	}
	_, err := c.CreateFunction(ctx, &awssdk.CreateFunctionInput{
		FunctionName: aws.String("g"), Role: aws.String(role), Handler: aws.String("app.handler"), Runtime: types.RuntimePython312, Code: &types.FunctionCode{ZipFile: make([]byte, 50<<20+1)},
	})
	wantFault(t, "a zip of more than 50 MB", err, "RequestEntityTooLargeException")
}

// An alias that no route uses is given to what does not start, and the first call
// tells; live is not.
//
// Seen red with an alias that waits for its version.
func TestLambdaAliasOfWhatDoesNotStart(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	f := aws.String("f")
	create(t, c, "f", zipped(t, "app.py", "raise ValueError('not today')\n"), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	alias := func(name, version string) error {
		_, err := c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: f, Name: &name, FunctionVersion: &version})
		return err
	}
	for name, version := range map[string]string{"prod": "1", "dev": "$LATEST"} {
		if err := alias(name, version); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		out := must[*awssdk.InvokeOutput](t, "invoke")(c.Invoke(ctx, &awssdk.InvokeInput{FunctionName: f, Qualifier: &name}))
		if aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), "not today") {
			t.Errorf("%s said %v %s", name, out.FunctionError, out.Payload)
		}
	}
	must[*awssdk.UpdateAliasOutput](t, "describe")(c.UpdateAlias(ctx, &awssdk.UpdateAliasInput{FunctionName: f, Name: aws.String("prod"), Description: aws.String("broken")}))
	wantFault(t, "live", alias("live", "1"), "ResourceConflictException")
	wantFault(t, "an alias of no version", alias("beta", "9"), "ResourceNotFoundException")
	_, err := c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: f, Qualifier: aws.String("1")})
	wantFault(t, "delete what it leads to", err, "ResourceConflictException")
}

// A function may be given a runtime of which AWS makes no new functions, and is run and
// changed with it.
//
// Seen red with such a runtime refused of both.
func TestLambdaRetiredRuntimes(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	f := aws.String("f")
	create(t, c, "f", python(t, "return 1"), nil)
	must[*awssdk.UpdateFunctionConfigurationOutput](t, "update")(c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{FunctionName: f, Runtime: types.RuntimePython37}))
	must[*awssdk.UpdateFunctionCodeOutput](t, "code")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: f, ZipFile: python(t, "return 2")}))
	if answer, _ := invoke(t, c, "f", "", "{}"); answer != "2" {
		t.Errorf("it says %s", answer)
	}
	_, err := c.CreateFunction(ctx, &awssdk.CreateFunctionInput{
		FunctionName: aws.String("g"), Role: aws.String(role), Handler: aws.String("app.handler"), Runtime: types.RuntimePython37, Code: &types.FunctionCode{ZipFile: python(t, "return 1")},
	})
	wantFault(t, "a new one", err, "InvalidParameterValueException")
}

// Code counts for the account with every version that has it, and so does a layer's.
//
// Seen red with drafts alone counted.
func TestLambdaCodeSizeCountsPerVersion(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c, ctx := h.awsClient(), t.Context()
	before := int64(0)
	grew := func(what string, by int64) {
		t.Helper()
		now := must[*awssdk.GetAccountSettingsOutput](t, "settings")(c.GetAccountSettings(ctx, &awssdk.GetAccountSettingsInput{})).AccountUsage.TotalCodeSize
		if now-before != by {
			t.Errorf("%s: %d bytes more, want %d", what, now-before, by)
		}
		before = now
	}
	code := python(t, "return 1")
	size := int64(len(code))
	create(t, c, "f", code, nil)
	grew("made", size)
	must[*awssdk.UpdateFunctionConfigurationOutput](t, "update")(c.UpdateFunctionConfiguration(ctx, &awssdk.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), Timeout: aws.Int32(2)}))
	grew("configured", 0)
	must[*awssdk.PublishVersionOutput](t, "publish")(c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: aws.String("f")}))
	grew("published", size)
	for range 2 {
		must[*awssdk.PublishLayerVersionOutput](t, "layer")(c.PublishLayerVersion(ctx, &awssdk.PublishLayerVersionInput{LayerName: aws.String("l"), Content: &types.LayerVersionContentInput{ZipFile: code}}))
		grew("a layer's version", size)
	}
	must[*awssdk.DeleteFunctionOutput](t, "delete")(c.DeleteFunction(ctx, &awssdk.DeleteFunctionInput{FunctionName: aws.String("f"), Qualifier: aws.String("1")}))
	grew("deleted", -size)
}

package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"teal"
	"teal/internal/access"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/wholebody"
)

// as returns a client that has a token.
func (h *harness) as(token string) *client.Client {
	h.t.Helper()
	c, err := client.New(client.Config{Address: h.daemon.AdminAddr().String(), Token: token})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

func (h *harness) token(body api.TokenBody) api.NewToken {
	h.t.Helper()
	made, err := h.CreateToken(h.t.Context(), body)
	if err != nil {
		h.t.Fatal(err)
	}
	return made
}

// awsClientOf is awsClient with the access key of a token.
func (h *harness) awsClientOf(token api.NewToken) *awssdk.Client {
	h.t.Helper()
	options := h.awsClient().Options()
	options.HTTPClient = wholebody.New(h.t)
	options.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: token.AccessKeyID, SecretAccessKey: token.SecretAccessKey}, nil
	}))
	return awssdk.New(options)
}

// A token outlives the server, its access key does what its role says through AWS's
// tools, and what was ordered is in the audit under its name.
func TestTokensOfAServer(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	h := startDaemon(t, data)
	ctx := t.Context()
	tool := h.token(api.TokenBody{Name: "terraform", Role: teal.RoleDeployer, AccessKey: true})
	one := h.token(api.TokenBody{Name: "of-f", Role: teal.RoleDeployer, Apps: []string{"f"}, AccessKey: true})
	looks := h.token(api.TokenBody{Name: "looks", Role: teal.RoleViewer, AccessKey: true})
	h.stop()

	h = startDaemon(t, data)
	c := h.awsClientOf(tool)
	create(t, c, "f", python(t, "return 1"), nil)
	create(t, c, "g", python(t, "return 2"), nil)
	if answer, _ := invoke(t, c, "f", "", "null"); answer != "1" {
		t.Errorf("invoked: %s", answer)
	}
	publish := func(c *awssdk.Client, name string) error {
		_, err := c.PublishVersion(ctx, &awssdk.PublishVersionInput{FunctionName: &name})
		return err
	}
	if err := publish(h.awsClientOf(one), "f"); err != nil {
		t.Errorf("its own app: %v", err)
	}
	denied := func(what string, err error) {
		t.Helper()
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != "AccessDeniedException" {
			t.Errorf("%s: %v", what, err)
		}
	}
	denied("another app", publish(h.awsClientOf(one), "g"))
	_, err := h.awsClientOf(one).ListFunctions(ctx, &awssdk.ListFunctionsInput{})
	denied("the list of all by a token of one app", err)
	_, err = h.awsClientOf(one).CreateFunction(ctx, &awssdk.CreateFunctionInput{FunctionName: aws.String("h"), Role: aws.String(role), Handler: aws.String("app.handler"), Runtime: "python3.12", Code: &types.FunctionCode{ZipFile: python(t, "return 3")}})
	denied("a new app", err)
	denied("a viewer", publish(h.awsClientOf(looks), "f"))
	_, err = h.awsClientOf(looks).Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("f")})
	denied("a viewer's call", err)
	if _, err := h.awsClientOf(looks).ListFunctions(ctx, &awssdk.ListFunctionsInput{}); err != nil {
		t.Errorf("a viewer's list: %v", err)
	}
	alias := &awssdk.CreateAliasInput{FunctionName: aws.String("f"), Name: aws.String("prod"), FunctionVersion: aws.String("1")}
	if _, err := c.CreateAlias(ctx, alias); err != nil {
		t.Fatal(err)
	}
	if aliases, err := h.Aliases(ctx, "f"); err != nil || aliases["prod"].UpdatedBy != "terraform" {
		t.Errorf("%+v, %v", aliases, err)
	}

	if err := h.as(looks.Token).RevokeToken(ctx, "terraform"); !teal.IsCode(err, teal.CodeForbidden) {
		t.Errorf("a viewer revokes: %v", err)
	}
	if err := h.RevokeToken(ctx, "terraform"); err != nil {
		t.Fatal(err)
	}
	var refused smithy.APIError
	if err := publish(c, "f"); !errors.As(err, &refused) || refused.ErrorCode() != "UnrecognizedClientException" {
		t.Errorf("a revoked key: %v", err)
	}
	h.audited("f", "CreateFunction by terraform done, PublishVersion by of-f done, PublishVersion by looks refused, CreateAlias by terraform done")
}

// audited compares the orders about an app with what is wanted.
func (h *harness) audited(app, want string) {
	h.t.Helper()
	orders, err := h.Audit(h.t.Context(), client.AuditQuery{App: app})
	if err != nil {
		h.t.Fatal(err)
	}
	lines := make([]string, len(orders))
	for i, o := range orders {
		lines[i] = o.Order + " by " + o.By + " " + string(o.Outcome)
	}
	if got := strings.Join(lines, ", "); got != want {
		h.t.Errorf("the audit of %s:\n%s\nwant\n%s", app, got, want)
	}
}

// An order of which the server did not live to see the end is in the audit all the
// same. Seen red with the entry written at the end alone.
func TestAnOrderThatTheServerDidNotSurvive(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	h := startDaemon(t, data)
	h.daemon.running.audit.Begin(access.Entry{By: "ann", Order: "rollback", App: "shop"})
	h.stop()
	h = startDaemon(t, data)
	h.audited("shop", "rollback by ann unknown")
}

package daemon

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
	"teal/internal/api"
)

// moves writes what the history of an app says of its aliases.
func (h *harness) moves(app string) string {
	h.t.Helper()
	changes, err := h.AliasChanges(h.t.Context(), app)
	if err != nil {
		h.t.Fatal(err)
	}
	var lines []string
	for _, c := range changes {
		if c.At.IsZero() {
			h.t.Errorf("nobody knows when: %+v", c)
		}
		lines = append(lines, fmt.Sprintf("%s: %s > %s by %s", c.Alias, teal.FormatTargets(c.From), teal.FormatTargets(c.To), c.By))
	}
	return strings.Join(lines, "\n")
}

// What AWS's tools and `teal alias set` do with aliases is in the history: who, when,
// from where to where with which weights. It is there after a restart, and goes with the
// app.
//
// Seen red with a SetDescribed, and with a Remove, of the router that notes nothing.
func TestAliasMovesAreInTheHistory(t *testing.T) {
	h, ctx := startDaemon(t, t.TempDir()), t.Context()
	c, f, prod := h.awsClient(), aws.String("f"), aws.String("prod")
	create(t, c, "f", python(t, `return 1`), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	must[*awssdk.UpdateFunctionCodeOutput](t, "code")(c.UpdateFunctionCode(ctx, &awssdk.UpdateFunctionCodeInput{FunctionName: f, ZipFile: python(t, `return 2`), Publish: true}))
	must[*awssdk.CreateAliasOutput](t, "create")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: f, Name: prod, FunctionVersion: aws.String("1")}))
	must[*awssdk.UpdateAliasOutput](t, "weights")(c.UpdateAlias(ctx, &awssdk.UpdateAliasInput{
		FunctionName: f, Name: prod, RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 0.1}},
	}))
	must[*awssdk.UpdateAliasOutput](t, "description")(c.UpdateAlias(ctx, &awssdk.UpdateAliasInput{FunctionName: f, Name: prod, Description: aws.String("no move")}))
	if _, err := h.SetAlias(ctx, "f", "prod", api.AliasBody{Versions: teal.Only(2), By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if got := must[*awssdk.GetAliasOutput](t, "get")(c.GetAlias(ctx, &awssdk.GetAliasInput{FunctionName: f, Name: prod})); aws.ToString(got.Description) != "no move" {
		t.Errorf("the description is %q", aws.ToString(got.Description))
	}
	must[*awssdk.DeleteAliasOutput](t, "delete")(c.DeleteAlias(ctx, &awssdk.DeleteAliasInput{FunctionName: f, Name: prod}))
	must[*awssdk.CreateAliasOutput](t, "anew")(c.CreateAlias(ctx, &awssdk.CreateAliasInput{FunctionName: f, Name: prod, FunctionVersion: aws.String("2")}))
	want := `prod: no version > v1 by admin (Lambda API)
prod: v1 > v1 at 90 %, v2 at 10 % by admin (Lambda API)
prod: v1 at 90 %, v2 at 10 % > v2 by admin (ann)
prod: v2 > no version by admin (Lambda API)
prod: no version > v2 by admin (Lambda API)`
	for range 2 {
		if got := h.moves("f"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		h = h.again()
	}
	if _, err := h.DeleteApp(ctx, "f", api.DeleteApp{}); err != nil {
		t.Fatal(err)
	}
	h.awaitGone("f")
	create(t, h.awsClient(), "f", python(t, `return 1`), func(*awssdk.CreateFunctionInput) {})
	if got := h.moves("f"); got != "" {
		t.Errorf("a new app has the history of the old one:\n%s", got)
	}
	if _, err := h.AliasChanges(ctx, "nope"); !teal.IsCode(err, teal.CodeUnknownApp) {
		t.Errorf("of no app: %v", err)
	}
}

package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/access"
	"teal/internal/api"
	"teal/internal/api/apitest"
	"teal/internal/await"
)

// operation is one of the OpenAPI document.
type operation struct {
	ID, method, path string
	own              bool // it has a token of its own, or needs none
}

func operations(t *testing.T, c *caller) []operation {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
		}
	}
	if err := json.Unmarshal([]byte(c.call("GET", "/openapi.json", "").body), &document); err != nil {
		t.Fatal(err)
	}
	var all []operation
	for path, methods := range document.Paths {
		for method, o := range methods {
			all = append(all, operation{o.OperationID, strings.ToUpper(method), path, len(o.Security) > 0 && len(o.Security[0]) == 0})
		}
	}
	if len(all) < 25 {
		t.Fatalf("only %d operations: %v", len(all), all)
	}
	return all
}

// withTokens serves an API that has a token for every role.
func withTokens(t *testing.T, fake *apitest.Teal, audit *access.Audit) (*caller, map[teal.TokenRole]string, *access.Tokens) {
	t.Helper()
	tokens := apitest.Tokens(t, access.Config{})
	secrets := map[teal.TokenRole]string{}
	for _, role := range teal.Roles {
		secrets[role] = made(t, tokens, teal.Token{Name: "of-" + string(role), Role: role})
	}
	return serve(t, fake, api.Config{Access: tokens, Audit: audit, Metrics: http.NotFoundHandler()}), secrets, tokens
}

func made(t *testing.T, tokens *access.Tokens, want teal.Token) string {
	t.Helper()
	made, err := tokens.Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return made.Secret
}

// least is what each operation needs. It stands here a second time, in words that a
// person can go through: a right that is given away by a slip must not pass.
var least = map[teal.TokenRole]string{
	teal.RoleViewer: "list-apps get-status list-versions get-version list-aliases list-alias-changes list-releases get-release read-intervals read-logs watch-events watch-all-events list-alerts read-audit who-am-i create-console-code list-schedules list-all-schedules " +
		"list-queues get-queue list-dead-letters",
	teal.RoleOperator: "pause resume approve abort rollback freeze-app unfreeze-app stop-app start-app " +
		"redrive-queue purge-queue",
	teal.RoleDeployer: "has-bundle put-bundle deploy promote set-alias delete-app invoke list-secrets set-secret remove-secret " +
		"send-messages receive-messages finish-messages extend-messages",
	teal.RoleAdmin: "set-record-aside list-tokens create-token revoke-token",
}

func needed(t *testing.T, id string) teal.TokenRole {
	t.Helper()
	for role, ids := range least {
		for other := range strings.FieldsSeq(ids) {
			if other == id {
				return role
			}
		}
	}
	t.Errorf("the table of this test has no line for %s", id)
	return ""
}

// A token does no more than its role says, on no operation: seen red with the guard
// left out of register, and with a role's place in the order changed.
func TestRolesOfEveryOperation(t *testing.T) {
	t.Parallel()
	c, secrets, tokens := withTokens(t, apitest.New(), nil)
	stranger := made(t, tokens, teal.Token{Name: "stranger", Role: teal.RoleDeployer, Apps: []string{"other"}})
	fill := strings.NewReplacer("{app}", "shop", "{id}", "shop-1", "{alias}", "canary", "{version}", "1", "{digest}", "sha256:"+strings.Repeat("a", 64), "{key}", "apps.shop.app", "{queue}", "orders", "{name}", "nobody", "{token}", "x")
	for _, o := range operations(t, c) {
		if o.own {
			continue
		}
		ask := func(secret string) answer {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return c.call(o.method, fill.Replace(o.path), "", "Authorization", "Bearer "+secret, "X-Test", fmt.Sprint(ctx.Err()))
		}
		if strings.HasPrefix(o.ID, "watch-all") {
			continue // it does not end; see TestATokenOfSomeApps
		}
		for _, role := range teal.Roles {
			a := ask(secrets[role])
			forbidden := a.status == http.StatusForbidden
			if want := !role.Permits(needed(t, o.ID)); forbidden != want || a.status == http.StatusUnauthorized {
				t.Errorf("%s by %s: %d %s", o.ID, role, a.status, a.body)
			}
		}
		if a := ask(stranger); strings.Contains(o.path, "{app}") || strings.Contains(o.path, "{id}") {
			if a.status != http.StatusForbidden || o.method != "HEAD" && !strings.Contains(a.problem(t).Detail, "other alone") {
				t.Errorf("%s of an app that is not its own: %d %s", o.ID, a.status, a.body)
			}
		}
	}
	for role, want := range map[teal.TokenRole]int{teal.RoleViewer: 404, teal.RoleAdmin: 404} {
		if a := c.call("GET", "/metrics", "", "Authorization", "Bearer "+secrets[role]); a.status != want {
			t.Errorf("metrics by %s: %d", role, a.status)
		}
	}
	if a := c.call("GET", "/metrics", "", "Authorization", "Bearer "+stranger); a.status != http.StatusForbidden {
		t.Errorf("metrics of all apps by a token of one: %d", a.status)
	}
}

func TestATokenOfSomeApps(t *testing.T) {
	t.Parallel()
	fake := apitest.New()
	c, _, tokens := withTokens(t, fake, nil)
	for _, app := range []string{"shop", "other"} {
		if a := c.call("POST", "/v1/apps/"+app+"/versions", deployBody(t, spec(app, "one"))); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	of := made(t, tokens, teal.Token{Name: "of-shop", Role: teal.RoleDeployer, Apps: []string{"shop"}})
	a := c.call("GET", "/v1/apps", "", "Authorization", "Bearer "+of)
	if a.status != 200 || !strings.Contains(a.body, `"shop"`) || strings.Contains(a.body, `"other"`) {
		t.Errorf("the list: %d %s", a.status, a.body)
	}
	if a := c.call("POST", "/v1/apps/shop/versions", deployBody(t, spec("shop", "two")), "Authorization", "Bearer "+of); a.status != 200 && a.status != 409 {
		t.Errorf("its own app: %d %s", a.status, a.body)
	}
	if a := c.call("POST", "/v1/apps/shop/versions", deployBody(t, spec("other", "two")), "Authorization", "Bearer "+of); a.status != 400 {
		t.Errorf("another app's spec under its own app's path: %d %s", a.status, a.body)
	}

	r := c.request("GET", "/v1/events", "", "Authorization", "Bearer "+of)
	resp, err := c.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	seen := make(chan string, 1)
	go func() {
		var text strings.Builder
		buffer := make([]byte, 4096)
		for {
			n, err := resp.Body.Read(buffer)
			text.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		seen <- text.String()
	}()
	// The stream ends with the token.
	if err := tokens.Revoke(t.Context(), "of-shop"); err != nil {
		t.Fatal(err)
	}
	if text := await.Value(t, "the stream ends when its token is revoked", seen); strings.Contains(text, `"other"`) || !strings.Contains(text, `"shop"`) {
		t.Errorf("the stream: %s", text)
	}
	if a := c.call("GET", "/v1/apps", "", "Authorization", "Bearer "+of); a.status != 401 {
		t.Errorf("revoked: %d", a.status)
	}
}

func TestOrdersAreAudited(t *testing.T) {
	t.Parallel()
	audit, err := access.OpenAudit(access.AuditConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = audit.Close() })
	fake := apitest.New()
	c, secrets, _ := withTokens(t, fake, audit)
	as := func(role teal.TokenRole) []string { return []string{"Authorization", "Bearer " + secrets[role]} }
	c.call("POST", "/v1/apps/shop/versions", deployBody(t, spec("shop", "one")), as(teal.RoleDeployer)...)
	fake.Provision("shop")
	fake.GoLive("shop")
	c.call("POST", "/v1/apps/shop/rollback", `{"why":"it burns","by":"the president"}`, as(teal.RoleOperator)...)
	c.call("POST", "/v1/apps/shop/pause", `{"by":"ann"}`) // the server's own token
	c.call("POST", "/v1/apps/shop/promote", ``, as(teal.RoleViewer)...)
	c.call("POST", "/v1/tokens", `{"name":"ci","role":"viewer"}`, as(teal.RoleAdmin)...)
	c.call("GET", "/v1/apps/shop", "", as(teal.RoleViewer)...)
	c.call("PUT", "/v1/apps/shop/aliases/live", `{"versions":"x"}`, as(teal.RoleDeployer)...)

	a := c.call("GET", "/v1/audit?limit=50", "", as(teal.RoleViewer)...)
	var list api.Orders
	if err := json.Unmarshal([]byte(a.body), &list); err != nil {
		t.Fatal(a.body, err)
	}
	var lines []string
	for _, o := range list.Orders {
		lines = append(lines, fmt.Sprintf("%s %s %q by %s: %s, %s → %s", o.Order, o.App, o.Note, o.By, o.Outcome, o.Before, o.After))
		if o.From != "127.0.0.1" {
			t.Errorf("%s came from %q", o.Order, o.From)
		}
	}
	got := strings.Join(lines, "\n")
	for _, want := range []string{
		`deploy shop "v1" by of-deployer: done,  → nothing live, release shop-1 to v1 queued`,
		`rollback shop "\"it burns\"" by of-operator: `,
		`pause shop "" by admin (ann): `,
		`promote shop "" by of-viewer: refused, `,
		`create-token  "ci, viewer" by of-admin: done`,
		`set-alias shop "live" by of-deployer: refused`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if len(lines) != 6 || strings.Contains(got, "president") {
		t.Error(got)
	}
}

func TestTokensOverTheAPI(t *testing.T) {
	t.Parallel()
	c, _, _ := withTokens(t, apitest.New(), nil)
	a := c.call("POST", "/v1/tokens", `{"name":"ci","role":"deployer","apps":["shop"],"access_key":true,"expires_at":"2999-01-01T00:00:00Z"}`)
	var made api.NewToken
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != 201 || made.Token == "" || made.SecretAccessKey == "" || made.CreatedBy != "admin" {
		t.Fatalf("%d %s %v", a.status, a.body, err)
	}
	a = c.call("GET", "/v1/tokens", "")
	if a.status != 200 || !strings.Contains(a.body, made.AccessKeyID) || strings.Contains(a.body, made.Token) || strings.Contains(a.body, made.SecretAccessKey) || strings.Contains(a.body, "hash") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := c.call("GET", "/v1/whoami", "", "Authorization", "Bearer "+made.Token); !strings.Contains(a.body, `"name":"ci","role":"deployer","apps":["shop"]`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	for name, wrong := range map[string]string{
		"no role": `{"name":"a"}`, "another role": `{"name":"a","role":"root"}`, "expired": `{"name":"a","role":"viewer","expires_at":"1999-01-01T00:00:00Z"}`,
		"a name of a path": `{"name":"../a","role":"viewer"}`, "the server's own": `{"name":"admin","role":"viewer"}`, "unknown field": `{"name":"a","role":"viewer","root":true}`,
	} {
		if a := c.call("POST", "/v1/tokens", wrong); a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := c.call("DELETE", "/v1/tokens/ci", ""); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := c.call("DELETE", "/v1/tokens/ci", ""); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := c.call("DELETE", "/v1/tokens/admin", ""); a.status != 404 {
		t.Errorf("the server's own: %d %s", a.status, a.body)
	}
}

// Who tries tokens is slowed down, and neither keeps others out nor the server busy.
func TestWrongTokensWait(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{})
	var slow time.Duration
	for range 11 {
		start := time.Now()
		if a := c.call("GET", "/v1/apps", "", "Authorization", "Bearer wrong"); a.status != 401 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		slow = time.Since(start)
	}
	if slow < time.Second {
		t.Errorf("the eleventh wrong token was answered after %s", slow)
	}
	if a := c.call("GET", "/v1/apps", ""); a.status != 200 {
		t.Errorf("the right one: %d %s", a.status, a.body)
	}
}

// Who follows a log learns that the token has been revoked, not that the connection broke.
//
// Seen red with a stream that just ended.
func TestALogSaysThatItsTokenHasEnded(t *testing.T) {
	t.Parallel()
	c, _, tokens := withTokens(t, apitest.New(), nil)
	if a := c.call("POST", "/v1/apps/shop/versions", deployBody(t, spec("shop", "one"))); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	looks := made(t, tokens, teal.Token{Name: "looks", Role: teal.RoleViewer})
	resp, err := c.client.Do(c.request("GET", "/v1/apps/shop/logs?follow=true", "", "Authorization", "Bearer "+looks))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := tokens.Revoke(t.Context(), "looks"); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 1)
	go func() {
		text, err := io.ReadAll(resp.Body)
		seen <- fmt.Sprintf("%s%v", text, err)
	}()
	if text := await.Value(t, "the log ends when its token is revoked", seen); !strings.HasSuffix(text, `"the token has been revoked, or has expired, meanwhile; ask an admin for a new one"}}`+"\n<nil>") || !strings.Contains(text, `"unauthorized"`) {
		t.Errorf("the log ends with %q", text)
	}
}

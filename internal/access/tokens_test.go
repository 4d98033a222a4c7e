package access_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/access"
	"teal/internal/store/memkv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the tokens of one server over a store that others may share.
func server(t *testing.T, kv *memkv.KV, now func() time.Time) *access.Tokens {
	t.Helper()
	tokens := access.New(access.Config{KV: kv, Admin: "the-servers-own", KeySecret: "key", Now: now})
	if err := tokens.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tokens.Run(ctx) // ends with ctx
	}()
	t.Cleanup(func() { cancel(); <-done })
	return tokens
}

func create(t *testing.T, tokens *access.Tokens, want teal.Token) access.Created {
	t.Helper()
	made, err := tokens.Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestTokensProveWhoTheyAre(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	clock := func() time.Time { return now }
	kv := memkv.New()
	tokens := server(t, kv, clock)
	made := create(t, tokens, teal.Token{Name: "ci", Role: teal.RoleDeployer, Apps: []string{"shop"}, ExpiresAt: now.Add(time.Hour), CreatedBy: "admin", AccessKey: true})

	caller, err := tokens.Authenticate(made.Secret)
	if err != nil || caller.Name != "ci" || caller.Role != teal.RoleDeployer || caller.Shared || !tokens.Holds(caller) {
		t.Fatalf("%+v, %v", caller, err)
	}
	if own, err := tokens.Authenticate("the-servers-own"); err != nil || own.Role != teal.RoleAdmin || !own.Shared || !tokens.Holds(own) {
		t.Errorf("the server's own: %+v, %v", own, err)
	}
	for name, wrong := range map[string]string{
		"nothing": "", "another's ID alone": made.Secret[:strings.LastIndexByte(made.Secret, '_')+1],
		"one letter off": made.Secret[:len(made.Secret)-1], "its hash": made.Hash, "its name": "ci", "in capitals": strings.ToUpper(made.Secret),
		"with a space": made.Secret + " ",
	} {
		if caller, err := tokens.Authenticate(wrong); !teal.IsCode(err, teal.CodeUnauthorized) {
			t.Errorf("%s: %+v, %v", name, caller, err)
		}
	}
	if secret, caller, ok := tokens.AccessKey(access.KeyIDOf(made.Token)); !ok || secret != made.SecretAccessKey || caller.Name != "ci" {
		t.Errorf("access key: %v %+v", ok, caller)
	}

	now = now.Add(time.Hour)
	if _, err := tokens.Authenticate(made.Secret); !teal.IsCode(err, teal.CodeUnauthorized) || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("at its end: %v", err)
	}
	if _, _, ok := tokens.AccessKey(access.KeyIDOf(made.Token)); ok || tokens.Holds(caller) {
		t.Error("an expired token is still held, or still an access key")
	}
}

// Seen red with the secret in the record, and with the access key's.
func TestTheStoreHoldsNoSecret(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	made := create(t, server(t, kv, nil), teal.Token{Name: "ci", Role: teal.RoleViewer, AccessKey: true})
	all, err := kv.List(t.Context(), ">")
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	for _, secret := range []string{made.Secret, made.Secret[len(made.Secret)-52:], made.SecretAccessKey} {
		if strings.Contains(string(all[0].Value), secret) {
			t.Errorf("the record holds %q: %s", secret, all[0].Value)
		}
	}
	if plain, err := json.Marshal(made.Token); err != nil || strings.Contains(string(plain), made.Secret) {
		t.Errorf("%s %v", plain, err)
	}
}

func TestARevokedTokenProvesNothing(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	here, elsewhere := server(t, kv, nil), server(t, kv, nil)
	made := create(t, here, teal.Token{Name: "ci", Role: teal.RoleAdmin, AccessKey: true})
	eventually(t, "the other server knows it", func() bool { _, err := elsewhere.Authenticate(made.Secret); return err == nil })
	if err := here.Revoke(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	// At once, not after the watch has come round: seen red with the table on the store
	// itself in place of the mirror.
	if _, err := here.Authenticate(made.Secret); err == nil {
		t.Error("it still holds")
	}
	if _, _, ok := here.AccessKey(access.KeyIDOf(made.Token)); ok {
		t.Error("its access key still holds")
	}
	eventually(t, "the other server knows that, too", func() bool { _, err := elsewhere.Authenticate(made.Secret); return err != nil })
	if err := here.Revoke(t.Context(), "ci"); !teal.IsCode(err, teal.CodeNotFound) {
		t.Errorf("again: %v", err)
	}
	again := create(t, here, teal.Token{Name: "ci", Role: teal.RoleViewer})
	if _, err := here.Authenticate(made.Secret); err == nil || again.Secret == made.Secret {
		t.Error("a new token of the same name brings the old one back")
	}
}

func TestTokensThatCannotBe(t *testing.T) {
	t.Parallel()
	tokens := server(t, memkv.New(), nil)
	create(t, tokens, teal.Token{Name: "ci", Role: teal.RoleViewer})
	many := make([]string, teal.MaxTokenApps+1)
	for i := range many {
		many[i] = "app" + strings.Repeat("x", i%60)
	}
	for name, c := range map[string]struct {
		token teal.Token
		code  teal.Code
	}{
		"no name":          {teal.Token{Role: teal.RoleViewer}, teal.CodeInvalidInput},
		"a key's name":     {teal.Token{Name: "a.b", Role: teal.RoleViewer}, teal.CodeInvalidInput},
		"no role":          {teal.Token{Name: "a"}, teal.CodeInvalidInput},
		"another role":     {teal.Token{Name: "a", Role: "root"}, teal.CodeInvalidInput},
		"an admin of apps": {teal.Token{Name: "a", Role: teal.RoleAdmin, Apps: []string{"shop"}}, teal.CodeInvalidInput},
		"an app twice":     {teal.Token{Name: "a", Role: teal.RoleViewer, Apps: []string{"shop", "shop"}}, teal.CodeInvalidInput},
		"no app's name":    {teal.Token{Name: "a", Role: teal.RoleViewer, Apps: []string{"*"}}, teal.CodeInvalidInput},
		"many apps":        {teal.Token{Name: "a", Role: teal.RoleViewer, Apps: many}, teal.CodeInvalidInput},
		"expired":          {teal.Token{Name: "a", Role: teal.RoleViewer, ExpiresAt: time.Unix(1, 0)}, teal.CodeInvalidInput},
		"the server's own": {teal.Token{Name: "admin", Role: teal.RoleViewer}, teal.CodeInvalidInput},
		"a name twice":     {teal.Token{Name: "ci", Role: teal.RoleViewer}, teal.CodeExists},
	} {
		if _, err := tokens.Create(t.Context(), c.token); !teal.IsCode(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list := tokens.List(); len(list) != 1 {
		t.Errorf("%+v", list)
	}
}

// A record that nobody understands must not be a token that fits every secret, nor
// keep the others from being read.
func TestADamagedTokenProvesNothing(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	for key, value := range map[string]string{
		"access.token.a": `{"schema":1}`, "access.token.b": `nonsense`, "access.token.c": `{"schema":1,"name":"c","role":"root"}`,
		"access.token.d": `{"schema":99,"name":"d","role":"admin"}`,
	} {
		if _, err := kv.Create(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	tokens := server(t, kv, nil)
	made := create(t, tokens, teal.Token{Name: "ci", Role: teal.RoleViewer})
	for _, wrong := range []string{"", "teal__", "teal__x", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"} {
		if caller, err := tokens.Authenticate(wrong); err == nil {
			t.Errorf("%q is %+v", wrong, caller)
		}
	}
	if _, err := tokens.Authenticate(made.Secret); err != nil || len(tokens.List()) != 1 {
		t.Errorf("%v %+v", err, tokens.List())
	}
}

func TestWithoutATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	tokens := access.New(access.Config{KV: memkv.New()})
	if caller, err := tokens.Authenticate(""); err == nil {
		t.Errorf("nobody is %+v", caller)
	}
}

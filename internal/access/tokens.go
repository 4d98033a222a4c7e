package access

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"teal"
	"teal/internal/store"
)

// MaxTokens bounds how many tokens a server has.
const MaxTokens = 1000

// Config is what Tokens needs. KV and Admin are required.
type Config struct {
	KV store.KV
	// Admin is the server's own token. With an empty one it has none.
	Admin string
	// KeySecret is what the secrets of access keys are made from. With an empty one no
	// token is an access key.
	KeySecret string
	Now       func() time.Time // nil: the clock
}

// Tokens are the tokens of a server. Safe for concurrent use; empty until Load.
type Tokens struct {
	cfg    Config
	admin  string // the hash of the server's own
	mirror *store.Mirror[teal.Token]
	table  *store.Table[string, teal.Token]
	watch  *store.Watch
}

// New returns tokens that are empty until Load.
func New(cfg Config) *Tokens {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	t := &Tokens{cfg: cfg, admin: hashOf(cfg.Admin)}
	decode := store.New(cfg.KV).Tokens
	t.mirror = store.NewMirror(cfg.KV, store.TokenPattern, func(e store.Entry) (teal.Token, error) {
		token, _ := decode.Decode(e) // one that cannot be understood has been reported, and proves nothing
		return token.Value, nil
	})
	t.table = store.New(t.mirror).Tokens
	return t
}

// Load reads the tokens, however long ctx lasts: Run ends what it opens.
func (t *Tokens) Load(ctx context.Context) (err error) {
	t.watch, err = t.mirror.Load(context.WithoutCancel(ctx))
	return err
}

// Run follows the store until ctx ends.
func (t *Tokens) Run(ctx context.Context) error { return t.mirror.Follow(ctx, t.watch) }

// Authenticate returns who holds a token. The error, a CodeUnauthorized, says that
// it is of nobody or that its time is over; the time that the answer takes tells
// nothing of the secret.
func (t *Tokens) Authenticate(token string) (Caller, error) {
	hash := hashOf(token)
	if t.cfg.Admin != "" && equal(hash, t.admin) {
		return Admin(), nil
	}
	found, ok := t.withID(idOf(token))
	if !ok || !equal(hash, found.Hash) {
		return Caller{}, teal.Errorf(teal.CodeUnauthorized, "the token is wrong")
	}
	if found.Expired(t.cfg.Now()) {
		return Caller{}, teal.Errorf(teal.CodeUnauthorized, "the token %q has expired at %s; ask an admin for a new one", found.Name, found.ExpiresAt.UTC().Format(time.DateTime+" UTC"))
	}
	return Caller{Token: found}, nil
}

// AccessKey returns the secret of an access key, and whose it is. A key that has
// expired or been revoked is none.
func (t *Tokens) AccessKey(id string) (secret string, caller Caller, ok bool) {
	below, ours := strings.CutPrefix(id, "TEAL")
	if !ours || t.cfg.KeySecret == "" {
		return "", Caller{}, false
	}
	below = strings.ToLower(below)
	found, ok := t.withID(below)
	if !ok || !found.AccessKey || found.Expired(t.cfg.Now()) {
		return "", Caller{}, false
	}
	return accessKeySecret(t.cfg.KeySecret, below), Caller{Token: found}, true
}

// Admin is whoever holds the server's own token.
func Admin() Caller {
	return Caller{Token: teal.Token{Name: AdminName, Role: teal.RoleAdmin}, Shared: true}
}

// Holds reports whether a caller's token still proves what it did: streams ask, which
// last longer than tokens may.
func (t *Tokens) Holds(c Caller) bool {
	if c.Shared {
		return true
	}
	now, ok := t.withID(c.ID)
	return ok && !now.Expired(t.cfg.Now())
}

// withID returns the token with an ID. An ID is no secret, so that it is found
// faster or slower tells nothing.
func (t *Tokens) withID(id string) (found teal.Token, ok bool) {
	if id == "" {
		return teal.Token{}, false
	}
	t.mirror.Each(func(token teal.Token) {
		if token.ID == id {
			found, ok = token, true
		}
	})
	return found, ok
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Created is a new token. What is secret in it is told this once.
type Created struct {
	teal.Token
	Secret          string // the whole token
	SecretAccessKey string // "" without an access key
}

// Create makes a token as want says: its Name, Role, Apps, AccessKey, ExpiresAt and
// CreatedBy. It returns CodeInvalidInput for what cannot be, and CodeExists when there
// is one of that name.
func (t *Tokens) Create(ctx context.Context, want teal.Token) (Created, error) {
	now := t.cfg.Now()
	if err := want.Validate(); err != nil {
		return Created{}, err
	}
	switch {
	case want.Name == AdminName:
		return Created{}, teal.Errorf(teal.CodeInvalidInput, "%s is the name of the server's own token; choose another", AdminName)
	case want.Expired(now):
		return Created{}, teal.Errorf(teal.CodeInvalidInput, "the token would have expired already")
	case len(t.List()) >= MaxTokens:
		return Created{}, teal.Errorf(teal.CodeConflict, "there are %d tokens, the most that a server has; revoke some that nobody uses", MaxTokens)
	}
	made := Created{Token: want}
	made.Secret, made.ID = draw()
	made.Hash, made.CreatedAt = hashOf(made.Secret), now
	if want.AccessKey {
		made.SecretAccessKey = accessKeySecret(t.cfg.KeySecret, made.ID)
	}
	if _, err := t.table.Create(ctx, made.Token); err != nil {
		return Created{}, err
	}
	return made, nil
}

// Now is the time by which tokens expire.
func (t *Tokens) Now() time.Time { return t.cfg.Now() }

// List returns the tokens that can be understood, by name, those that have expired
// among them.
func (t *Tokens) List() []teal.Token {
	var all []teal.Token
	t.mirror.Each(func(token teal.Token) {
		if token.Name != "" {
			all = append(all, token)
		}
	})
	slices.SortFunc(all, func(a, b teal.Token) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Revoke deletes a token. When it returns, the token proves nothing any more on this
// server. CodeNotFound when there is none of that name.
func (t *Tokens) Revoke(ctx context.Context, name string) error {
	for {
		record, err := t.table.Get(ctx, name)
		if err == nil {
			err = t.table.Delete(ctx, name, record.Revision)
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

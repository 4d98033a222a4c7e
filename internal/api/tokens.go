package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// TokenView is a token as the API shows it: nothing of it is secret.
type TokenView struct {
	Name        string         `json:"name"`
	Role        teal.TokenRole `json:"role"`
	Apps        []string       `json:"apps,omitempty" doc:"The apps that it is for; left out: every app"`
	AccessKeyID string         `json:"access_key_id,omitempty" doc:"Of the access key for AWS's tools that it also is"`
	ExpiresAt   *time.Time     `json:"expires_at,omitempty" doc:"Left out: never"`
	Expired     bool           `json:"expired,omitempty"`
	CreatedAt   time.Time      `json:"created_at"`
	CreatedBy   string         `json:"created_by"`
}

// TokenList is the answer of GET /v1/tokens.
type TokenList struct {
	Tokens []TokenView `json:"tokens"`
}

// TokenBody is the body of POST /v1/tokens.
type TokenBody struct {
	Name      string         `json:"name" maxLength:"64" doc:"What it is for, or whose: orders are recorded under it"`
	Role      teal.TokenRole `json:"role" enum:"viewer,operator,deployer,admin"`
	Apps      []string       `json:"apps,omitempty" maxItems:"100" doc:"The apps that it is for; left out: every app"`
	AccessKey bool           `json:"access_key,omitempty" doc:"Make it an access key for AWS's tools, too"`
	ExpiresAt *time.Time     `json:"expires_at,omitempty" doc:"Left out: never"`
}

// NewToken is the answer of POST /v1/tokens. What is secret in it is told this once.
type NewToken struct {
	TokenView
	Token           string `json:"token"`
	SecretAccessKey string `json:"secret_access_key,omitempty"`
}

// WhoAmI is the answer of GET /v1/whoami.
type WhoAmI struct {
	Name string         `json:"name"`
	Role teal.TokenRole `json:"role"`
	Apps []string       `json:"apps,omitempty"`
}

type tokenInput struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the token"`
}

func (s *Server) registerTokens() {
	register(s, huma.Operation{
		OperationID: "list-tokens", Method: http.MethodGet, Path: "/v1/tokens",
		Summary: "All tokens but the server's own, by name", Tags: []string{"access"},
	}, func(context.Context, *struct{}) (*body[TokenList], error) {
		list := TokenList{Tokens: []TokenView{}}
		for _, t := range s.cfg.Access.List() {
			list.Tokens = append(list.Tokens, viewToken(t, s.cfg.Access.Now()))
		}
		return &body[TokenList]{list}, nil
	})
	register(s, huma.Operation{
		OperationID: "create-token", Method: http.MethodPost, Path: "/v1/tokens", DefaultStatus: http.StatusCreated,
		Summary: "Make a token; the answer is the only one that has it", Tags: []string{"access"},
	}, s.createToken)
	register(s, huma.Operation{
		OperationID: "revoke-token", Method: http.MethodDelete, Path: "/v1/tokens/{name}",
		Summary: "Have a token prove nothing any more, from the moment of the answer", Tags: []string{"access"},
	}, func(ctx context.Context, in *tokenInput) (*struct{}, error) {
		return nil, s.cfg.Access.Revoke(ctx, in.Name)
	})
	register(s, huma.Operation{
		OperationID: "who-am-i", Method: http.MethodGet, Path: "/v1/whoami",
		Summary: "What the token of this request is", Tags: []string{"access"},
	}, func(ctx context.Context, _ *struct{}) (*body[WhoAmI], error) {
		c := access.CallerOf(ctx)
		return &body[WhoAmI]{WhoAmI{Name: c.Name, Role: c.Role, Apps: c.Apps}}, nil
	})
}

func (s *Server) createToken(ctx context.Context, in *struct{ Body TokenBody }) (*body[NewToken], error) {
	want := teal.Token{
		Name: in.Body.Name, Role: in.Body.Role, Apps: in.Body.Apps, AccessKey: in.Body.AccessKey,
		CreatedBy: access.CallerOf(ctx).Name,
	}
	if in.Body.ExpiresAt != nil {
		want.ExpiresAt = *in.Body.ExpiresAt
	}
	access.OrderOf(ctx).Note("%s, %s%s", want.Name, want.Role, forApps(want.Apps))
	made, err := s.cfg.Access.Create(ctx, want)
	return &body[NewToken]{NewToken{TokenView: viewToken(made.Token, made.CreatedAt), Token: made.Secret, SecretAccessKey: made.SecretAccessKey}}, err
}

func viewToken(t teal.Token, now time.Time) TokenView {
	view := TokenView{
		Name: t.Name, Role: t.Role, Apps: t.Apps, AccessKeyID: access.KeyIDOf(t),
		Expired: t.Expired(now), CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy,
	}
	if !t.ExpiresAt.IsZero() {
		view.ExpiresAt = &t.ExpiresAt
	}
	return view
}

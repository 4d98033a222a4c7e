package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
	"teal/internal/secret"
)

// SetSecret is an order to give a secret a value.
type SetSecret = secret.Set

// SecretView is a secret as people see it: its value is not in it.
type SecretView struct {
	Name     string    `json:"name"`
	Revision int       `json:"revision" doc:"The newest, which a deploy binds a version to"`
	SetAt    time.Time `json:"set_at"`
	SetBy    string    `json:"set_by"`
	UsedBy   []string  `json:"used_by" doc:"What refers to it, in whatever revision: versions, releases, checks and hooks"`
}

func viewSecret(v secret.View) SecretView {
	return SecretView{Name: v.Name, Revision: v.Revision, SetAt: v.SetAt, SetBy: v.SetBy, UsedBy: append([]string{}, v.UsedBy...)}
}

// SecretList is the answer of GET /v1/apps/{app}/secrets.
type SecretList struct {
	Secrets []SecretView `json:"secrets"`
	Next    string       `json:"next,omitempty" doc:"Cursor of the next page; left out on the last one"`
}

// StoredSecret is the answer of PUT /v1/apps/{app}/secrets/{name}.
type StoredSecret struct {
	SecretView
	Created bool `json:"created" doc:"false: it had this value already"`
}

// InSecret is the part of an input that names a secret of an app.
type InSecret struct {
	App  string `path:"app" doc:"Name of the app, which need not be there yet"`
	Name string `path:"name" doc:"Name of the secret"`
	By   string `query:"by" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
}

func (in InSecret) validate() error {
	if err := teal.CheckName("app", in.App); err != nil {
		return err
	}
	return teal.CheckName("secret", in.Name)
}

type putSecretInput struct {
	InSecret
	Expect int `query:"expect" default:"-1" minimum:"-1" doc:"Set it only if this is its newest revision, 0: if there is none of this name; left out: whatever it has"`
	Upload
}

func (s *Server) registerSecrets() {
	register(s, huma.Operation{
		OperationID: "list-secrets", Method: http.MethodGet, Path: "/v1/apps/{app}/secrets",
		Summary: "The secrets of an app, by name, without their values", Tags: []string{"secrets"},
	}, s.listSecrets)
	register(s, huma.Operation{
		OperationID: "set-secret", Method: http.MethodPut, Path: "/v1/apps/{app}/secrets/{name}",
		Summary:     "Give a secret a value, which nobody can read again",
		Description: "The body is the value, byte for byte. Versions keep the value that they were deployed with.",
		Tags:        []string{"secrets"},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {}}},
	}, s.setSecret)
	register(s, huma.Operation{
		OperationID: "remove-secret", Method: http.MethodDelete, Path: "/v1/apps/{app}/secrets/{name}",
		Summary: "Delete a secret that nothing refers to", Tags: []string{"secrets"},
	}, func(ctx context.Context, in *InSecret) (*struct{}, error) {
		if err := s.hasSecrets(); err != nil {
			return nil, err
		}
		by(ctx, in.By)
		return nil, s.cfg.Secrets.Remove(ctx, in.App, in.Name)
	})
}

func (s *Server) hasSecrets() error {
	if s.cfg.Secrets == nil {
		return teal.Errorf(teal.CodeUnsupported, "this server keeps no secrets")
	}
	return nil
}

func (s *Server) listSecrets(ctx context.Context, in *inList) (*body[SecretList], error) {
	if err := s.hasSecrets(); err != nil {
		return nil, err
	}
	all, err := s.cfg.Secrets.List(ctx, in.App)
	if err != nil {
		return nil, err
	}
	page, next, err := cut(all, in.Page, byName("secret", func(v secret.View) string { return v.Name }))
	list := SecretList{Secrets: []SecretView{}, Next: next}
	for _, v := range page {
		list.Secrets = append(list.Secrets, viewSecret(v))
	}
	return &body[SecretList]{list}, err
}

func (s *Server) setSecret(ctx context.Context, in *putSecretInput) (*body[StoredSecret], error) {
	if err := s.hasSecrets(); err != nil {
		return nil, err
	}
	value, err := io.ReadAll(limit(in.content, teal.MaxSecret))
	if err != nil {
		return nil, err
	}
	order := SetSecret{App: in.App, Name: in.Name, Value: value, By: by(ctx, in.By)}
	if in.Expect >= 0 {
		order.Expect = &in.Expect
	}
	view, created, err := s.cfg.Secrets.Set(ctx, order)
	if err == nil {
		access.OrderOf(ctx).Note("revision %d", view.Revision)
	}
	return &body[StoredSecret]{StoredSecret{viewSecret(view), created}}, err
}

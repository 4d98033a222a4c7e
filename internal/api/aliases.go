package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// AliasList is the answer of GET /v1/apps/{app}/aliases.
type AliasList struct {
	Aliases map[string]AliasView `json:"aliases"`
	Next    string               `json:"next,omitempty" doc:"Cursor of the next page; left out on the last one"`
}

// AliasBody is the body of PUT /v1/apps/{app}/aliases/{alias}.
type AliasBody struct {
	Versions []teal.Target `json:"versions" minItems:"1" maxItems:"2" doc:"One version or two; the weights add up to 100."`
	Revision *uint64       `json:"revision,omitempty" doc:"Write only if the alias has this revision; left out: whatever it has."`
	By       string        `json:"by,omitempty" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
}

type aliasInput struct {
	InApp
	Alias string `path:"alias" doc:"Name of the alias"`
	Body  AliasBody
}

func (in *aliasInput) validate() error {
	if err := in.InApp.validate(); err != nil {
		return err
	}
	if err := teal.CheckName("alias", in.Alias); err != nil {
		return err
	}
	return teal.CheckTargets(in.Body.Versions)
}

func (s *Server) registerAliases() {
	register(s, huma.Operation{
		OperationID: "list-aliases", Method: http.MethodGet, Path: "/v1/apps/{app}/aliases",
		Summary: "All aliases of an app, by name", Tags: []string{"aliases"},
	}, s.aliases)
	register(s, huma.Operation{
		OperationID: "set-alias", Method: http.MethodPut, Path: "/v1/apps/{app}/aliases/{alias}",
		Summary: "Point an alias to one version, or to two with weights", Tags: []string{"aliases"},
	}, s.setAlias)
}

func (s *Server) aliases(ctx context.Context, in *inList) (*body[AliasList], error) {
	status, err := s.cfg.Control.Status(ctx, in.App)
	if err != nil {
		return nil, err // translated by register
	}
	names, next, err := cut(slices.Collect(maps.Keys(status.Aliases)), in.Page, byName("alias", func(name string) string { return name }))
	list := AliasList{Aliases: make(map[string]AliasView, len(names)), Next: next}
	for _, name := range names {
		list.Aliases[name] = status.Aliases[name]
	}
	return &body[AliasList]{list}, err
}

func (s *Server) setAlias(ctx context.Context, in *aliasInput) (*body[AliasView], error) {
	access.OrderOf(ctx).Note("to %s", teal.FormatTargets(in.Body.Versions))
	view, err := s.cfg.Control.SetAlias(ctx, SetAlias{
		App: in.App, Alias: in.Alias, Targets: in.Body.Versions,
		Revision: in.Body.Revision, By: by(ctx, in.Body.By),
	})
	return &body[AliasView]{view}, err
}

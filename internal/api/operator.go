package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// FreezeBody is the body of POST /v1/apps/{app}/freeze.
type FreezeBody struct {
	By  string         `json:"by,omitempty" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
	Why string         `json:"why" minLength:"1" maxLength:"1000" doc:"Why, for the record and for those whose release is refused"`
	For *teal.Duration `json:"for,omitempty" doc:"How long; left out: until it is ended"`
}

type freezeInput struct {
	InApp
	Body FreezeBody
}

func (in *freezeInput) validate() error {
	if strings.TrimSpace(in.Body.Why) == "" {
		return teal.Errorf(teal.CodeInvalidInput, "the freeze has no reason; say why, for those whose release is refused")
	}
	if length := in.Body.For; length != nil && (*length <= 0 || *length > teal.MaxFreeze) {
		return teal.Errorf(teal.CodeInvalidInput, "a freeze lasts for more than 0 and at most %s; leave that out for one without an end", teal.MaxFreeze)
	}
	return in.InApp.validate()
}

type deleteAppInput struct {
	InApp
	State bool   `query:"state" doc:"Delete what its components have stored (TEAL_STATE_DIR), too"`
	By    string `query:"by" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
}

func (s *Server) registerOperator() {
	for kind, summary := range map[teal.AppOrderKind]string{
		teal.OrderStop:     "Run nothing of the app: its routes answer 503; aliases and versions stay",
		teal.OrderStart:    "Run again what the aliases of a stopped app point to; answers when what is live is healthy",
		teal.OrderUnfreeze: "End the freeze that somebody has ordered",
	} {
		register(s, huma.Operation{
			OperationID: string(kind) + "-app", Method: http.MethodPost, Path: "/v1/apps/{app}/" + string(kind),
			Summary: summary, Tags: []string{"apps"},
		}, func(ctx context.Context, in *orderInput) (*body[Status], error) {
			order := OrderApp{Kind: kind}
			if in.Body != nil {
				order.By, order.Why = in.Body.By, in.Body.Why
			}
			return s.orderApp(ctx, in.App, order)
		})
	}
	register(s, huma.Operation{
		OperationID: "freeze-app", Method: http.MethodPost, Path: "/v1/apps/{app}/freeze",
		Summary: "Release nothing of the app for a time: what is begun is refused, what runs moves no traffic on", Tags: []string{"apps"},
	}, func(ctx context.Context, in *freezeInput) (*body[Status], error) {
		return s.orderApp(ctx, in.App, OrderApp{Kind: teal.OrderFreeze, By: in.Body.By, Why: in.Body.Why, For: in.Body.For})
	})
	register(s, huma.Operation{
		OperationID: "delete-app", Method: http.MethodDelete, Path: "/v1/apps/{app}",
		Summary:     "Delete an app: its routes, aliases, versions, releases, logs, measurements, and code that no other app uses",
		Description: "Answers when no request reaches anything of it and its routes are free; the rest goes in the background. What its components have stored stays unless state says otherwise.",
		Tags:        []string{"apps"},
	}, func(ctx context.Context, in *deleteAppInput) (*body[DeletedApp], error) {
		if in.State {
			access.OrderOf(ctx).Note("with what its components have stored")
		}
		deleted, err := s.cfg.Control.DeleteApp(ctx, in.App, DeleteApp{By: by(ctx, in.By), WithState: in.State})
		return &body[DeletedApp]{deleted}, err
	})
}

func (s *Server) orderApp(ctx context.Context, app string, order OrderApp) (*body[Status], error) {
	order.By = by(ctx, order.By)
	if order.For != nil {
		access.OrderOf(ctx).Note("for %s", order.For)
	}
	access.OrderOf(ctx).Note("%s", reason(order.Why))
	status, err := s.cfg.Control.OrderApp(ctx, app, order)
	return &body[Status]{status}, err
}

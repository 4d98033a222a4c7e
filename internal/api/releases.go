package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// ReleaseList is the answer of GET /v1/apps/{app}/releases.
type ReleaseList struct {
	Releases []ReleaseView `json:"releases"`
	Next     string        `json:"next,omitempty" doc:"Cursor of the next page; left out on the last one"`
}

// PromoteBody is the body of POST /v1/apps/{app}/promote; it may be left out.
type PromoteBody struct {
	By string `json:"by,omitempty" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
}

// RollbackBody is the body of POST /v1/apps/{app}/rollback; it may be left out.
type RollbackBody struct {
	To  int    `json:"to,omitempty" minimum:"0" doc:"Version to go back to; 0 or left out: where the traffic came from"`
	By  string `json:"by,omitempty" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
	Why string `json:"why,omitempty" maxLength:"1000" doc:"Why, for the record"`
}

// AbortBody is the body of POST /v1/apps/{app}/abort; it may be left out.
type AbortBody struct {
	By  string `json:"by,omitempty" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
	Why string `json:"why,omitempty" maxLength:"1000" doc:"Why, for the record"`
}

type promoteInput struct {
	InApp
	Body *PromoteBody
}

type rollbackInput struct {
	InApp
	Body *RollbackBody
}

type abortInput struct {
	InApp
	Body *AbortBody
}

func (s *Server) registerReleases() {
	register(s, huma.Operation{
		OperationID: "list-releases", Method: http.MethodGet, Path: "/v1/apps/{app}/releases",
		Summary: "All releases, oldest first", Tags: []string{"releases"},
	}, s.releases)
	register(s, huma.Operation{
		OperationID: "get-release", Method: http.MethodGet, Path: "/v1/releases/{id}",
		Summary: "One release with all its steps", Tags: []string{"releases"},
	}, func(ctx context.Context, in *inRelease) (*body[ReleaseView], error) {
		release, err := s.cfg.Control.Release(ctx, in.ID)
		return &body[ReleaseView]{ViewRelease(release)}, err
	})
	register(s, huma.Operation{
		OperationID: "promote", Method: http.MethodPost, Path: "/v1/apps/{app}/promote",
		Summary: "Release live to the preview version, or to the secondary version of a split; while a release runs: move all traffic to its version now", Tags: []string{"releases"},
	}, s.promote)
	register(s, huma.Operation{
		OperationID: "rollback", Method: http.MethodPost, Path: "/v1/apps/{app}/rollback",
		Summary: "Point live back; answers when it does. May be called again", Tags: []string{"releases"},
	}, s.rollback)
	register(s, huma.Operation{
		OperationID: "abort", Method: http.MethodPost, Path: "/v1/apps/{app}/abort",
		Summary: "End the active release and give the old version everything", Tags: []string{"releases"},
	}, s.abort)
}

func (s *Server) releases(ctx context.Context, in *inList) (*body[ReleaseList], error) {
	all, err := s.cfg.Control.Releases(ctx, in.App)
	if err != nil {
		return nil, err // translated by register
	}
	page, next, err := cut(all, in.Page, byNumber(func(r teal.Release) int { return teal.NumberOfRelease(r.ID) }))
	return &body[ReleaseList]{ReleaseList{Releases: viewReleases(page), Next: next}}, err
}

func (s *Server) promote(ctx context.Context, in *promoteInput) (*body[ReleaseView], error) {
	order := PromoteBody{}
	if in.Body != nil {
		order = *in.Body
	}
	release, err := s.cfg.Control.Promote(ctx, in.App, by(ctx, order.By))
	return &body[ReleaseView]{ViewRelease(release)}, err
}

func (s *Server) rollback(ctx context.Context, in *rollbackInput) (*body[ReleaseView], error) {
	order := RollbackBody{}
	if in.Body != nil {
		order = *in.Body
	}
	if order.To != 0 {
		access.OrderOf(ctx).Note("to %s", teal.VersionName(order.To))
	}
	access.OrderOf(ctx).Note("%s", reason(order.Why))
	release, err := s.cfg.Control.Rollback(ctx, in.App, order.To, by(ctx, order.By), order.Why)
	return &body[ReleaseView]{ViewRelease(release)}, err
}

func (s *Server) abort(ctx context.Context, in *abortInput) (*body[ReleaseView], error) {
	order := AbortBody{}
	if in.Body != nil {
		order = *in.Body
	}
	access.OrderOf(ctx).Note("%s", reason(order.Why))
	release, err := s.cfg.Control.Abort(ctx, in.App, by(ctx, order.By), order.Why)
	return &body[ReleaseView]{ViewRelease(release)}, err
}

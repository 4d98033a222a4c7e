package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// Orders is the answer of GET /v1/audit.
type Orders struct {
	Orders []access.Entry `json:"orders"`
}

type auditInput struct {
	App    string `query:"app" maxLength:"64" doc:"Only orders about this app"`
	By     string `query:"by" maxLength:"200" doc:"Only those of names that begin so"`
	Since  string `query:"since" maxLength:"64" doc:"Only those of this time (RFC 3339) and later"`
	Before uint64 `query:"before" doc:"Only those with lower numbers: for the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"At most so many, the newest"`
}

func (in *auditInput) validate() error {
	_, err := sinceOf(in.Since)
	return err
}

func (s *Server) registerAudit() {
	register(s, huma.Operation{
		OperationID: "read-audit", Method: http.MethodGet, Path: "/v1/audit",
		Summary:     "Who ordered what, when and from where, and what became of it; oldest first",
		Description: "Of a token that is for some apps, the orders about those. An outcome of \"unknown\" is one that is being carried out, or that the server did not live to see.",
		Tags:        []string{"access"},
	}, s.readAudit)
}

func (s *Server) readAudit(ctx context.Context, in *auditInput) (*body[Orders], error) {
	list := Orders{Orders: []access.Entry{}}
	if s.cfg.Audit == nil {
		return &body[Orders]{list}, nil
	}
	since, err := sinceOf(in.Since)
	if err != nil {
		return nil, err
	}
	query := access.AuditQuery{App: in.App, By: in.By, Since: since, Before: in.Before, Limit: in.Limit}
	if caller := access.CallerOf(ctx); len(caller.Apps) > 0 {
		query.Sees = caller.Sees
	}
	entries, err := s.cfg.Audit.Read(query)
	if err != nil {
		return nil, err
	}
	list.Orders = append(list.Orders, entries...)
	return &body[Orders]{list}, nil
}

// sinceOf reads a time of a query; "" is the zero time.
func sinceOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	since, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return since, teal.Errorf(teal.CodeInvalidInput, "since: %q is not a time such as 2026-01-02T15:04:05Z (RFC 3339; in a URL, + is %%2B)", text)
	}
	return since, nil
}

// forApps says which apps a token is for, behind a comma; "" for every app.
func forApps(apps []string) string {
	if len(apps) == 0 {
		return ""
	}
	return ", for " + strings.Join(apps, ", ")
}

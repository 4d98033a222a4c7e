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
	Orders []OrderView `json:"orders"`
}

// OrderView is one order of the audit.
type OrderView struct {
	Seq     uint64         `json:"seq" doc:"From 1, in the order in which orders were given"`
	At      time.Time      `json:"at"`
	By      string         `json:"by"`
	Role    teal.TokenRole `json:"role"`
	From    string         `json:"from" doc:"Address of the client"`
	Order   string         `json:"order" doc:"The operation, such as rollback"`
	App     string         `json:"app,omitempty" doc:"Left out: the order is about the server"`
	Note    string         `json:"note,omitempty" doc:"What it said: versions, reasons, names"`
	Before  string         `json:"before,omitempty" doc:"Where the app stood before it"`
	After   string         `json:"after,omitempty" doc:"Where it stood when the order was answered"`
	Outcome access.Outcome `json:"outcome" enum:"done,refused,unknown"`
	Code    teal.Code      `json:"code,omitempty" doc:"Why it was refused"`
	Message string         `json:"message,omitempty"`
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
	list := Orders{Orders: []OrderView{}}
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
	for _, e := range entries {
		list.Orders = append(list.Orders, OrderView(e))
	}
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

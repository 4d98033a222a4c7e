package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"teal"
)

// AlertList is the answer of GET /v1/alerts.
type AlertList struct {
	Alerts []teal.Alert `json:"alerts"`
}

func (s *Server) registerAlerts() {
	register(s, huma.Operation{
		OperationID: "list-alerts", Method: http.MethodGet, Path: "/v1/alerts",
		Summary: "What is wrong with this server, with the way out of each; blocking ones first", Tags: []string{"server"},
	}, func(context.Context, *struct{}) (*body[AlertList], error) {
		return &body[AlertList]{AlertList{Alerts: append([]teal.Alert{}, s.cfg.Alerts()...)}}, nil
	})
	register(s, huma.Operation{
		OperationID: "set-record-aside", Method: http.MethodDelete, Path: "/v1/records/{key}",
		Summary: "Do without a record that cannot be understood; a copy of it is kept in the store", Tags: []string{"server"},
	}, func(ctx context.Context, in *recordInput) (*struct{}, error) {
		return nil, s.cfg.SetAside(ctx, in.Key)
	})
}

type recordInput struct {
	Key string `path:"key" maxLength:"500" doc:"The subject of the alert record_unreadable"`
}

// answerReady answers GET /readyz: 200 while orders are taken. It needs no
// token, so it tells codes and subjects and no details.
func (s *Server) answerReady(w http.ResponseWriter, _ *http.Request) {
	if ready, why := s.cfg.Ready(); !ready {
		s.plain(w, http.StatusServiceUnavailable, "not ready: "+why)
		return
	}
	status, text := http.StatusOK, "ready"
	var lines strings.Builder
	for _, f := range s.cfg.Alerts() {
		if f.Blocking {
			status, text = http.StatusServiceUnavailable, "not ready: no orders are taken"
		}
		fmt.Fprintf(&lines, "\n%s: %s", f.Code, f.Subject)
	}
	s.plain(w, status, text+lines.String())
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"teal"
)

type logsInput struct {
	InApp
	Version   int    `query:"version" minimum:"1" doc:"Only this version"`
	Component string `query:"component" maxLength:"64" doc:"Only this component"`
	Instance  string `query:"instance" maxLength:"256" doc:"Only this instance, as lines name it"`
	RequestID string `query:"request_id" maxLength:"200" doc:"Only this request"`
	Since     string `query:"since" maxLength:"64" doc:"Only lines of this time (RFC 3339) and later"`
	Grep      string `query:"grep" maxLength:"1000" doc:"Only lines whose text contains this, in the same case"`
	Tail      int    `query:"tail" minimum:"1" maximum:"1000000" doc:"Only the last so many of the selected lines that are there"`
	Follow    bool   `query:"follow" doc:"Go on with what is written from now on"`
}

func (in *logsInput) validate() error {
	if err := in.InApp.validate(); err != nil {
		return err
	}
	_, err := sinceOf(in.Since)
	return err
}

// LogEntry is one line of a log stream: a LogLine or, as the last line, why the
// stream ended early.
type LogEntry struct {
	*LogLine
	Error *LogError `json:"error,omitempty"`
}

// LogError says why a log stream ended early.
type LogError struct {
	Code    teal.Code `json:"code"`
	Message string    `json:"message"`
}

func (s *Server) registerLogs() {
	register(s, huma.Operation{
		OperationID: "read-logs", Method: http.MethodGet, Path: "/v1/apps/{app}/logs",
		Summary: "What the app's components have written, as JSON Lines", Tags: []string{"apps"},
		Responses: streamResponse("application/jsonl"),
	}, s.logs)
}

func (s *Server) logs(ctx context.Context, in *logsInput) (*huma.StreamResponse, error) {
	if err := s.checkLogged(ctx, in); err != nil {
		return nil, err // translated by register
	}
	since, err := sinceOf(in.Since)
	if err != nil {
		return nil, err
	}
	query := LogQuery{
		App: in.App, Version: teal.VersionRef(in.Version), Component: in.Component, Instance: in.Instance,
		RequestID: in.RequestID, Since: since, Text: in.Grep, Tail: in.Tail, Follow: in.Follow,
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		ctx, end := s.streaming(ctx)
		defer end()
		out := openStream(hctx, "application/jsonl")
		s.streamEnded(in.App, s.sendLogs(ctx, out, query))
	}}, nil
}

// checkLogged refuses the log of what there is not: it looks like an empty one, and
// only the catalogue knows. A draft has no record there.
func (s *Server) checkLogged(ctx context.Context, in *logsInput) error {
	if version := teal.VersionRef(in.Version); version != 0 && version != teal.Draft {
		_, err := s.findVersion(ctx, in.App, version.String())
		return err
	}
	_, err := s.cfg.Control.Status(ctx, in.App)
	return err
}

// sendLogs sends lines until there are no more, ctx ends or the client is gone, and says
// last why it ends early.
func (s *Server) sendLogs(ctx context.Context, out *stream, query LogQuery) error {
	if err := out.send(nil); err != nil {
		return err
	}
	if err := s.sendLines(ctx, out, query); err != nil || !errors.Is(context.Cause(ctx), errTokenEnded) {
		return err
	}
	return s.sendLogError(ctx, out, errTokenEnded)
}

// sendLogError sends why the log ends early.
func (s *Server) sendLogError(ctx context.Context, out *stream, err error) error {
	problem := s.fail(ctx, "read-logs", err)
	data, err := json.Marshal(LogEntry{Error: &LogError{Code: problem.Code, Message: problem.Detail}})
	if err != nil {
		return fmt.Errorf("encode the end of a log: %w", err)
	}
	return out.send(append(data, '\n'))
}

func (s *Server) sendLines(ctx context.Context, out *stream, query LogQuery) error {
	for line, err := range s.cfg.Logs.Read(ctx, query) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return s.sendLogError(ctx, out, err)
		}
		data, err := json.Marshal(LogEntry{LogLine: &line})
		if err != nil {
			return fmt.Errorf("encode log line: %w", err)
		}
		if err := out.send(append(data, '\n')); err != nil {
			return err
		}
	}
	return nil
}

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teal/internal/access"
)

func (s *Server) registerEvents() {
	register(s, huma.Operation{
		OperationID: "watch-events", Method: http.MethodGet, Path: "/v1/apps/{app}/events",
		Summary: "The app's records, then every change of them, as server-sent events", Tags: []string{"apps"},
		Description: "The name of an event is its kind, its id the revision of the record, its data an Event. " +
			"When the stream ends, connect again: it begins with all records as they are then.",
		Responses: streamResponse("text/event-stream"),
	}, func(ctx context.Context, in *InApp) (*huma.StreamResponse, error) { return s.events(ctx, in.App) })
	register(s, huma.Operation{
		OperationID: "watch-all-events", Method: http.MethodGet, Path: "/v1/events",
		Summary: "The records of all apps, then every change of them, as server-sent events", Tags: []string{"apps"},
		Description: "The events are those of every app's own stream, in one order; each names its app.",
		Responses:   streamResponse("text/event-stream"),
	}, func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) { return s.events(ctx, "") })
}

func streamResponse(mediaType string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: "A stream that goes on until the client or the server ends it",
		Content:     map[string]*huma.MediaType{mediaType: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
}

func (s *Server) events(ctx context.Context, app string) (*huma.StreamResponse, error) {
	ctx, end := s.streaming(ctx)
	changes, err := s.cfg.Control.Watch(ctx, app)
	if err != nil {
		end()
		return nil, err // translated by register
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer end()
		out := openStream(hctx, "text/event-stream")
		s.streamEnded(app, sendEvents(ctx, out, access.CallerOf(ctx).Sees, changes, s.cfg.Heartbeat))
	}}, nil
}

// sendEvents writes events until the channel is closed, ctx ends or the client
// is gone. The comments keep proxies from closing a silent connection and let
// the client see that the server is there.
func sendEvents(ctx context.Context, out *stream, sees func(app string) bool, changes <-chan Event, heartbeat time.Duration) error {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	if err := out.send([]byte(": events\n\n")); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, open := <-changes:
			if !open {
				return nil
			}
			if !sees(event.App) {
				continue
			}
			frame, err := eventFrame(event)
			if err != nil {
				return err
			}
			if err := out.send(frame); err != nil {
				return err
			}
		case <-ticker.C:
			if err := out.send([]byte(": heartbeat\n\n")); err != nil {
				return err
			}
		}
	}
}

func eventFrame(e Event) ([]byte, error) {
	e.Value = viewRecord(e.Value)
	data, err := json.Marshal(e) // has no line breaks, so it is one data field
	if err != nil {
		return nil, fmt.Errorf("encode %s event of %s: %w", e.Kind, e.App, err)
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.Revision, e.Kind, data), nil
}

// stream is an answer that is sent piece by piece.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// openStream sends the headers, so that the client knows that it is connected.
func openStream(ctx huma.Context, mediaType string) *stream {
	ctx.SetHeader("Content-Type", mediaType)
	ctx.SetHeader("Cache-Control", "no-store")
	ctx.SetStatus(http.StatusOK)
	w := ctx.BodyWriter().(http.ResponseWriter) // humago's writer is the request's
	return &stream{w: w, control: http.NewResponseController(w)}
}

// send writes one piece and pushes it out.
func (s *stream) send(piece []byte) error {
	if _, err := s.w.Write(piece); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

func (s *Server) streamEnded(app string, err error) {
	if err != nil {
		s.cfg.Logger.Debug("admin API: stream ended", "app", app, "error", err)
	}
}

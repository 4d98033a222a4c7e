package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (s *Server) registerIntervals() {
	register(s, huma.Operation{
		OperationID: "read-intervals", Method: http.MethodGet, Path: "/v1/releases/{id}/intervals",
		Summary:     "What was measured of both versions during a release, as JSON Lines",
		Description: "What the judge was told, in that order, as `teal analyze` reads it: lines with at and judge (what it begins with, or goes on from after a restart: policy, baseline, state) or step, and lines with at, side (live or green), requests, errors, latency_ms, unanswered, waited_ms and new_errors. Recordings of earlier versions of Teal have no lines of the first two sorts. The stream ends by itself.",
		Tags:        []string{"releases"}, Responses: streamResponse("application/jsonl"),
	}, s.intervals)
}

func (s *Server) intervals(ctx context.Context, in *inRelease) (*huma.StreamResponse, error) {
	lines, err := s.cfg.Control.Intervals(ctx, in.ID)
	if err != nil {
		return nil, err // translated by register
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		ctx, end := s.streaming(ctx)
		defer end()
		out := openStream(hctx, "application/jsonl")
		if err := errors.Join(sendAll(ctx, out, lines), lines.Close()); err != nil {
			s.streamEnded(in.ID, err)
			panic(http.ErrAbortHandler) // half of it must not look like all of it
		}
	}}, nil
}

// sendAll sends everything that r holds.
func sendAll(ctx context.Context, out *stream, r io.Reader) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := r.Read(buffer)
		if sendErr := out.send(buffer[:n]); sendErr != nil {
			return sendErr
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read intervals: %w", err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

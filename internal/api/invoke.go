package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"teal"
)

// The headers of an invocation's answer.
const (
	HeaderVersion       = "Teal-Version"
	HeaderRequestID     = "Teal-Request-Id"
	HeaderFunctionError = "Teal-Function-Error"
)

type invokeInput struct {
	InApp
	Upload
	Qualifier string `query:"qualifier" maxLength:"128" doc:"An alias, a version number or $LATEST; left out: live, or $LATEST where nothing is live"`
	Component string `query:"component" maxLength:"64" doc:"Which function; may be left out when the app has only one"`
}

type invokeOutput struct {
	ContentType   string `header:"Content-Type"`
	Version       string `header:"Teal-Version" doc:"The version that answered, $LATEST for a draft"`
	RequestID     string `header:"Teal-Request-Id" doc:"Found again in the logs"`
	FunctionError string `header:"Teal-Function-Error" doc:"Set when the function failed; the body is its error document"`
	Body          []byte `contentType:"application/json"`
}

func (s *Server) registerInvoke() {
	register(s, huma.Operation{
		OperationID: "invoke", Method: http.MethodPost, Path: "/v1/apps/{app}/invoke",
		Summary: "Call a function with a JSON event; the answer is its raw result", Tags: []string{"functions"},
		// Without a schema huma leaves the body alone: an event is any JSON.
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {}}},
	}, s.invoke)
}

func (s *Server) invoke(ctx context.Context, in *invokeInput) (*invokeOutput, error) {
	event, err := io.ReadAll(limit(in.content, teal.MaxPayload))
	if err != nil {
		return nil, err // problemOf knows the reader's errors
	}
	if len(event) == 0 {
		event = []byte("{}")
	}
	if !json.Valid(event) || !utf8.Valid(event) {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the event is not JSON in UTF-8; send one JSON value")
	}
	done, err := s.cfg.Control.Invoke(ctx, Invoke{App: in.App, Qualifier: in.Qualifier, Component: in.Component, Event: event})
	if err != nil {
		return nil, err // translated by register
	}
	return &invokeOutput{
		ContentType: "application/json",
		Version:     done.Version.String(), RequestID: done.Answer.RequestID, FunctionError: done.Answer.FunctionError,
		Body: done.Answer.Payload,
	}, nil
}

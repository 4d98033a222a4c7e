package api

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/danielgtaylor/huma/v2"

	"teal"
)

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// Codes of failures that belong to HTTP alone and have no meaning elsewhere.
const (
	codeForeignOrigin    teal.Code = "foreign_origin"
	codeMethodNotAllowed teal.Code = "method_not_allowed"
	codeUnsupportedMedia teal.Code = "unsupported_media_type"
)

// Problem is a failure on the wire, as RFC 9457 has it, with Teal's code.
type Problem struct {
	Type   string    `json:"type" doc:"Always about:blank; code says what it is."`
	Title  string    `json:"title" doc:"The HTTP status in words."`
	Status int       `json:"status"`
	Code   teal.Code `json:"code" doc:"Stable name of the failure, for programs."`
	Detail string    `json:"detail" doc:"What is wrong and what to do, for people."`
}

// Error returns the sentence for people.
func (p *Problem) Error() string { return p.Detail }

// GetHeaders implements [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header {
	if p.Code == teal.CodeQueueFull {
		return http.Header{"Retry-After": {"1"}}
	}
	return nil
}

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of a problem.
func (p *Problem) ContentType(string) string { return ProblemType }

func newProblem(status int, code teal.Code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// statusOf is the one place where a kind of failure becomes an HTTP status.
func statusOf(kind teal.Kind) int {
	switch kind {
	case teal.KindInvalid:
		return http.StatusBadRequest
	case teal.KindUnauthorized:
		return http.StatusUnauthorized
	case teal.KindForbidden:
		return http.StatusForbidden
	case teal.KindNotFound:
		return http.StatusNotFound
	case teal.KindConflict:
		return http.StatusConflict
	case teal.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case teal.KindThrottled:
		return http.StatusTooManyRequests
	case teal.KindUnavailable:
		return http.StatusServiceUnavailable
	case teal.KindTimeout:
		return http.StatusGatewayTimeout
	case teal.KindBadGateway:
		return http.StatusBadGateway
	case teal.KindInternal:
	}
	return http.StatusInternalServerError
}

// problemOf translates any error. Failures of reading the body come first:
// whoever was reading may have wrapped them as its own.
func problemOf(err error) *Problem {
	var tooLarge *http.MaxBytesError
	var own *teal.Error
	var problem *Problem
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &tooLarge):
		err = teal.Errorf(teal.CodeTooLarge, "the body is larger than %s, the most that is accepted here", teal.Bytes(tooLarge.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = teal.Errorf(teal.CodeTimeout, "the body did not arrive in time; send it without pauses")
	case errors.As(err, &own):
	case errors.Is(err, syscall.ENOSPC):
		err = teal.Errorf(teal.CodeDiskFull, "the server's disk is full and nothing was saved; make room where its data directory is, and try again")
	case errors.Is(err, context.Canceled):
		err = teal.Errorf(teal.CodeUnavailable, "the server is stopping; try again when it runs again")
	case errors.Is(err, context.DeadlineExceeded):
		err = teal.Errorf(teal.CodeTimeout, "the server did not finish in time; look at the status before trying again")
	}
	code := teal.CodeOf(err)
	return newProblem(statusOf(code.Kind()), code, teal.MessageOf(err))
}

// problemOfModel translates what huma itself finds wrong with a request.
func problemOfModel(m *huma.ErrorModel) *Problem {
	code, status := teal.CodeInvalidInput, http.StatusBadRequest
	switch m.Status {
	case http.StatusRequestEntityTooLarge:
		code, status = teal.CodeTooLarge, m.Status
	case http.StatusRequestTimeout:
		code, status = teal.CodeTimeout, http.StatusGatewayTimeout
	case http.StatusUnsupportedMediaType:
		code, status = codeUnsupportedMedia, m.Status
	}
	return newProblem(status, code, sentence(m))
}

// sentence puts huma's findings into one text. Values are left out: a body may
// hold secrets.
func sentence(m *huma.ErrorModel) string {
	findings := make([]string, 0, len(m.Errors))
	for _, e := range m.Errors {
		switch {
		case e == nil:
		case e.Location == "":
			findings = append(findings, e.Message)
		default:
			findings = append(findings, e.Location+": "+e.Message)
		}
	}
	if len(findings) == 0 {
		return m.Detail
	}
	return "the request is not valid: " + strings.Join(findings, "; ")
}

// asProblem is the huma transformer that gives huma's own errors a code.
func asProblem(_ huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		return problemOfModel(m), nil
	}
	return v, nil
}

// problemStatus is a huma middleware that sends the status of the problem in
// place of the one that huma has for its own errors.
func problemStatus(ctx huma.Context, next func(huma.Context)) { next(statusContext{ctx}) }

// inner gives the embedded interface a name that is not its own method's.
type inner huma.Context

type statusContext struct{ inner }

// Unwrap lets humago find its own context.
func (c statusContext) Unwrap() huma.Context { return c.inner }

func (c statusContext) SetStatus(status int) {
	switch status {
	case http.StatusUnprocessableEntity:
		status = http.StatusBadRequest
	case http.StatusRequestTimeout:
		status = http.StatusGatewayTimeout
	}
	c.inner.SetStatus(status)
}

package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// ConsolePath is where the console is.
const ConsolePath = "/console"

// ConsoleCode is the answer of POST /v1/console-codes.
type ConsoleCode struct {
	Path string `json:"path" doc:"Path on this server, to be opened in a browser within a minute, once: it signs the browser in as the token of this request"`
}

func (s *Server) registerConsole() {
	register(s, huma.Operation{
		OperationID: "create-console-code", Method: http.MethodPost, Path: "/v1/console-codes", DefaultStatus: http.StatusCreated,
		Summary: "Let a browser into the console as the token of this request, once, within a minute", Tags: []string{"access"},
	}, func(ctx context.Context, _ *struct{}) (*body[ConsoleCode], error) {
		if s.cfg.Codes == nil {
			return nil, teal.Errorf(teal.CodeUnsupported, "this server has no console")
		}
		return &body[ConsoleCode]{ConsoleCode{Path: ConsolePath + "/enter?code=" + s.cfg.Codes.Create(access.CallerOf(ctx))}}, nil
	})
}

// ofConsole reports whether a path is the console's.
func ofConsole(path string) bool {
	return path == ConsolePath || strings.HasPrefix(path, ConsolePath+"/")
}

// follows reports whether a browser follows a link of another site to the console. It
// asks for a page, and sends no cookie that is good for anything; nothing is done by it.
func (s *Server) follows(r *http.Request) bool {
	return s.console != nil && r.Method == http.MethodGet && ofConsole(r.URL.Path) &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// As returns the API as a caller sees it who has been identified elsewhere.
func (s *Server) As(caller access.Caller) http.Handler {
	return s.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mux.ServeHTTP(w, r.WithContext(access.WithCaller(r.Context(), caller)))
	}))
}

package api

import (
	"fmt"
	"net/http"
	"strings"

	"teal"
)

// registerOpen adds what needs no token, and the answer to everything that is
// not an endpoint.
func (s *Server) registerOpen() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { s.plain(w, http.StatusOK, "ok") })
	s.mux.HandleFunc("GET /readyz", s.answerReady)
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		s.write(w, s.openAPI)
	})
	s.mux.HandleFunc("/", s.notFound)
}

func (s *Server) plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	s.write(w, []byte(text+"\n"))
}

func (s *Server) write(w http.ResponseWriter, data []byte) {
	if _, err := w.Write(data); err != nil {
		s.cfg.Logger.Debug("admin API: the client went away", "error", err)
	}
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	if allowed := s.methodsAt(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.refuse(w, newProblem(http.StatusMethodNotAllowed, codeMethodNotAllowed,
			fmt.Sprintf("%s is not possible here; use %s", r.Method, strings.Join(allowed, ", "))))
		return
	}
	s.refuse(w, problemOf(teal.Errorf(teal.CodeNotFound, "there is nothing at %s; /openapi.json lists what there is", r.URL.Path)))
}

// methodsAt returns the methods that have an endpoint at the request's path.
func (s *Server) methodsAt(r *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := s.mux.Handler(probe); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

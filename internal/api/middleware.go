package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"teal"
	"teal/internal/access"
	"teal/internal/api/awslambda"
)

// chain wraps the endpoints with what holds for all of them. The order matters:
// time limits and logging see everything, a foreign page learns nothing, and
// nothing is parsed before the token has been checked.
func (s *Server) chain(next http.Handler) http.Handler {
	return s.observe(s.refuseForeign(s.authenticate(next)))
}

// observe bounds the time of reading and writing, logs the request and turns a
// panic into a problem. Headers and query are not logged: they may hold
// secrets.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		control := http.NewResponseController(w)
		rec := &recorder{ResponseWriter: w, control: control, stall: s.stall}
		body := &patientBody{ReadCloser: r.Body, control: control, stall: s.stall, rest: s.rest}
		r.Body = body
		defer func() {
			s.recovered(recover(), rec, r)
			// net/http reads what is left of a body; that must end too. A
			// connection without deadlines (a test's recorder) has no such body.
			_ = control.SetReadDeadline(time.Now().Add(body.leftover()))
			_ = control.SetWriteDeadline(time.Now().Add(s.stall + s.rest))
			s.cfg.Logger.Debug("admin API: request", "method", r.Method, "path", loggedPath(r.URL.Path),
				"status", rec.status, "bytes", rec.bytes, "took", time.Since(start))
		}()
		next.ServeHTTP(rec, r)
	})
}

func (s *Server) recovered(cause any, w *recorder, r *http.Request) {
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && err == http.ErrAbortHandler { //nolint:errorlint // the sentinel is never wrapped
		panic(cause)
	}
	s.cfg.Logger.Error("admin API: panic", "method", r.Method, "path", loggedPath(r.URL.Path), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	s.refuse(w, newProblem(http.StatusInternalServerError, teal.CodeInternal, "Something inside Teal failed; the server's log says what."))
}

// refuseForeign refuses requests that a browser makes for another site's page.
func (s *Server) refuseForeign(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if foreign(r) && !s.follows(r) {
			s.refuse(w, newProblem(http.StatusForbidden, codeForeignOrigin, "requests from pages of another origin are refused"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// loggedPath returns a path without the token of a hook.
func loggedPath(path string) string {
	if answersHook(path) {
		return path[:strings.LastIndexByte(path, '/')+1]
	}
	return path
}

// answersHook reports whether a path is one at which a hook answers:
// /v1/releases/ID/hooks/TOKEN.
func answersHook(path string) bool {
	i := strings.LastIndexByte(path, '/') + 1
	rest, release := strings.CutPrefix(path[:i], "/v1/releases/")
	id, hooks := strings.CutSuffix(rest, "/hooks/")
	return release && hooks && path[i:] != "" && !strings.Contains(id, "/")
}

// authenticate asks for a token everywhere but on the open paths, and where a
// hook answers, which has a token of its own and no other power.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.cfg.AWS != nil && awslambda.Owns(r.URL.Path):
			s.cfg.AWS.ServeHTTP(w, r)
			return
		case s.console != nil && ofConsole(r.URL.Path):
			s.console.ServeHTTP(w, r)
			return
		case isOpen(r.URL.Path) || answersHook(r.URL.Path):
			next.ServeHTTP(w, r)
			return
		}
		caller, err := s.identify(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="teal"`)
			s.refuse(w, problemOf(err))
			return
		}
		next.ServeHTTP(w, r.WithContext(access.WithCaller(r.Context(), caller)))
	})
}

func isOpen(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/openapi.json"
}

const whereTokensAre = "; the server's own is in DATA/admin.token: set TEAL_TOKEN to it, or send it as Authorization: Bearer TOKEN"

// identify returns who has sent a request. Whoever tries tokens waits here.
func (s *Server) identify(r *http.Request) (access.Caller, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return access.Caller{}, teal.Errorf(teal.CodeUnauthorized, "a token is needed%s", whereTokensAre)
	}
	scheme, token, _ := strings.Cut(header, " ")
	caller, err := s.cfg.Access.Authenticate(token)
	if err == nil && strings.EqualFold(scheme, "Bearer") {
		return caller, nil
	}
	s.cfg.Logger.Warn("admin API: a wrong token", "from", r.RemoteAddr)
	if !s.cfg.Attempts.Failed(r.Context(), peerOf(r)) {
		return access.Caller{}, teal.Errorf(teal.CodeThrottled, "too many wrong tokens; try again in a second")
	}
	return access.Caller{}, teal.Errorf(teal.CodeUnauthorized, "%s%s", teal.MessageOf(cmp.Or(err, error(teal.Errorf(teal.CodeUnauthorized, "the token is wrong")))), whereTokensAre)
}

// peerOf returns the address of who has sent a request; the zero address where it is
// not known.
func peerOf(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return from.Addr()
}

// refuse writes a problem without huma.
func (s *Server) refuse(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", ProblemType)
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		s.cfg.Logger.Debug("admin API: the client went away", "error", err)
	}
}

// patientBody gives each read of a body its own deadline.
type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
	rest    time.Duration // for what the handler has not read
	broken  bool          // what is left of it will not come either
}

// leftover returns how long to wait for what the handler has not read.
func (b *patientBody) leftover() time.Duration {
	if b.broken {
		return 0
	}
	return b.rest
}

func (b *patientBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.stall)) // see observe
	n, err := b.ReadCloser.Read(p)
	b.broken = err != nil && err != io.EOF //nolint:errorlint // io.EOF is never wrapped here
	return n, err                          // io.EOF must stay io.EOF
}

// Close gives the rest of the body little time: net/http reads on in Close to
// save the connection, and would wait for ever. The deadline is taken away
// again: at the end of a body net/http begins to watch for the client to leave,
// and a deadline that is left behind would look like that to a long handler.
func (b *patientBody) Close() error {
	_ = b.control.SetReadDeadline(time.Now().Add(b.leftover())) // see observe
	err := b.ReadCloser.Close()
	_ = b.control.SetReadDeadline(time.Time{})
	return err // nothing to add
}

// recorder remembers the status for the log and gives each write a deadline.
type recorder struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	status  int
	bytes   int64
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader sends the status once; later calls change nothing.
func (w *recorder) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall)) // see observe
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err // callers look at the connection's own error
}

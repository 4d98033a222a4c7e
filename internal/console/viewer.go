package console

import (
	"net/http"
	"strings"

	"teal"
	"teal/internal/access"
	"teal/internal/api"
	"teal/internal/client"
)

// viewer is a person at a page.
type viewer struct {
	console *Console
	caller  access.Caller
	api     *client.Client
	session *session // nil while what is written is for several people
}

// may reports whether the viewer may do an operation of the API to an app.
func (v *viewer) may(operation, app string) bool { return api.Permits(v.caller, operation, app) }

// sees names all that decides what is written for a viewer and for nobody else.
func (v *viewer) sees() string { return string(v.caller.Role) + " " + strings.Join(v.caller.Apps, " ") }

// withSession calls a handler with the viewer of a request, or shows where to sign in.
func (c *Console) withSession(next func(http.ResponseWriter, *http.Request, *viewer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		byItself := wantsStream(r)
		session := c.sessions.of(r, byItself)
		if session != nil && !session.caller.Shared && !c.cfg.Access.Holds(session.caller) {
			c.sessions.end(w, r)
			session = nil
		}
		switch {
		case session == nil && byItself:
			http.Error(w, "signed out", http.StatusUnauthorized)
		case session == nil && r.Header.Get("Sec-Fetch-Site") == "cross-site" && !strings.HasSuffix(r.URL.RawQuery, "again"):
			// The cookie does not come along when a link of another site is followed.
			c.write(w, http.StatusOK, "again.html", again(r))
		case session == nil && r.Method == http.MethodGet:
			http.Redirect(w, r, signInPath(r), http.StatusSeeOther)
		case session == nil:
			http.Redirect(w, r, api.ConsolePath+"/sign-in", http.StatusSeeOther)
		case r.Method == http.MethodPost && !session.proves(w, r):
			v := c.viewer(r, session)
			c.fail(w, r, v, teal.Errorf(teal.CodeForbidden, "this form is not of a page that was open here; go back, reload the page and try again"))
		default:
			next(w, r, c.viewer(r, session))
		}
	}
}

func (c *Console) viewer(r *http.Request, s *session) *viewer {
	return &viewer{console: c, caller: s.caller, api: c.client(s.caller, r.RemoteAddr), session: s}
}

// wantsStream reports whether a page's script asks for what changes.
func wantsStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

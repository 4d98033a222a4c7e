package console

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"teal/internal/access"
	"teal/internal/api"
)

// maxForm bounds what a form may hold before anybody has proven who they are.
const maxForm = 16 << 10

// again is the page that a link of another site leads to: it asks for the same address once
// more, and then the browser sends the cookie.
func again(r *http.Request) any {
	query := r.URL.RawQuery
	if query != "" {
		query += "&"
	}
	return map[string]string{"To": r.URL.Path + "?" + query + "again"}
}

// signInPath is where to sign in, and what to show then.
func signInPath(r *http.Request) string {
	to := strings.TrimSuffix(strings.TrimSuffix(r.URL.RequestURI(), "again"), "&")
	if strings.TrimSuffix(to, "?") == api.ConsolePath+"/" {
		return api.ConsolePath + "/sign-in"
	}
	return api.ConsolePath + "/sign-in?to=" + url.QueryEscape(strings.TrimSuffix(to, "?"))
}

// inConsole returns a path of the console, whatever somebody has written into a link.
func inConsole(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, api.ConsolePath+"/") || strings.Contains(path, "\\") {
		return api.ConsolePath + "/"
	}
	return u.RequestURI()
}

type signInView struct{ To, Problem string }

func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request) {
	c.write(w, http.StatusOK, "signin.html", signInView{To: inConsole(r.URL.Query().Get("to"))})
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	to := inConsole(r.PostFormValue("to"))
	caller, err := c.cfg.Access.Authenticate(strings.TrimSpace(r.PostFormValue("token")))
	if err != nil {
		c.cfg.Logger.Warn("console: a wrong token", "from", r.RemoteAddr)
		from, _ := netip.ParseAddrPort(r.RemoteAddr)
		problem, status := "The server does not accept this token. An admin makes one with `teal token create`.", http.StatusUnauthorized
		if !c.cfg.Attempts.Failed(r.Context(), from.Addr()) {
			problem, status = "Too many wrong tokens; try again in a second.", http.StatusTooManyRequests
		}
		c.write(w, status, "signin.html", signInView{To: to, Problem: problem})
		return
	}
	c.welcome(w, r, caller, to)
}

func (c *Console) welcome(w http.ResponseWriter, r *http.Request, caller access.Caller, to string) {
	c.sessions.end(w, r) // what this browser was before
	c.sessions.begin(w, r, caller)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// showEntry asks whether the code of `teal console` is to be used: a browser that looks at
// addresses beforehand must not use it up.
func (c *Console) showEntry(w http.ResponseWriter, r *http.Request) {
	c.write(w, http.StatusOK, "enter.html", map[string]string{"Code": r.URL.Query().Get("code")})
}

func (c *Console) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if c.cfg.Codes != nil {
		if caller, ok := c.cfg.Codes.Redeem(r.PostFormValue("code")); ok {
			c.welcome(w, r, caller, api.ConsolePath+"/")
			return
		}
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	c.cfg.Attempts.Failed(r.Context(), from.Addr())
	c.write(w, http.StatusUnauthorized, "signin.html", signInView{To: api.ConsolePath + "/", Problem: "This code has been used, or is older than a minute; run `teal console` again, or sign in with a token."})
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request, _ *viewer) {
	c.sessions.end(w, r)
	http.Redirect(w, r, api.ConsolePath+"/sign-in", http.StatusSeeOther)
}

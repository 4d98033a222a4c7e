package console_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/access"
	"teal/internal/analysis"
	"teal/internal/api"
	"teal/internal/api/apitest"
	"teal/internal/await"
	"teal/internal/console"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server with a console, and what happens on it.
type world struct {
	t      *testing.T
	fake   *apitest.Teal
	tokens *access.Tokens
	codes  *access.Codes
	base   string
	now    func() time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, fake: apitest.New()}
	w.now = w.fake.Now
	w.tokens, w.codes = apitest.Tokens(t, access.Config{Now: w.fake.Now}), access.NewCodes(w.fake.Now)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	audit, err := access.OpenAudit(access.AuditConfig{Dir: t.TempDir(), Now: w.fake.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(api.Config{Control: w.fake, Logs: w.fake, Bundles: apitest.NewBundles(), Access: w.tokens, Codes: w.codes, Audit: audit, Queues: w.fake.Messages()})
	pages := console.New(console.Config{As: server.As, Access: w.tokens, Codes: w.codes, Every: 20 * time.Millisecond, Now: w.fake.Now})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- pages.Run(ctx) }()
	go func() { ended <- server.With(pages).Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := await.Value(t, "the server to end", ended); err != nil {
				t.Error(err)
			}
		}
		_ = audit.Close()
	})
	w.base = "http://" + ln.Addr().String()
	return w
}

// shop deploys an app so that its first version is live.
func (w *world) shop() {
	w.t.Helper()
	w.deploy("one")
	w.fake.Provision("shop")
	w.fake.GoLive("shop")
}

func (w *world) deploy(answer string) {
	w.t.Helper()
	spec := teal.Spec{
		App:        "shop",
		Components: map[string]teal.Component{"web": {Upstream: &teal.Upstream{URLs: []string{"http://127.0.0.1:1"}, Health: teal.Health{Path: "/" + answer}}}},
		Routes:     []teal.Route{{Path: "/", To: "web"}},
	}
	if _, err := w.fake.Deploy(w.t.Context(), api.Deploy{Spec: spec, Policy: teal.DefaultPolicy(), Release: true, By: "ann"}); err != nil {
		w.t.Fatal(err)
	}
}

// browser is one that keeps cookies and follows no redirect.
type browser struct {
	*world
	client *http.Client
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &browser{w, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) ask(method, path string, form url.Values, header ...string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+"/console"+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) get(path string, header ...string) answer {
	b.t.Helper()
	return b.ask(http.MethodGet, path, nil, header...)
}

func (b *browser) signIn(token string) answer {
	b.t.Helper()
	return b.ask(http.MethodPost, "/sign-in", url.Values{"token": {token}})
}

// signedIn is a browser of somebody with a role.
func (w *world) signedIn(role teal.TokenRole, apps ...string) *browser {
	w.t.Helper()
	made, err := w.tokens.Create(w.t.Context(), teal.Token{Name: "of-" + string(role) + strings.Join(apps, "-"), Role: role, Apps: apps, CreatedBy: "admin"})
	if err != nil {
		w.t.Fatal(err)
	}
	b := w.browser()
	if a := b.signIn(made.Secret); a.status != http.StatusSeeOther {
		w.t.Fatalf("sign in: %d %s", a.status, a.body)
	}
	return b
}

var csrfPattern = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// order opens the confirmation of an order and confirms it.
func (b *browser) order(app, name string, form url.Values) answer {
	b.t.Helper()
	a := b.get("/apps/" + app + "/order/" + name)
	release := regexp.MustCompile(`name="release" value="([^"]*)"`).FindStringSubmatch(a.body)
	csrf := csrfPattern.FindStringSubmatch(a.body)
	if a.status != http.StatusOK || release == nil || csrf == nil {
		b.t.Fatalf("%s: %d %s", name, a.status, a.body)
	}
	form.Set("csrf", csrf[1])
	form.Set("release", release[1])
	return b.ask(http.MethodPost, "/apps/"+app+"/order/"+name, form)
}

// Who has not signed in sees where to, and nothing else; who has, sees what they asked for
// first. Seen red with a `to` that is followed wherever it leads.
func TestSigningIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	b := w.browser()
	for _, path := range []string{"/", "/apps/shop", "/audit", "/server", "/releases/shop-1", "/nope"} {
		if a := b.get(path); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/console/sign-in") {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Location"))
		}
	}
	if a := b.get("/apps/shop", "Accept", "text/event-stream"); a.status != http.StatusUnauthorized {
		t.Errorf("a stream: %d", a.status)
	}
	if a := b.signIn("wrong"); a.status != http.StatusUnauthorized || strings.Contains(a.body, "wrong\"") || len(a.header["Set-Cookie"]) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for to, want := range map[string]string{
		"/console/apps/shop?x=1": "/console/apps/shop?x=1", "https://evil.example/": "/console/", "//evil.example/console/": "/console/",
		"/console/\\evil": "/console/", "/v1/apps": "/console/", "javascript:alert(1)": "/console/", "": "/console/",
	} {
		a := b.ask(http.MethodPost, "/sign-in", url.Values{"token": {apitest.Token}, "to": {to}})
		if a.status != http.StatusSeeOther || a.header.Get("Location") != want {
			t.Errorf("to %q: %d %s", to, a.status, a.header.Get("Location"))
		}
	}
	a := b.signIn(apitest.Token)
	if cookie := a.header.Get("Set-Cookie"); !strings.Contains(strings.Join(a.header["Set-Cookie"], "\n"), "HttpOnly; SameSite=Strict") || strings.Contains(cookie, apitest.Token) {
		t.Errorf("cookie: %q", a.header["Set-Cookie"])
	}
	page := b.get("/apps/shop")
	if page.status != http.StatusOK || !strings.Contains(page.body, "shop-1") {
		t.Errorf("%d %s", page.status, page.body)
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("CSP: %s", csp)
	}
	for _, inline := range []string{" onclick", " style=", "<script>", "javascript:"} {
		if strings.Contains(page.body, inline) {
			t.Errorf("the page has %q", inline)
		}
	}
	csrf := csrfPattern.FindStringSubmatch(page.body)[1]
	if a := b.ask(http.MethodPost, "/sign-out", url.Values{"csrf": {csrf}}); a.status != http.StatusSeeOther {
		t.Errorf("sign out: %d", a.status)
	}
	if a := b.get("/apps/shop"); a.status != http.StatusSeeOther {
		t.Errorf("signed out: %d", a.status)
	}
}

// A link of another site leads to the console: the page asks once more, with the cookie.
// What is ordered from another site is refused, whatever cookie comes along. Seen red without the look at where a request comes from, and
// without that at its form.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	b := w.browser()
	foreign := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	a := b.get("/apps/shop?x=1", foreign...)
	if a.status != http.StatusOK || !strings.Contains(a.body, "url=/console/apps/shop?x=1&amp;again") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := b.get("/apps/shop?x=1&again", foreign...); a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/sign-in?to=%2Fconsole%2Fapps%2Fshop%3Fx%3D1" {
		t.Errorf("%d %s", a.status, a.header.Get("Location"))
	}
	b.signIn(apitest.Token)
	for _, header := range [][]string{foreign, {"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "same-site"}} {
		if a := b.ask(http.MethodPost, "/apps/shop/order/stop", url.Values{}, header...); a.status != http.StatusForbidden || !strings.Contains(a.body, "another origin") {
			t.Errorf("%v: %d %s", header, a.status, a.body)
		}
	}
	for _, csrf := range []string{"", "x"} {
		if a := b.ask(http.MethodPost, "/apps/shop/order/stop", url.Values{"csrf": {csrf}, "release": {"shop-1"}}); a.status != http.StatusForbidden {
			t.Errorf("csrf %q: %d", csrf, a.status)
		}
	}
	if status, err := w.fake.Status(t.Context(), "shop"); err != nil || status.Stopped != nil {
		t.Errorf("it was stopped: %+v %v", status.Stopped, err)
	}
}

// A session ends by itself: an hour after the last page, twelve hours after it began, and
// at once with its token. Seen red without each of the three.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	idle, old, revoked := w.browser(), w.browser(), w.signedIn(teal.RoleViewer)
	idle.signIn(apitest.Token)
	old.signIn(apitest.Token)
	signedIn := func(b *browser) bool { return b.get("/").status == http.StatusOK }
	if !signedIn(idle) || !signedIn(old) || !signedIn(revoked) {
		t.Fatal("not signed in")
	}
	if err := w.tokens.Revoke(t.Context(), "of-viewer"); err != nil {
		t.Fatal(err)
	}
	if signedIn(revoked) {
		t.Error("signed in with a token that is revoked")
	}
	for range 12 {
		w.fake.Advance(59 * time.Minute)
		if !signedIn(old) {
			t.Fatal("signed out though somebody is there")
		}
	}
	if signedIn(idle) {
		t.Error("signed in after hours without a request")
	}
	w.fake.Advance(13 * time.Minute)
	if signedIn(old) {
		t.Error("signed in after twelve hours")
	}
}

// A code lets one browser in, once, within a minute. Seen red with a code that is kept.
func TestCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	enter := func(code string) int {
		return w.browser().ask(http.MethodPost, "/enter", url.Values{"code": {code}}).status
	}
	code := w.codes.Create(access.Admin())
	if a := w.browser().get("/enter?code=" + code); a.status != http.StatusOK || !strings.Contains(a.body, code) {
		t.Errorf("looking uses it up: %d", a.status)
	}
	if status := enter(code); status != http.StatusSeeOther {
		t.Errorf("%d", status)
	}
	if status := enter(code); status != http.StatusUnauthorized {
		t.Errorf("twice: %d", status)
	}
	late := w.codes.Create(access.Admin())
	w.fake.Advance(access.CodeLife)
	for _, code := range []string{late, "", "nonsense"} {
		if status := enter(code); status != http.StatusUnauthorized {
			t.Errorf("%q: %d", code, status)
		}
	}
}

// What a role may not do is not offered, and refused when somebody does it all the same.
func TestRolesInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	w.deploy("two")
	w.fake.Provision("shop")
	offered := map[teal.TokenRole]string{
		teal.RoleViewer: "", teal.RoleOperator: "abort freeze pause rollback", teal.RoleDeployer: "abort freeze pause promote rollback", teal.RoleAdmin: "abort freeze pause promote rollback",
	}
	link := regexp.MustCompile(`/console/apps/shop/order/([a-z]+)"`)
	for role, want := range offered {
		b := w.signedIn(role)
		seen := map[string]bool{}
		for _, m := range link.FindAllStringSubmatch(b.get("/apps/shop").body, -1) {
			seen[m[1]] = true
		}
		for _, name := range []string{"abort", "approve", "freeze", "pause", "promote", "resume", "rollback", "start", "stop", "unfreeze"} {
			if seen[name] != strings.Contains(want, name) {
				t.Errorf("%s is offered %v; want %s", role, seen, want)
				break
			}
		}
	}
	viewer := w.browser()
	viewer.signIn(apitest.Token)
	made, err := w.tokens.Create(t.Context(), teal.Token{Name: "eve", Role: teal.RoleViewer, CreatedBy: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	viewer.signIn(made.Secret)
	csrf := csrfPattern.FindStringSubmatch(viewer.get("/apps/shop").body)[1]
	a := viewer.ask(http.MethodPost, "/apps/shop/order/rollback", url.Values{"csrf": {csrf}, "release": {"shop-2"}})
	if a.status != http.StatusForbidden || !strings.Contains(a.body, "may not rollback shop") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := viewer.get("/apps/shop/order/rollback"); a.status != http.StatusForbidden {
		t.Errorf("%d", a.status)
	}
	other := w.signedIn("viewer", "other")
	if a := other.get("/apps/shop"); a.status != http.StatusForbidden {
		t.Errorf("another app's token: %d", a.status)
	}
	if a := other.get("/"); strings.Contains(a.body, "shop") {
		t.Errorf("another app's token sees it: %s", a.body)
	}
}

// Every order is given by the API, under the name of the token, and in the audit; one that
// is about a release which is over by now is not given.
func TestOrdersOfTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	w.deploy("two")
	w.fake.Provision("shop")
	w.fake.GoLive("shop")
	b := w.signedIn(teal.RoleDeployer)
	b.order("shop", "pause", url.Values{"why": {"to look <at> it"}})
	if a := b.get("/apps/shop"); !strings.Contains(a.body, "Pause: done") || !strings.Contains(a.body, "to look &lt;at&gt; it") {
		t.Errorf("%s", a.body)
	}
	stale := b.get("/apps/shop/order/rollback")
	b.order("shop", "rollback", url.Values{"why": {"it smells"}})
	status, err := w.fake.Status(t.Context(), "shop")
	if err != nil || status.Release.Commands.Rollback == nil || status.Release.Commands.Rollback.By != "of-deployer" || status.Release.Commands.Rollback.Why != "it smells" {
		t.Fatalf("%+v %v", status.Release, err)
	}
	w.deploy("three")
	csrf := csrfPattern.FindStringSubmatch(stale.body)[1]
	b.ask(http.MethodPost, "/apps/shop/order/rollback", url.Values{"csrf": {csrf}, "release": {"shop-2"}})
	if a := b.get("/apps/shop"); !strings.Contains(a.body, "there is another release, shop-3") {
		t.Errorf("%s", a.body)
	}
	if a := b.get("/audit?app=shop"); !strings.Contains(a.body, "it smells") || !strings.Contains(a.body, "of-deployer") || !strings.Contains(a.body, "127.0.0.1") {
		t.Errorf("%s", a.body)
	}
	b.order("shop", "freeze", url.Values{"why": {"friday"}, "for": {"soon"}})
	if a := b.get("/apps/shop"); !strings.Contains(a.body, "is not how long") {
		t.Errorf("%s", a.body)
	}
	b.order("shop", "freeze", url.Values{"why": {"friday"}, "for": {"2h"}})
	if status, err := w.fake.Status(t.Context(), "shop"); err != nil || status.Frozen == nil || status.Frozen.Why != "friday" {
		t.Errorf("%+v %v", status.Frozen, err)
	}
}

// Where no release runs, the confirmation says what the API will do: a release that was
// aborted hides nothing, and traffic that was moved by hand goes where it does. Seen red
// with the newest release as all that is looked at.
func TestWhereARollbackLeads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	b := w.browser()
	b.signIn(apitest.Token)
	says := func(want string) {
		t.Helper()
		if a := b.get("/apps/shop/order/rollback"); a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("want %q: %d %s", want, a.status, a.body)
		}
	}
	says("not possible now: shop has no version before v1")
	w.deploy("two")
	w.fake.Provision("shop")
	w.fake.GoLive("shop")
	says("All traffic goes to v1 (at once")
	w.fake.Complete("shop")
	says("All traffic goes to v1 (v1 is started first")
	w.deploy("three")
	if _, err := w.fake.Abort(t.Context(), "shop", "ann", "no"); err != nil {
		t.Fatal(err)
	}
	says("All traffic goes to v1 (")
	if a := b.get("/"); !strings.Contains(a.body, `href="/console/apps/shop/order/rollback"`) {
		t.Error("the overview does not offer it")
	}
	split := []teal.Target{{Version: 2, Weight: teal.Percent(90)}, {Version: 3, Weight: teal.Percent(10)}}
	if _, err := w.fake.SetAlias(t.Context(), api.SetAlias{App: "shop", Alias: teal.AliasLive, Targets: split, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	says("All traffic goes to v2 (")
}

// hostile is what strangers write into names, log lines, reasons and errors.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</pre></section><h1>x`, "{{.CSRF}}", "javascript:alert(1)",
	"\x01123\x01", "\u202Eevil", "a\x00b", "<!--", "]]>", "&lt;b&gt;", "data: x\n\nevent: sections\ndata: {}", strings.Repeat("<", 5000),
}

// What strangers write is shown as text, on every page and in what its script gets. Seen
// red with a sentence that is not escaped.
func TestWhatStrangersWriteIsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	w.deploy("two")
	w.fake.Provision("shop")
	b := w.browser()
	b.signIn(apitest.Token)
	tags := regexp.MustCompile(`<(script|img|h1|!--)[^>]*>`)
	allowed := map[string]bool{`<script src="/console/static/console.js" defer>`: true, `<h1>`: true}
	for _, text := range hostile {
		w.fake.Log(api.LogLine{At: w.now(), App: "shop", Version: 1, Component: "web", Instance: text, RequestID: text, Stream: "stdout", Text: text})
		for _, kind := range []teal.CommandKind{teal.CommandPause, teal.CommandResume, teal.CommandPause} {
			_, _ = w.fake.Command(t.Context(), "shop", teal.Command{Kind: kind, By: text, Why: text}) // what it is now does not matter
		}
		w.fake.Judge("shop", teal.Judgement{Verdict: teal.VerdictFail, Reason: text, Findings: []teal.Finding{{Name: "new errors", Asked: text, Seen: text, Output: text, Verdict: teal.VerdictFail}}})
		w.fake.Trouble("shop", teal.EnvironmentDegraded, text, text)
		query := url.Values{"q": {text}, "text": {""}, "by": {text}}.Encode()
		for _, path := range []string{"/?" + query, "/apps/shop", "/apps/shop/logs", "/apps/shop/history", "/releases/shop-2", "/audit?" + query, "/apps/" + url.PathEscape(text), "/sign-in?to=" + url.QueryEscape(text)} {
			a := b.get(path)
			for _, tag := range tags.FindAllString(a.body, -1) {
				if !allowed[tag] {
					t.Errorf("%q on %s: %s", text, path, tag)
				}
			}
			if strings.Contains(a.body, `onerror=alert(1)>`) && !strings.Contains(a.body, "&lt;img") || regexp.MustCompile(`href="javascript`).MatchString(a.body) {
				t.Errorf("%q on %s", text, path)
			}
		}
	}
}

// events reads the stream of a page until done says that it has seen enough.
func (b *browser) events(path string, done func(event, data string) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), await.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+"/console"+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	buffer, text := make([]byte, 64<<10), ""
	for {
		n, err := resp.Body.Read(buffer)
		text += string(buffer[:n])
		for {
			frame, rest, whole := strings.Cut(text, "\n\n")
			if !whole {
				break
			}
			text = rest
			event, data, _ := strings.Cut(frame, "\n")
			if done(strings.TrimPrefix(event, "event: "), strings.ReplaceAll(strings.TrimPrefix(data, "data: "), "\ndata: ", "\n")) {
				return
			}
		}
		if err != nil {
			b.t.Fatalf("%s: the stream ended: %v", path, err)
		}
	}
}

// A page changes while somebody looks, and tells only what has changed.
func TestPagesChangeByThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	b := w.browser()
	b.signIn(apitest.Token)
	deployed := false
	b.events("/apps/shop", func(event, data string) bool {
		if event != "sections" {
			t.Errorf("%s: %s", event, data)
		}
		switch {
		case !deployed && strings.Contains(data, "shop-1"):
			deployed = true
			w.deploy("two")
		case strings.Contains(data, "shop-2"):
			return true
		}
		return false
	})
}

// Lines of a log come as they are written, filtered as the page is.
func TestALogIsFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	b := w.browser()
	b.signIn(apitest.Token)
	line := func(text string) {
		w.fake.Log(api.LogLine{At: w.now().Add(time.Second), App: "shop", Version: 1, Component: "web", Stream: "stdout", Text: text})
	}
	line("before")
	page := b.get("/apps/shop/logs?level=error")
	follow := regexp.MustCompile(`data-follow="/console([^"]+)"`).FindStringSubmatch(page.body)
	if follow == nil || strings.Contains(page.body, "before") {
		t.Fatalf("%s", page.body)
	}
	w.fake.Advance(2 * time.Second)
	line("all is well")
	line("KeyError: <x>")
	b.events(strings.ReplaceAll(follow[1], "&amp;", "&"), func(event, data string) bool {
		if strings.Contains(data, "well") || strings.Contains(data, "before") {
			t.Errorf("%s: %s", event, data)
		}
		return event == "line" && strings.Contains(data, "KeyError: &lt;x&gt;")
	})
}

// The lines about errors are found behind many that are not, and the last of them are shown.
// Seen red with a filter over the last 500 lines.
func TestLinesAboutErrorsAreFoundInABusyLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	b := w.browser()
	b.signIn(apitest.Token)
	var lines []api.LogLine
	line := func(text string) {
		lines = append(lines, api.LogLine{At: w.now(), App: "shop", Version: 1, Component: "web", Stream: "stdout", Text: text})
	}
	for i := range 1100 {
		line(fmt.Sprintf("KeyError: number %d.", i))
	}
	for range 600 {
		line("GET / 200")
	}
	w.fake.Log(lines...)
	a := b.get("/apps/shop/logs?level=error")
	shown := strings.Count(a.body, "KeyError")
	if shown != 500 || !strings.Contains(a.body, "number 1099.") || strings.Contains(a.body, "number 599.") || strings.Contains(a.body, "GET / 200") {
		t.Errorf("%d lines are shown", shown)
	}
	if a := b.get("/apps/shop/logs"); strings.Count(a.body, "GET / 200") != 500 {
		t.Errorf("%d lines without the filter", strings.Count(a.body, "GET / 200"))
	}
}

// Two hundred people look at one page, and one of them reads nothing: the others see what
// changes, and orders are given.
func TestManyLookAndOneIsSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	b := w.browser()
	b.signIn(apitest.Token)
	const people = 200
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/console/apps/shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	slow, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Body.Close() }()
	seen := make(chan struct{}, people)
	begun := make(chan struct{}, people)
	for range people {
		go func() {
			first := true
			b.events("/apps/shop", func(_, data string) bool {
				if first {
					first = false
					begun <- struct{}{}
				}
				return strings.Contains(data, "shop-2")
			})
			seen <- struct{}{}
		}()
	}
	for range people {
		await.Value(t, "everybody to look", begun)
	}
	w.deploy("two")
	for i := range people {
		await.Value(t, fmt.Sprintf("person %d to see the release", i), seen)
	}
	b.order("shop", "pause", url.Values{})
}

// Versions are compared field by field; what is masked stays so.
func TestVersionsAreCompared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	w.deploy("two")
	b := w.browser()
	b.signIn(apitest.Token)
	a := b.get("/apps/shop/versions")
	if a.status != http.StatusOK || !strings.Contains(a.body, "/one") || !strings.Contains(a.body, "/two") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := b.get("/apps/shop/versions?a=1&b=1"); !strings.Contains(a.body, "have the same content") {
		t.Errorf("%s", a.body)
	}
	if a := b.get("/apps/shop/versions?a=1&b=7"); a.status != http.StatusNotFound {
		t.Errorf("%d", a.status)
	}
}

// A thousand apps are no jam: those that need somebody come first, and the rest is a link
// away. Seen red with every row on the page (375 kB).
func TestAThousandApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 1000 {
		spec := teal.Spec{
			App:        fmt.Sprintf("app-%03d", i),
			Components: map[string]teal.Component{"web": {Upstream: &teal.Upstream{URLs: []string{"http://127.0.0.1:1"}, Health: teal.Health{Path: "/"}}}},
		}
		if _, err := w.fake.Deploy(t.Context(), api.Deploy{Spec: spec, Policy: teal.DefaultPolicy(), Release: true, By: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	w.fake.Provision("app-777")
	w.fake.Trouble("app-777", teal.EnvironmentDegraded, "it is ill", "")
	b := w.browser()
	b.signIn(apitest.Token)
	began := time.Now()
	a := b.get("/")
	if rows := strings.Count(a.body, `scope="row"`); rows != 100 || !strings.Contains(a.body, "1000 apps") || len(a.body) > 300_000 {
		t.Errorf("%d rows in %d bytes", rows, len(a.body))
	}
	t.Logf("the page took %s", time.Since(began))
	first := strings.Index(a.body, `scope="row"`)
	if !strings.Contains(a.body[first:first+100], "app-777") {
		t.Errorf("first is %s", a.body[first:first+100])
	}
	if a := b.get("/?q=app-99"); strings.Count(a.body, `scope="row"`) != 10 {
		t.Errorf("filtered: %s", a.body)
	}
	if a := b.get("/?n=1000"); strings.Count(a.body, `scope="row"`) != 1000 {
		t.Error("not all of them")
	}
}

// A release is written as one file: it names nothing that is elsewhere, and has no script.
func TestAReleaseAsOneFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	w.deploy("two")
	w.fake.Provision("shop")
	release, err := w.fake.Release(t.Context(), "shop-2")
	if err != nil {
		t.Fatal(err)
	}
	view := api.ViewRelease(release)
	view.Reason = "<b>it</b>"
	var recording bytes.Buffer
	if err := analysis.WriteBegin(&recording, w.now(), analysis.Beginning{Policy: release.Policy.Judge, Current: 1, New: 2}); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		interval := teal.Interval{At: w.now().Add(time.Duration(i) * time.Second), Live: teal.Measurement{Requests: 90}, Green: teal.Measurement{Requests: 10, Errors: 9}}
		if err := analysis.Write(&recording, interval); err != nil {
			t.Fatal(err)
		}
	}
	var document bytes.Buffer
	if err := console.WriteRelease(&document, view, recording.Bytes(), w.now()); err != nil {
		t.Fatal(err)
	}
	text := document.String()
	if regexp.MustCompile(`(?i)<script|href=|src=|url\(|@import|<b>it`).MatchString(text) {
		t.Errorf("%s", text)
	}
	for _, want := range []string{"Release shop-2", "rolls back at", "share of errors", "Policy", "v2 (new) at last 90 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, broken := range []string{"", "{", "nonsense"} {
		document.Reset()
		if err := console.WriteRelease(&document, view, []byte(broken), w.now()); err != nil || !strings.Contains(document.String(), "Release shop-2") {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

// Each order that makes sense somewhere is offered there, says what it means, and is given.
func TestEveryOrderIsGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	b := w.browser()
	b.signIn(apitest.Token)
	give := func(name string, form url.Values) {
		t.Helper()
		if !strings.Contains(b.get("/apps/shop").body, "/console/apps/shop/order/"+name+`"`) {
			t.Errorf("%s is not offered", name)
		}
		b.order("shop", name, form)
		if a := b.get("/apps/shop"); !strings.Contains(a.body, ": done, and in the audit") {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	give("freeze", url.Values{"why": {"friday"}})
	give("unfreeze", url.Values{})
	give("stop", url.Values{"why": {"night"}})
	give("start", url.Values{})
	stepped := func(round string) {
		t.Helper()
		policy := teal.DefaultPolicy()
		policy.Steps = []teal.Step{{Weight: teal.Percent(10), Approval: true}}
		spec := teal.Spec{App: "shop", Components: map[string]teal.Component{"web": {Upstream: &teal.Upstream{URLs: []string{"http://127.0.0.1:1"}, Health: teal.Health{Path: "/" + round}}}}}
		if _, err := w.fake.Deploy(t.Context(), api.Deploy{Spec: spec, Policy: policy, Release: true, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		w.fake.Provision("shop")
		w.fake.Step("shop")
		w.fake.Wait("shop")
	}
	stepped("two")
	give("promote", url.Values{})
	give("abort", url.Values{"why": {"no"}})
	stepped("three")
	give("approve", url.Values{"why": {"well"}})
	give("pause", url.Values{})
	give("resume", url.Values{})
	give("rollback", url.Values{})
}

// Dead letters are looked at, and put back by who may.
func TestQueuesInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fake.SetQueue(api.QueueView{Name: "orders", Waiting: 3}, api.DeadLetter{ID: "m1", Body: "<b>4711</b>", Reason: "no <price>", Failures: 4, DiedAt: w.now()})
	b, viewer := w.signedIn(teal.RoleOperator), w.signedIn(teal.RoleViewer)
	if a := b.get("/queues"); !strings.Contains(a.body, "/console/queues/orders") {
		t.Errorf("%s", a.body)
	}
	if a := b.get("/queues/orders"); !strings.Contains(a.body, "no &lt;price&gt;") || strings.Contains(a.body, "<b>4711") || !strings.Contains(a.body, "Redrive…") {
		t.Errorf("%s", a.body)
	}
	if a := viewer.get("/queues/orders"); strings.Contains(a.body, "Redrive…") || viewer.get("/queues/orders/redrive").status != http.StatusForbidden {
		t.Errorf("a viewer may redrive: %s", a.body)
	}
	confirm := b.get("/queues/orders/redrive")
	csrf := csrfPattern.FindAllStringSubmatch(confirm.body, -1)
	b.ask(http.MethodPost, "/queues/orders/redrive", url.Values{"csrf": {csrf[0][1]}})
	if a := b.get("/queues/orders"); !strings.Contains(a.body, "1 dead letter put back: done") {
		t.Errorf("%s", a.body)
	}
	if a := b.get("/queues/nope"); a.status != http.StatusNotFound {
		t.Errorf("%d", a.status)
	}
}

package static

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/await"
	"teal/internal/gateway"
)

// deployed is when what the tests serve was deployed.
var deployed = time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)

const deployedText = "Wed, 04 Mar 2026 05:06:07 GMT"

// folder makes a folder of files by their paths; a value that begins with -> is a link.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serve returns a site that is ready, until the test ends.
func serve(t testing.TB, cfg Config) *Site {
	t.Helper()
	site, _ := begin(t, cfg)
	if state := site.State(); !state.Ready {
		t.Fatalf("%+v", state)
	}
	return site
}

// begin runs a site until the test ends, or end is called, and waits until it has looked
// at its folder.
func begin(t testing.TB, cfg Config) (site *Site, end func()) {
	t.Helper()
	changed := make(chan struct{}, 100)
	cfg.Name, cfg.Modified, cfg.Logger = "web", deployed, slog.New(slog.DiscardHandler)
	cfg.OnChange = func() { changed <- struct{}{} }
	if cfg.Static.Index == "" {
		cfg.Static.Index = teal.DefaultIndex
	}
	site = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- site.Run(ctx) }()
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := await.Value(t, "the site to end", done); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	await.Value(t, "the site to look at its folder", changed)
	return site, end
}

// said is an answer as text: its status, the fields in their order, and the body.
type said struct {
	gateway.FileAnswer
	err  error
	body string
}

func (s said) field(name string) string {
	for _, f := range s.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// ask returns what a site answers.
func ask(t testing.TB, s *Site, r gateway.FileRequest) said {
	t.Helper()
	if r.Method == "" {
		r.Method = "GET"
	}
	if r.Sent == "" {
		r.Sent = r.Path
	}
	answer, err := s.Answer(r)
	got := said{FileAnswer: answer, err: err}
	if answer.File == nil {
		return got
	}
	f, err := answer.File.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.NewSectionReader(f, answer.Offset, answer.Length))
	if err != nil {
		t.Fatal(err)
	}
	got.body = string(body)
	return got
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// app is what a front end looks like when it has been built, with what must not be
// served beside it.
var app = map[string]string{
	"index.html": "<h1>app</h1>", "404.html": "<h1>none</h1>", "about.html": "about", "docs/index.html": "docs", "docs/a b.txt": "space", "empty/x.bin": "x",
	"assets/index-BxY12a9_.js": "console.log(1)", "assets/index-BxY12a9_.js.br": "BR", "assets/index-BxY12a9_.js.gz": "GZ", "assets/logo.svg": "<svg/>",
	"assets/link.svg": "-> logo.svg", "assets/round": "-> ..", "assets/dead": "-> nothing", "outside": "-> ../../../../../../etc", "host": "-> /etc/hostname",
	".env": "SECRET", "teal.yaml": "SECRET", "docs/teal.yaml": "docs", ".git/config": "x", "docs/.hidden": "x", ".well-known/security.txt": "contact", ".well-known/.secret": "x", "übung.txt": "ü", "UPPER.txt": "A", "zero.txt": "",
}

// pathCases are requests, the status, and the body or where they lead.
var pathCases = []struct {
	path, accept string
	status       int
	body         string
}{
	{"/", "", 200, "<h1>app</h1>"},
	{"/index.html", "", 200, "<h1>app</h1>"},
	{"/docs/", "", 200, "docs"},
	{"/docs", "", 301, "/docs/"},
	{"/about", "", 200, "about"},
	{"/docs/a%20b.txt", "", 200, "space"},
	{"/%C3%BCbung.txt", "", 200, "ü"},
	{"/%69ndex.html", "", 200, "<h1>app</h1>"},
	{"/upper.txt", "", 404, ""},
	{"/UPPER.txt", "", 200, "A"},
	{"/zero.txt", "", 200, ""},
	{"/assets/link.svg", "", 200, "<svg/>"},
	{"/assets/round/assets/logo.svg", "", 404, ""},
	{"/assets/dead", "", 404, ""},
	{"/empty/", "", 404, ""},
	{"/empty", "", 404, ""},
	{"/index.html/", "", 404, ""},
	{"/.env", browser, 404, ""},
	{"/.git/config", "", 404, ""},
	{"/teal.yaml", "", 404, ""},
	{"/docs/teal.yaml", "", 200, "docs"},
	{"/docs/.hidden", "", 404, ""},
	{"/.well-known/security.txt", "", 200, "contact"},
	{"/.well-known/.secret", "", 404, ""},
	{"/outside/passwd", "", 404, ""},
	{"/host", "", 404, ""},
	{"/../etc/passwd", browser, 404, ""},
	{"/%2e%2e/etc/passwd", browser, 404, ""},
	{"/..%2fetc/passwd", browser, 404, ""},
	{"/docs/..%2findex.html", browser, 404, ""},
	{"/docs/../index.html", browser, 404, ""},
	{"/docs%2Findex.html", browser, 404, ""},
	{"//index.html", browser, 404, ""},
	{"/index.html%00", browser, 404, ""},
	{"/%", browser, 404, ""},
	{"/%zz", browser, 404, ""},
	{"/..\\..\\etc", browser, 404, ""},
	{"/" + strings.Repeat("a/", 3000), browser, 404, ""},
	// What a page is answered with, and what belongs to one is not.
	{"/users/7", browser, 200, "<h1>app</h1>"},
	{"/users/john.doe", browser, 200, "<h1>app</h1>"},
	{"/users/", browser, 200, "<h1>app</h1>"},
	{"/users/7", "*/*", 404, ""},
	{"/users/7", "", 404, ""},
	{"/users/7", "text/html;q=0, */*", 404, ""},
	{"/users/7", "application/json", 404, ""},
	{"/assets/index-Zz9912b0.js", browser, 404, ""},
	{"/assets/gone.css", browser, 404, ""},
	{"/app.3f2a91bc.html", browser, 404, ""},
}

// Seen red with dot files looked at, with the fallback for whatever accepts */*, with
// "..%2f" decoded to a slash, and with os.Stat in place of the root's.
func TestPaths(t *testing.T) {
	t.Parallel()
	site := serve(t, Config{Static: teal.Static{Fallback: "index.html"}, Dir: folder(t, app)})
	for _, tt := range pathCases {
		got := ask(t, site, gateway.FileRequest{Path: tt.path, Accept: tt.accept})
		status, body := got.Status, got.body
		if teal.IsCode(got.err, teal.CodeNotFound) {
			status = 404
		}
		if got.Location != "" {
			body = got.Location
		}
		if status != tt.status || body != tt.body {
			t.Errorf("%.60s (%s): %d %q %v; want %d %q", tt.path, tt.accept, status, body, got.err, tt.status, tt.body)
		}
	}
}

// Seen red with Sent left out of the redirect, and with the slashes at its beginning kept.
func TestFoldersOfARouteThatIsLeftOut(t *testing.T) {
	t.Parallel()
	site := serve(t, Config{Dir: folder(t, app)})
	for _, tt := range []struct {
		path, sent, query, location string
	}{
		{"/", "/app", "", "/app/"},
		{"/", "/app", "a=b", "/app/?a=b"},
		{"/docs", "/app/docs", "", "/app/docs/"},
		{"/docs", "//evil.example/docs", "", "/evil.example/docs/"},
		{"/docs", `/\evil/docs`, "", "/%5Cevil/docs/"},
		{"/", "/app/", "", ""},
	} {
		got := ask(t, site, gateway.FileRequest{Path: tt.path, Sent: tt.sent, Query: tt.query})
		if got.Location != tt.location || (got.Status == 301) != (tt.location != "") {
			t.Errorf("%s: %d to %q, want %q", tt.sent, got.Status, got.Location, tt.location)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	site := serve(t, Config{Dir: folder(t, app)})
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", ""} {
		_, err := site.Answer(gateway.FileRequest{Method: method, Path: "/"})
		var only *gateway.NotAllowed
		if !errors.As(err, &only) || strings.Join(only.Methods, " ") != "GET HEAD" {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// Seen red with the rules of the shorter pattern counted last, and with the type of a
// compressed file taken from its own name.
func TestFields(t *testing.T) {
	t.Parallel()
	site := serve(t, Config{Dir: folder(t, app), Static: teal.Static{
		NotFound: "404.html", Fallback: "index.html",
		Cache:   map[string]string{"*.svg": "1h", "/assets/link*": "no-store"},
		Headers: map[string]map[string]string{"**": {"x-frame-options": "DENY"}, "*.txt": {"content-type": "text/plain", "X-Frame-Options": "SAMEORIGIN"}},
	}})
	for _, tt := range []struct{ path, encodings, want string }{
		{"/", "gzip", "200 text/html; charset=utf-8|no-cache|||DENY|" + deployedText},
		{"/assets/index-BxY12a9_.js", "", "200 text/javascript; charset=utf-8|public, max-age=31536000, immutable|Accept-Encoding||DENY|" + deployedText},
		{"/assets/index-BxY12a9_.js", "gzip", "200 text/javascript; charset=utf-8|public, max-age=31536000, immutable|Accept-Encoding|gzip|DENY|" + deployedText},
		{"/assets/index-BxY12a9_.js", "gzip, br", "200 text/javascript; charset=utf-8|public, max-age=31536000, immutable|Accept-Encoding|br|DENY|" + deployedText},
		{"/assets/index-BxY12a9_.js.gz", "gzip", "200 application/gzip|public, max-age=31536000, immutable|||DENY|" + deployedText},
		{"/assets/logo.svg", "br", "200 image/svg+xml|public, max-age=3600|||DENY|" + deployedText},
		{"/assets/link.svg", "br", "200 image/svg+xml|no-store|||DENY|" + deployedText},
		{"/UPPER.txt", "", "200 text/plain|no-cache|||SAMEORIGIN|" + deployedText},
		{"/users", "", "200 text/html; charset=utf-8|no-cache|Accept, Sec-Fetch-Dest||DENY|" + deployedText},
		{"/none.css", "", "404 text/html; charset=utf-8|no-cache|Accept, Sec-Fetch-Dest||DENY|"},
	} {
		got := ask(t, site, gateway.FileRequest{Path: tt.path, AcceptEncoding: tt.encodings, Accept: browser})
		say := fmt.Sprintf("%d %s|%s|%s|%s|%s|%s", got.Status, got.field("Content-Type"), got.field("Cache-Control"), got.field("Vary"), got.field("Content-Encoding"), got.field("X-Frame-Options"), got.field("Last-Modified"))
		if say != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.path, say, tt.want)
		}
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	site := serve(t, Config{Dir: folder(t, map[string]string{"a.js": "plain", "a.js.br": "br", "a.js.zst": "zstd", "a.js.gz": "gzip"})})
	tags := map[string]bool{}
	for accept, want := range map[string]string{
		"": "plain", "br": "br", "gzip": "gzip", "zstd, gzip": "zstd", "gzip, deflate, br, zstd": "br", "*": "br", "GZip": "gzip", "x-gzip": "gzip",
		"br;q=0": "plain", "br;q=0, *": "zstd", "br;q=0.5, gzip;q=0.8": "gzip", "gzip;q=0.5, identity": "plain", "gzip;q=0.001": "gzip",
		"identity;q=0, gzip;q=0": "plain", "br;q=x": "plain", "deflate": "plain", "br ; q=1.000 , gzip": "br", "gzip;q=2": "plain", ",,gzip,": "gzip",
	} {
		got := ask(t, site, gateway.FileRequest{Path: "/a.js", AcceptEncoding: accept})
		if got.body != want || (got.field("Content-Encoding") != "") != (want != "plain") || got.field("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %q %v; want %q", accept, got.body, got.Fields, want)
		}
		tags[got.field("Etag")] = true
	}
	if len(tags) != 4 {
		t.Errorf("the entity tags are %v; every encoding has one of its own", tags)
	}
}

// What net/http answers with the same content is the oracle, but for what this package
// says that it does otherwise.
//
// Seen red with If-Match compared weakly, and with If-Unmodified-Since looked at before it.
func TestAnswersAreThoseOfServeContent(t *testing.T) {
	t.Parallel()
	const content = "0123456789"
	site := serve(t, Config{Dir: folder(t, map[string]string{"a.txt": content})})
	tag := ask(t, site, gateway.FileRequest{Path: "/a.txt"}).field("Etag")
	rapid.Check(t, func(rt *rapid.T) {
		tags := rapid.SampledFrom([]string{"", "", "", tag, "W/" + tag, `"x"`, "*", `"x", ` + tag, `"x",W/` + tag, "x", `"`, tag + "x", ", " + tag})
		dates := rapid.SampledFrom([]string{"", "", "", deployedText, "Wed, 04 Mar 2026 05:06:06 GMT", "Wednesday, 04-Mar-26 05:06:07 GMT", "Wed Mar  4 05:06:07 2026", "soon"})
		later := rapid.SampledFrom([]string{"", "", "Wed, 04 Mar 2026 05:06:08 GMT", deployedText, "Wed, 04 Mar 2026 05:06:06 GMT"})
		ranges := rapid.SampledFrom([]string{
			"", "", "bytes=0-", "bytes=2-4", "bytes=-3", "bytes=9-", "bytes=10-", "bytes=-99", "bytes=3-3",
		})
		r := gateway.FileRequest{
			Method: rapid.SampledFrom([]string{"GET", "HEAD"}).Draw(rt, "method"), Path: "/a.txt",
			IfMatch: tags.Draw(rt, "If-Match"), IfNoneMatch: tags.Draw(rt, "If-None-Match"),
			IfModified: dates.Draw(rt, "If-Modified-Since"), IfUnmodified: later.Draw(rt, "If-Unmodified-Since"),
			IfRange: rapid.SampledFrom([]string{"", "", tag, `"x"`, "W/" + tag, deployedText, "Wed, 04 Mar 2026 05:06:06 GMT"}).Draw(rt, "If-Range"),
		}
		if r.Method == "GET" { // net/http gives a HEAD a part
			r.Range = ranges.Draw(rt, "Range")
		}
		got, want := ask(t, site, r), oracle(r, tag, content)
		body := got.body
		if r.Method == "HEAD" {
			body = ""
		}
		if want.Code == 412 || want.Code == 416 {
			want.Body.Reset() // net/http says a sentence
		}
		if got.Status != want.Code || body != want.Body.String() || got.ContentRange != want.Header().Get("Content-Range") {
			rt.Fatalf("%+v:\n%d %q %s\nwant\n%d %q %v", r, got.Status, body, got.ContentRange, want.Code, want.Body, want.Header())
		}
	})
}

func oracle(r gateway.FileRequest, tag, content string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(r.Method, "/a.txt", nil)
	for name, value := range map[string]string{
		"If-Match": r.IfMatch, "If-None-Match": r.IfNoneMatch, "If-Modified-Since": r.IfModified, "If-Unmodified-Since": r.IfUnmodified, "If-Range": r.IfRange, "Range": r.Range,
	} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	w.Header().Set("Etag", tag)
	http.ServeContent(w, request, "a.txt", deployed, strings.NewReader(content))
	return w
}

// What is done otherwise than net/http does it, and why.
//
// Seen red with a date after the deploy taken for the file's: after a rollback the client
// would have kept the version that has been taken back.
func TestWhatIsAnsweredOtherwise(t *testing.T) {
	t.Parallel()
	site := serve(t, Config{Dir: folder(t, map[string]string{"a.txt": "0123456789", "zero.txt": ""})})
	for _, tt := range []struct {
		r      gateway.FileRequest
		status int
		body   string
	}{
		{gateway.FileRequest{Path: "/a.txt", IfModified: "Wed, 04 Mar 2026 05:06:08 GMT"}, 200, "0123456789"},
		{gateway.FileRequest{Path: "/a.txt", Range: "bytes=0-1,4-5"}, 200, "0123456789"},
		{gateway.FileRequest{Path: "/a.txt", Range: "bytes=5-3"}, 200, "0123456789"},
		{gateway.FileRequest{Path: "/a.txt", Range: "bytes=a-b"}, 200, "0123456789"},
		{gateway.FileRequest{Path: "/a.txt", Range: "bytes=--3"}, 200, "0123456789"},
		{gateway.FileRequest{Path: "/a.txt", Range: "items=0-1"}, 200, "0123456789"},
		{gateway.FileRequest{Path: "/a.txt", Range: "bytes=8-99999999999999999999"}, 206, "89"},
		{gateway.FileRequest{Path: "/a.txt", Range: "bytes=-0"}, 416, ""},
		{gateway.FileRequest{Path: "/a.txt", Range: "bytes"}, 200, "0123456789"},
		{gateway.FileRequest{Path: "/zero.txt", Range: "bytes=0-"}, 200, ""},
		{gateway.FileRequest{Path: "/a.txt", Method: "HEAD", Range: "bytes=0-1"}, 200, "0123456789"},
	} {
		if got := ask(t, site, tt.r); got.Status != tt.status || got.body != tt.body {
			t.Errorf("%+v: %d %q", tt.r, got.Status, got.body)
		}
	}
}

func TestHashedNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"app.3f2a91bc.js", "index-BxY12a9_.js", "main.8e0d62a6.chunk.js", "2.d2fca32e.chunk.css", "117-a1b2c3d4e5f60718.js", "chunk-5FZQ7HYZ.js", "a/b/index-1aB-c9_Z.css",
		"3f2a91bc44aa0b1c.js", "logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg", "index-BxY12a9_.js.map", "main-2VKF5H3A.js", "roboto_3f2a91bc.woff2",
	} {
		if !IsHashed(name) {
			t.Errorf("%s is not taken for a hashed name", name)
		}
	}
	for _, name := range []string{
		"index.html", "app.js", "jquery-3.6.0.min.js", "app.settings.js", "app-settings.js", "my-component.js", "my-MyModule.js", "favicon-32x32.png", "photo-20240101.jpg",
		"photo-IMG_1234.jpg", "report-Rep_2024.pdf", "REPORT-2024.pdf", "facade12.js", "x-facade12.js", "hash", "3f2a91bc", "bootstrap.bundle.min.js", "apple-touch-icon-180x180.png",
		"Open-Sans-Bold.ttf", "video.20240101120000.mp4", "a.deadbeef.js", "sw.js", "-.js", ".js", "", "3f2a91bc.js",
	} {
		if IsHashed(name) {
			t.Errorf("%s is taken for a hashed name", name)
		}
	}
}

// Beside a name that has a hash for sure, what is written in the same way has one.
//
// Seen red with the folder left out of what is known.
func TestHashedNamesOfAFolder(t *testing.T) {
	t.Parallel()
	h := hashesOf(map[string]bool{
		"assets/index-BxY12a9_.js": true, "assets/vendor-QwErTyUi.js": true, "assets/app-settings.js": true, "assets/logo-QwErTyUi.svg": true, "assets/icon.svg": true,
		"main-2VKF5H3A.js": true, "styles-INURTSOX.css": true, "index.html": true, "other/vendor-QwErTyUi.js": true,
	})
	for name, want := range map[string]bool{
		"assets/index-BxY12a9_.js": true, "assets/vendor-QwErTyUi.js": false, "assets/logo-QwErTyUi.svg": false, "styles-INURTSOX.css": true, "other/vendor-QwErTyUi.js": false, "index.html": false,
	} {
		if h.has(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	h = hashesOf(map[string]bool{"assets/index-BxY12a9_.js": true, "assets/vendor-QwErTyUi.js": true})
	if !h.has("assets/vendor-QwErTyUi.js") {
		t.Error("a hash beside another one is not recognised")
	}
}

// Seen red with the content taken without its digest, and with nothing given back.
func TestSmallFilesStayInMemoryAndLargeOnesDoNot(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.txt": "small", "b.txt": "other", "c.txt": strings.Repeat("x", maxKept+1)})
	memory := NewMemory(8)
	site, end := begin(t, Config{Dir: dir, Memory: memory})
	kept := func(path string) bool {
		answer := ask(t, site, gateway.FileRequest{Path: path})
		return answer.File.Kept() != nil
	}
	if !kept("/a.txt") || kept("/b.txt") || kept("/c.txt") || memory.used.Load() != 5 {
		t.Errorf("%d bytes are kept", memory.used.Load())
	}
	if err := os.WriteFile(filepath.Join(dir, "b.txt"), []byte("OTHER"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.txt"), []byte("short"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/b.txt", "/c.txt"} {
		answer, err := site.Answer(gateway.FileRequest{Method: "GET", Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := answer.File.Open(); err == nil || !strings.Contains(err.Error(), "deploy the same folder again") {
			t.Errorf("%s, which was changed: %v", path, err)
		}
	}
	if got := ask(t, site, gateway.FileRequest{Path: "/a.txt"}); got.body != "small" {
		t.Errorf("%q", got.body)
	}
	end()
	if used := memory.used.Load(); used != 0 {
		t.Errorf("%d bytes are left", used)
	}
	if _, err := site.Answer(gateway.FileRequest{Method: "GET", Path: "/a.txt"}); !teal.IsCode(err, teal.CodeUnavailable) {
		t.Errorf("after the end: %v", err)
	}
}

// Seen red with ReadReady that says how much it was asked for.
func TestWhatIsReadyIsRead(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", maxKept/10+100)
	site := serve(t, Config{Dir: folder(t, map[string]string{"a.bin": large})})
	answer, err := site.Answer(gateway.FileRequest{Method: "GET", Path: "/a.bin"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := answer.File.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	p := make([]byte, 1000)
	for at := int64(0); at < int64(len(large)); {
		n := f.ReadReady(p, at)
		if n == 0 { // not every file system says what it has
			if n, err = f.ReadAt(p, at); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		if string(p[:n]) != large[at:at+int64(n)] {
			t.Fatalf("other content at %d", at)
		}
		at += int64(n)
	}
	if n := f.ReadReady(p, int64(len(large))); n != 0 {
		t.Errorf("%d bytes behind the end", n)
	}
}

// What is neither a file nor a folder is not served, and nothing waits for it.
//
// Seen red with named pipes opened.
func TestSpecialFilesAreLeftOut(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.txt": "a", "null": "-> /dev/null", "pipe2": "-> pipe"})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Skip(err)
	}
	site := serve(t, Config{Dir: dir})
	for _, path := range []string{"/pipe", "/pipe2", "/null"} {
		if got := ask(t, site, gateway.FileRequest{Path: path}); !teal.IsCode(got.err, teal.CodeNotFound) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if err := os.Remove(filepath.Join(dir, "a.txt")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "a.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	answer, err := site.Answer(gateway.FileRequest{Method: "GET", Path: "/a.txt"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer.File.Open(); err == nil {
		t.Error("a pipe in place of a file was opened")
	}
}

func TestAPageThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, s := range []teal.Static{{Fallback: "app.html"}, {NotFound: "404.html"}} {
		site, _ := begin(t, Config{Static: s, Dir: folder(t, map[string]string{"index.html": "x"})})
		if state := site.State(); state.Ready || !state.Failed || !strings.Contains(state.Reason, ".html is not among its files") {
			t.Errorf("%+v: %+v", s, state)
		}
	}
}

// Whatever is asked for, the answer is a file of the folder with that very name.
//
// Seen red with dot files looked at.
func FuzzPathsStayInTheFolder(f *testing.F) {
	for _, tt := range pathCases {
		f.Add(tt.path)
	}
	for _, seed := range []string{"/%2e%2e%2f%2e%2e%2fetc/passwd", "/a/%2e/b", "/%252e%252e/", "/\x00", "/%c0%ae%c0%ae/", "/.%2e/", "/assets/round/index.html", "/docs/%2e%2e"} {
		f.Add(seed)
	}
	site := serve(f, Config{Dir: folder(f, app)})
	known := map[string]bool{}
	for name := range app {
		known[name] = name == ".well-known/security.txt" || name != "teal.yaml" && !strings.HasPrefix(name, ".") && !strings.Contains(name, "/.")
	}
	f.Fuzz(func(t *testing.T, path string) {
		answer, err := site.Answer(gateway.FileRequest{Method: "GET", Path: path, Sent: path})
		if err != nil || answer.File == nil {
			return
		}
		name := answer.File.(*blob).name
		if !known[name] {
			t.Fatalf("%q leads to %q", path, name)
		}
		if strings.HasPrefix(answer.Location, "//") {
			t.Fatalf("%q leads to another host: %q", path, answer.Location)
		}
	})
}

// Seen red with the texts of a request joined on the way.
func TestAnswersAllocateNothing(t *testing.T) {
	site := serve(t, Config{Dir: folder(t, app), Memory: NewMemory(1 << 20)})
	ask(t, site, gateway.FileRequest{Path: "/assets/index-BxY12a9_.js"})
	r := gateway.FileRequest{Method: "GET", Path: "/assets/index-BxY12a9_.js", Sent: "/assets/index-BxY12a9_.js", AcceptEncoding: "gzip, deflate, zstd", IfNoneMatch: `"x", "y"`, Accept: browser}
	if n := testing.AllocsPerRun(100, func() {
		if answer, err := site.Answer(r); err != nil || answer.Status != 200 {
			t.Fatal(answer, err)
		}
	}); n != 0 {
		t.Errorf("an answer takes %v allocations", n)
	}
}

package api_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"teal"
	"teal/internal/access"
	"teal/internal/api"
	"teal/internal/api/apitest"
)

func TestTokenIsAskedForEverywhereButOnTheOpenPaths(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{Attempts: noLimit()})
	open := map[string]bool{"/healthz": true, "/readyz": true, "/openapi.json": true}
	paths := []string{"/", "/v1", "/v1/apps", "/V1/apps", "//v1/apps", "/v1/../v1/apps", "/%76%31/apps", "/v1/nothing", "/healthz", "/readyz", "/openapi.json"}
	for _, authorization := range []string{"", "Bearer wrong", "Bearer ", "Basic " + apitest.Token, apitest.Token, "Bearer " + apitest.Token + "x"} {
		for _, path := range paths {
			a := c.call("GET", path, "", "Authorization", authorization)
			if open[path] {
				if a.status != 200 {
					t.Errorf("%s with %q: %d", path, authorization, a.status)
				}
				continue
			}
			if p := a.problem(t); a.status != 401 || p.Code != teal.CodeUnauthorized || !strings.Contains(p.Detail, "admin.token") || !strings.Contains(p.Detail, "TEAL_TOKEN") {
				t.Errorf("%s with %q: %d %s", path, authorization, a.status, a.body)
			}
		}
	}
	if a := c.call("GET", "/v1/apps", "", "Authorization", "bearer "+apitest.Token); a.status != 200 {
		t.Errorf("the scheme's case matters: %d", a.status)
	}
}

// noLimit are attempts on a clock that gives everybody time enough.
func noLimit() *access.Attempts {
	var mu sync.Mutex
	now := time.Time{}
	return access.NewAttempts(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Hour)
		return now
	})
}

func TestWithoutATokenNothingIsAllowed(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"Bearer ", "Bearer", ""} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "/v1/apps", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		w := &memory{header: http.Header{}}
		api.New(api.Config{Control: apitest.New(), Logs: apitest.New(), Bundles: apitest.NewBundles()}).ServeHTTP(w, r)
		if w.status != 401 {
			t.Errorf("empty token, %q: %d", header, w.status)
		}
	}
}

type memory struct {
	header http.Header
	status int
	bytes.Buffer
}

func (m *memory) Header() http.Header    { return m.header }
func (m *memory) WriteHeader(status int) { m.status = status }

func TestForeignPagesAreRefused(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{})
	for _, header := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "://"},
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
	} {
		for _, path := range []string{"/v1/apps", "/openapi.json"} {
			if a := c.call("GET", path, "", header...); a.status != 403 || a.problem(t).Code != "foreign_origin" {
				t.Errorf("%v on %s: %d %s", header, path, a.status, a.body)
			}
		}
	}
	if a := c.call("GET", "/v1/apps", "", "Origin", c.base, "Sec-Fetch-Site", "same-origin"); a.status != 200 {
		t.Errorf("own origin: %d", a.status)
	}
}

func TestRefusedBodiesAreNotEchoed(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{})
	body := strings.Replace(deployBody(t, spec("hello", "s3cret")), `"memory":"128MiB"`, `"memory":"s3cret"`, 1)
	if a := c.call("POST", "/v1/apps/hello/versions", strings.Replace(body, `"STAGE":"s3cret"`, `"STAGE":{"x":"s3cret"}`, 1)); a.status != 400 || strings.Contains(a.body, "s3cret") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestBodyThatNeverEnds(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{MaxBundle: 1000})
	for _, target := range [][2]string{
		{"PUT", "/v1/bundles/" + apitest.Digest(nil)}, {"POST", "/v1/apps/hello/invoke"}, {"POST", "/v1/apps/hello/versions"},
	} {
		r := c.request(target[0], target[1], "")
		r.Body, r.ContentLength = io.NopCloser(endless{}), -1
		resp, err := c.client.Do(r)
		if err != nil { // the server may close the connection while the client still writes
			continue
		}
		if resp.StatusCode != 413 {
			t.Errorf("%v: %d", target, resp.StatusCode)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	var out locked
	c := serve(t, apitest.New(), api.Config{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	c.call("GET", "/v1/apps?secret-query=1", "")
	c.call("POST", "/v1/apps/hello/versions", deployBody(t, spec("hello", "secret-env")))
	c.call("GET", "/v1/apps", "", "Authorization", "Bearer secret-guess")
	log := out.String()
	if !strings.Contains(log, "path=/v1/apps ") || !strings.Contains(log, "status=401") {
		t.Errorf("requests are not logged:\n%s", log)
	}
	if strings.Contains(log, "secret") || strings.Contains(log, apitest.Token) {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}

type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestPanicIsAProblem(t *testing.T) {
	t.Parallel()
	fake := apitest.New()
	fake.Script = func(*apitest.Teal, teal.Release) { panic("boom") }
	c := serve(t, fake, api.Config{})
	a := c.call("POST", "/v1/apps/hello/versions", deployBody(t, spec("hello", "one")))
	if p := a.problem(t); a.status != 500 || p.Code != teal.CodeInternal || strings.Contains(a.body, "boom") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func impatient(t *testing.T, control api.Control) *caller {
	t.Helper()
	server := api.New(api.Config{Control: control, Bundles: apitest.NewBundles(), Logs: apitest.New(), Access: apitest.Tokens(t, access.Config{})})
	server.SetStall(50 * time.Millisecond)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, ln) }()
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &caller{t: t, base: "http://" + ln.Addr().String(), client: &http.Client{Transport: transport}}
}

type slowControl struct{ *apitest.Teal }

func (slowControl) Promote(ctx context.Context, _, _ string) (teal.Release, error) {
	select {
	case <-ctx.Done():
		return teal.Release{}, fmt.Errorf("wait: %w", ctx.Err())
	case <-time.After(300 * time.Millisecond):
		return teal.Release{}, teal.Errorf(teal.CodeNothingToPromote, "nothing")
	}
}

func TestDeadlineOfTheBodyIsTakenAway(t *testing.T) {
	t.Parallel()
	c := impatient(t, slowControl{apitest.New()})
	if a := c.call("POST", "/v1/apps/hello/promote", `{"by":"ann"}`); a.status != 409 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestBodyThatStalls(t *testing.T) {
	t.Parallel()
	c := impatient(t, apitest.New())
	for _, target := range [][2]string{
		{"PUT", "/v1/bundles/" + apitest.Digest(nil)}, {"POST", "/v1/apps/hello/invoke"}, {"POST", "/v1/apps/hello/versions"},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", target[0], target[1], apitest.Token); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%v: %v", target, err)
		}
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if p := (answer{resp.StatusCode, resp.Header, string(data)}).problem(t); p.Code != teal.CodeTimeout || resp.StatusCode != 504 {
			t.Errorf("%v: %d %s", target, resp.StatusCode, data)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /v1/apps HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 80<<10)); err != nil {
		t.Log(err) // the server may have closed already
	}
	answer, _ := io.ReadAll(conn)
	if !strings.Contains(string(answer), "431") {
		t.Errorf("80 KiB of headers: %q", answer)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

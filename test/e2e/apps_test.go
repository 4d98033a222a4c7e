package e2e

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// expect fails the test unless the command ended with the code and said every
// one of the texts, on whichever output.
func (r result) expect(t testing.TB, code int, texts ...string) {
	t.Helper()
	said := r.stdout + r.stderr
	if r.code != code {
		t.Errorf("exit %d, want %d\n%s", r.code, code, said)
		return
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("does not say %q:\n%s", text, said)
		}
	}
}

// logged waits until the log of an app, as the arguments of the command select
// it, holds every one of the texts, and returns it. What Teal says about an
// invocation is written after its answer.
func (s *server) logged(args []string, texts ...string) (log string) {
	s.t.Helper()
	waitUntil(s.t, fmt.Sprintf("the log to say all of %q", texts), func() (bool, string) {
		log = s.ok(append([]string{"logs"}, args...)...).stdout
		missing := slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(log, text) })
		return !missing, log
	})
	return log
}

// files is an app in memory: its files by path.
type files map[string]string

// newFiles writes an app that is made of texts.
func newFiles(t testing.TB, content files) app {
	t.Helper()
	a := app{t: t, dir: t.TempDir()}
	for name, text := range content {
		a.write(name, text)
	}
	return a
}

// example returns the folder of an app that readers are shown.
func example(name string) string { return filepath.Join("..", "..", "examples", name) }

// scene is what an app looks like to its users.
type scene struct {
	s       *server
	app     string
	path    string
	live    string
	version string
	body    string
	running int
}

// remember notes how an app looks, by what live is and what path answers.
func (s *server) remember(app, path string) scene {
	s.t.Helper()
	st := s.status(app)
	code, version, body := s.get(path)
	if code != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, code, body)
	}
	return scene{s: s, app: app, path: path, live: liveOf(st), version: version, body: body, running: len(st.Environments)}
}

// unchanged fails the test unless the app looks as it was remembered: nothing of
// what went wrong since has touched it, and nothing of it is left running.
func (sc scene) unchanged() {
	t := sc.s.t
	t.Helper()
	code, version, body := sc.s.get(sc.path)
	if code != http.StatusOK || version != sc.version || body != sc.body {
		t.Errorf("GET %s: %d, version %s, %q; before it was version %s, %q", sc.path, code, version, body, sc.version, sc.body)
	}
	st := sc.s.status(sc.app)
	if live := liveOf(st); live != sc.live {
		t.Errorf("live is %s; before it was %s", live, sc.live)
	}
	sc.s.awaitStatus(sc.app, "what failed to be gone", func(st status) bool { return len(st.Environments) == sc.running })
}

// liveOf writes where live points and at which revision.
func liveOf(st status) string {
	live := st.Aliases["live"]
	return fmt.Sprintf("%v at revision %d", live.Versions, live.Revision)
}

// oddHandler does what the event, or the query of the request, asks for.
const oddHandler = `
import os, sys, time

def handler(event, context):
    ask = event.get("queryStringParameters") or event
    do, n = ask.get("do"), int(ask.get("n", 0))
    if do == "sleep":
        print("going to sleep for", n)
        time.sleep(n / 1000)
        print("slept for", n)
    elif do == "wait":
        while not os.path.exists(ask["gate"]):
            time.sleep(0.01)
    elif do == "crash":
        print("these are my last words", flush=True)
        os._exit(3)
    elif do == "raise":
        raise ValueError("as you wish")
    elif do == "big":
        return "x" * n
    elif do == "hog":
        held = b"x" * (n << 20)
    elif do == "print":
        line = "x" * 1023
        for _ in range(n << 10):
            print(line)
    elif do == "length":
        return {"statusCode": 200, "body": str(len(event.get("body") or ""))}
    elif do == "environment":
        return dict(os.environ)
    return {"statusCode": 200, "body": "version " + context.function_version}
`

// oddManifest is an app of the one function above; the settings are those of
// the function.
func oddManifest(name, settings string) string {
	return fmt.Sprintf(`
app: %s
functions:
  odd: {runtime: python3, handler: odd.handler, code: ./odd%s}
routes:
  - {path: /%s, to: odd}
release:
  drain: 20s
  watch: {confidence: 0s}
`, name, settings, name)
}

func newOdd(t testing.TB, name, settings string) app {
	return newFiles(t, files{"teal.yaml": oddManifest(name, settings), "odd/odd.py": oddHandler})
}

// post sends a body to the gateway over a connection of its own.
func (s *server) post(path string, body io.Reader) (code int, answer string) {
	s.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Post(s.url(path), "text/plain", body)
	if err != nil {
		s.t.Fatalf("POST %s: %v", path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("POST %s: %v", path, err)
	}
	return resp.StatusCode, string(data)
}

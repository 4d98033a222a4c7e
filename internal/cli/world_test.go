package cli_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
	"teal/internal/artifact"
	"teal/internal/cli"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server, an app on disk and a command line that finds both.
type world struct {
	t    *testing.T
	fake *apitest.Teal
	addr string
	dir  string // of the app
	env  map[string]string
	tty  bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, api.Config{})
}

func newWorldWith(t *testing.T, cfg api.Config) *world {
	t.Helper()
	fake := apitest.New()
	fake.OnWatch = func(app string) { // as soon as somebody looks, the release goes on
		if status, err := fake.Status(context.Background(), app); err == nil && status.Release != nil && status.Release.Phase == teal.PhaseQueued {
			fake.Provision(app)
			fake.GoLive(app)
		}
	}
	store, err := artifact.Open(filepath.Join(t.TempDir(), "bundles"), artifact.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	w := &world{t: t, fake: fake, dir: t.TempDir(), env: map[string]string{"TEAL_DATA": data, "USER": "ann"}}
	cfg.Bundles = store
	w.addr = apitest.Serve(t, fake, cfg)
	write(t, filepath.Join(data, "admin.token"), apitest.Token+"\n")
	write(t, filepath.Join(data, "admin.addr"), w.addr+"\n")
	w.app("one")
	return w
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// app writes the app with another answer.
func (w *world) app(answer string) {
	w.t.Helper()
	write(w.t, filepath.Join(w.dir, "teal.yaml"), "app: hello\nfunctions:\n  hello: {runtime: python3, handler: app.handler, code: ./code}\nroutes:\n  - {path: /, to: hello}\n")
	write(w.t, filepath.Join(w.dir, "code", "app.py"), "def handler(event, context):\n    return '"+answer+"'\n")
}

type result struct {
	code     int
	out, err string
}

func (w *world) run(args ...string) result {
	w.t.Helper()
	return w.runWith(w.t.Context(), "", args...)
}

func (w *world) runWith(ctx context.Context, stdin string, args ...string) result {
	w.t.Helper()
	var out, errs buffer
	code := cli.Run(ctx, args, w.environment(&out, &errs, stdin))
	return result{code, out.String(), errs.text.String()}
}

func (w *world) environment(out, errs *buffer, stdin string) cli.Env {
	return cli.Env{
		Stdin: strings.NewReader(stdin), Stdout: out, Stderr: errs, Terminal: w.tty, Asks: w.tty,
		Getenv: func(name string) string { return w.env[name] },
		Now:    w.fake.Now, Version: "0.1.0",
	}
}

// buffer may be written and read at the same time.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var (
	uploadSize = regexp.MustCompile(`uploaded [0-9.]+ k?B|("uploaded_bytes": )[1-9][0-9]*`)
	digest     = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
)

// stable takes out of a text what differs from run to run.
func (w *world) stable(text string) string {
	text = strings.NewReplacer(w.addr, "ADDR", w.dir, "DIR", cmp.Or(w.env["TEAL_DATA"], w.dir), "DATA").Replace(text)
	text = digest.ReplaceAllString(text, "DIGEST")
	text = secrets.ReplaceAllString(text, "${1}${2}${3}SECRET")
	return uploadSize.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "uploaded ") {
			return "uploaded N B"
		}
		return `"uploaded_bytes": N`
	})
}

// script runs commands one after another and returns what a person would see.
type script struct {
	*world
	text strings.Builder
}

func (s *script) teal(args ...string) {
	s.t.Helper()
	s.say("", args...)
}

// say is teal with something on the standard input.
func (s *script) say(stdin string, args ...string) {
	s.t.Helper()
	r := s.runWith(s.t.Context(), stdin, args...)
	fmt.Fprintf(&s.text, "$ teal %s\n%s", s.stable(strings.Join(args, " ")), s.stable(r.out))
	for line := range strings.Lines(s.stable(r.err)) {
		fmt.Fprintf(&s.text, "! %s", line)
	}
	if r.code != 0 {
		fmt.Fprintf(&s.text, "(exit %d)\n", r.code)
	}
	s.text.WriteString("\n")
}

func (s *script) golden(name string) {
	s.t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		write(s.t, file, s.text.String())
	}
	want, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), s.text.String()); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

package service

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/process"
)

// fixture is the folder that holds the built fixture program.
var fixture string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "teal-service-")
	if err != nil {
		panic(err)
	}
	fixture = folder
	build := process.Command(context.Background(), "go", "build", "-o", filepath.Join(folder, "fixture"), "./testdata/fixture")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the fixture: %v\n%s", err, out))
	}
	// What a server knows and its services must not.
	if err := os.Setenv("TEAL_TOKEN", "secret"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// patience is how long a test waits for what must happen in the end.
const patience = 20 * time.Second

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !condition() {
		if !sleep(ctx, 5*time.Millisecond, nil) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

func quick(path string) teal.Health {
	return teal.Health{Path: path, Interval: teal.Duration(20 * time.Millisecond), Timeout: teal.Duration(5 * time.Second), Failures: 3}
}

// aService returns a service of the fixture in the given mode.
func aService(mode string, instances int) *teal.Service {
	return &teal.Service{
		Command:   []string{"./fixture"},
		Health:    quick("/healthz"),
		Instances: instances,
		Grace:     teal.Duration(5 * time.Second),
		Env:       map[string]string{"MODE": mode},
	}
}

// harness runs a Set with real processes.
type harness struct {
	*Set
	starts    atomic.Int64
	lastStart atomic.Int64 // in Unix nanoseconds
	pids      chan int
	stop      func() // ends Run and waits for it; may be called again
}

func run(t *testing.T, cfg Config) *harness {
	t.Helper()
	h := &harness{pids: make(chan int, 1000)}
	runner, err := process.New(process.Config{Name: "service-test"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Name == "" {
		cfg.App, cfg.Version, cfg.Name = "shop", 1, "web"
	}
	if cfg.Dir == "" {
		cfg.Dir = fixture
	}
	cfg.Start = func(spec process.Spec) (*process.Process, error) {
		h.lastStart.Store(time.Now().UnixNano())
		h.starts.Add(1)
		p, err := runner.Start(spec)
		if err == nil {
			h.pids <- p.PID()
		}
		return p, err
	}
	if h.Set, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	h.stop = background(t, h.Run, background(t, runner.Run, nil))
	t.Cleanup(h.stop)
	return h
}

// background calls run with a context that the returned function ends; it waits
// for run to return and then calls next.
func background(t *testing.T, run func(context.Context) error, next func()) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	return func() {
		cancel()
		<-done
		if next != nil {
			next()
		}
	}
}

func (h *harness) ready(t *testing.T) {
	t.Helper()
	eventually(t, "the set is ready", func() bool { return h.State().Ready && h.State().Healthy == h.State().Total })
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// get asks an endpoint and returns the body of its answer.
func get(e *Endpoint, path string) (string, error) {
	response, err := client.Get(e.Scheme() + "://" + e.Host() + e.Path() + path)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	return string(body), err
}

func mustGet(t *testing.T, e *Endpoint, path string) string {
	t.Helper()
	body, err := get(e, path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func mustClaim(t *testing.T, s *Set) *Endpoint {
	t.Helper()
	e, err := s.Claim()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

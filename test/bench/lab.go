package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"teal/internal/client"
)

// lab is what all parts use: the program to measure, the handlers, and a
// directory that goes away.
type lab struct {
	teal string // the program
	self string // this program, for its other roles
	dir  string
	fn   string // the Go function
	web  string // the service
	next int    // names directories
}

func openLab(ctx context.Context, teal string) (*lab, error) {
	dir, err := os.MkdirTemp("", "teal-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{teal: teal, dir: dir, fn: filepath.Join(dir, "fn"), web: filepath.Join(dir, "web")}
	if l.self, err = os.Executable(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	for _, args := range [][]string{
		{"-tags", "lambda.norpc", "-o", l.fn, "teal/test/bench/testdata/fn"},
		{"-o", l.web, "teal/test/bench/testdata/web"},
	} {
		build := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-ldflags", "-s -w"}, args...)...)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("build a handler: %w\n%s", err, out), l.close())
		}
	}
	return l, nil
}

func (l *lab) close() error { return os.RemoveAll(l.dir) }

// folder returns a new directory.
func (l *lab) folder(name string) (string, error) {
	l.next++
	dir := filepath.Join(l.dir, fmt.Sprintf("%s-%d", name, l.next))
	return dir, os.Mkdir(dir, 0o755)
}

// app writes a folder that can be deployed. A file whose content begins with
// linkTo is a link to a program.
func (l *lab) app(manifest string, files map[string]string) (string, error) {
	dir, err := l.folder("app")
	if err != nil {
		return "", err
	}
	write := func(name, content string) error {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if program, ok := strings.CutPrefix(content, linkTo); ok {
			return os.Link(program, path)
		}
		return os.WriteFile(path, []byte(content), 0o644)
	}
	err = write("teal.yaml", manifest)
	for name, content := range files {
		err = errors.Join(err, write(name, content))
	}
	return dir, err
}

const linkTo = "link to "

// server is a running teal server.
type server struct {
	lab    *lab
	data   string
	cmd    *exec.Cmd
	log    *output
	ended  chan struct{} // closed when the process has been reaped
	http   string        // the gateway's address
	client *client.Client
}

// output collects what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// server starts a server on a new data directory and waits until it serves.
func (l *lab) server(ctx context.Context) (*server, error) {
	data, err := l.folder("data")
	if err != nil {
		return nil, err
	}
	s := &server{lab: l, data: data, log: &output{}, ended: make(chan struct{})}
	s.cmd = exec.Command(l.teal, "server", "--data", data, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = cleanEnv(), s.log, s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	if err := s.connect(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w\n%s", err, s.log)
	}
	return s, nil
}

func (s *server) connect(ctx context.Context) error {
	address := map[string]string{"http.addr": "", "admin.addr": "", "admin.token": ""}
	err := poll(ctx, "the server to serve", func() (bool, error) {
		for name := range address {
			address[name] = strings.TrimSpace(readFile(filepath.Join(s.data, name)))
			if address[name] == "" {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	s.http = address["http.addr"]
	s.client, err = client.New(client.Config{Address: address["admin.addr"], Token: address["admin.token"]})
	return err
}

// stop ends the server as an operator does.
func (s *server) stop() {
	if s.client != nil {
		s.client.Close()
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended already
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// run executes one command and returns how long its process took, from before
// it is made until it has ended.
func (s *server) run(ctx context.Context, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, s.lab.teal, args...)
	cmd.Env = append(cleanEnv(), "TEAL_DATA="+s.data)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return took, fmt.Errorf("teal %s: %w\n%s", strings.Join(args, " "), err, out.String())
	}
	return took, nil
}

// cleanEnv is this process's environment without what would lead the command
// line to another server.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "TEAL_") {
			env = append(env, kv)
		}
	}
	return env
}

// awaitVersion waits until the environment of a version is in the state; "" is
// for one that is gone.
func (s *server) awaitVersion(ctx context.Context, version int, state string) error {
	return poll(ctx, fmt.Sprintf("version %d to be %q", version, state), func() (bool, error) {
		status, err := s.client.Status(ctx, "shop")
		if err != nil {
			return false, err
		}
		found := ""
		for _, e := range status.Environments {
			if e.Version == version {
				found = string(e.State)
			}
		}
		return found == state, nil
	})
}

// pollEvery is short against what is waited for and long against what asking
// costs.
const pollEvery = 10 * time.Millisecond

// poll waits until done says so.
func poll(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if err := pause(ctx, pollEvery); err != nil {
			return fmt.Errorf("waited for %s: %w", what, err)
		}
	}
}

// pause blocks for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

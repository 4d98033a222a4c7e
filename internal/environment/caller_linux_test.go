package environment

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/front"
	"teal/internal/process"
)

// Who may call a component of an environment, and its preview, is who
// process.Caller's rule says. Seen red without Admit (everybody was answered),
// with startProcess leaving out the Owner (the environment's own process was
// refused), and with an admission that takes the server's user for the
// environment's own.
func TestWhoMayCall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	c := newCity(t)
	s := street{city: c, Server: front.New(front.Config{Config: exchange.Config{Gateway: gateway.New()}}), meter: &counter{}}
	m := New(Config{
		Records: s, Bundles: s, Processes: s, Siblings: s.Server, Logs: s, Usage: s, DataPlane: s, Meters: s,
		WorkDir: filepath.Join(t.TempDir(), "work"), Logger: slog.New(slog.DiscardHandler), Changed: func(string) {},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-m.Recovered()
	provision(t, m, 1)
	awaitReady(t, m, 1)

	inside := func(script string) string {
		r := m.find(shop, 1)
		return printed(t, r.startProcess, script)
	}
	ofAnother := func(script string) string {
		return printed(t, func(s process.Spec) (*process.Process, error) {
			s.Owner = teal.EnvironmentName(shop, 2)
			return c.Runner.Start(s)
		}, script)
	}
	const refused = "HTTP/1.1 403 Forbidden"
	for _, call := range []struct {
		who, component, head string
		run                  func(string) string
		served               bool
	}{
		{"the environment", "f", "", inside, true},
		{"the environment", "f", "Origin: http://evil.example", inside, true}, // passed on from a user
		{"the environment", "", "", inside, true},
		{"another environment", "f", "", ofAnother, false},
		{"another environment", "", "", ofAnother, true}, // it runs as the server's user
		{"the server's user", "f", "", as(t, 0), false},
		{"the server's user", "", "", as(t, 0), true},
		{"a page of the server's user", "", "Origin: http://evil.example", as(t, 0), false},
		{"another user", "f", "", as(t, 65534), false},
		{"another user", "", "", as(t, 65534), false},
	} {
		address, err := m.Address(shop, 1, call.component)
		if err != nil {
			t.Fatal(err)
		}
		at, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		head := "Host: " + at.Host + `\r\n`
		if call.head != "" {
			head += call.head + `\r\n`
		}
		got := call.run(fmt.Sprintf(`exec 3<>/dev/tcp/127.0.0.1/%s && printf 'GET /f/x HTTP/1.1\r\n%sConnection: close\r\n\r\n' >&3 && head -n 1 <&3`, at.Port(), head))
		if (got == refused) == call.served || !strings.HasPrefix(got, "HTTP/1.1 ") {
			t.Errorf("%s calls %q with %q: %q, want it served: %v", call.who, call.component, call.head, got, call.served)
		}
	}
}

// printed runs a script and returns the line that it prints.
func printed(t *testing.T, start func(process.Spec) (*process.Process, error), script string) string {
	t.Helper()
	var mu sync.Mutex
	var text string
	p, err := start(process.Spec{Path: "/bin/bash", Args: []string{"-c", script}, Env: os.Environ(), Output: func(_ string, line []byte) {
		mu.Lock()
		text += string(line)
		mu.Unlock()
	}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	mu.Lock()
	defer mu.Unlock()
	return strings.TrimSpace(text)
}

// as runs scripts as a user, outside Teal.
func as(t *testing.T, uid uint32) func(script string) string {
	return func(script string) string {
		t.Helper()
		cmd := process.Command(t.Context(), "/bin/bash", "-c", script)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Setpgid: true}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", out, err)
		}
		return strings.TrimSpace(string(out))
	}
}

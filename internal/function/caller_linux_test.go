package function

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"teal"
	"teal/internal/process"
)

// Another program of this machine asks for the invocations of a function, also
// as another user and while invocations run, and gets none. Seen red with admits
// that admits everybody: the strangers took the runtime's place, and the function
// crashed.
func TestAStrangerGetsNoInvocation(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	r := start(t, python("app.context"), func(c *Config) { c.Function.Concurrency.Max = 1 })
	_, port, err := net.SplitHostPort(r.addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	// A stranger is cut off, perhaps before it has said anything: that is no reason
	// for it to give up.
	script := fmt.Sprintf(`trap '' PIPE; for i in 1 2 3 4 5 6 7 8 9 10; do
		exec 3<>/dev/tcp/127.0.0.1/%s && printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' >&3 && timeout 1 cat <&3
	done; true`, port)
	var printed [2]bytes.Buffer
	var strangers sync.WaitGroup
	for i, uid := range []uint32{0, 65534} {
		cmd := process.Command(t.Context(), "/bin/bash", "-c", script)
		cmd.Dir, cmd.Stdout = "/", &printed[i]
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		strangers.Go(func() {
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	for range 50 {
		r.ok(`{"secret": 1}`)
	}
	strangers.Wait()
	r.ok("{}")
	for i := range printed {
		if printed[i].Len() > 0 {
			t.Errorf("stranger %d was told %q", i, printed[i].String())
		}
	}
}

// A runtime may speak through processes that it starts, each in a session of its
// own. Seen red with a Caller that looks at the instance's first process alone.
func TestARuntimeMaySpeakThroughItsChildren(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const bootstrap = `#!/bin/sh
while :; do
	setsid python3 -c '
import http.client, os
c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
c.request("GET", "/2018-06-01/runtime/invocation/next")
r = c.getresponse()
r.read()
c.request("POST", "/2018-06-01/runtime/invocation/" + r.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", "\"child\"")
c.getresponse().read()
'
done
`
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte(bootstrap), 0o755); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) { c.Dir, c.Function.Runtime, c.Function.Memory = dir, "provided.al2023", 256*teal.MiB })
	for range 3 {
		if got := r.ok("{}"); got != `"child"` {
			t.Errorf("got %s", got)
		}
		r.quiet()
	}
}

// addresses returns those of the Runtime API of the instances.
func (r *running) addresses() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for i := range r.instances {
		if i.endpoint != nil {
			all = append(all, i.endpoint.Addr())
		}
	}
	return all
}

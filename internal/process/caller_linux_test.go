package process_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"teal/internal/process"
)

// playCaller connects, and ends when the other end closes.
func playCaller(args []string) {
	c, err := net.Dial("tcp", args[0])
	must(err)
	_, _ = io.Copy(io.Discard, c)
}

// nobody is another user.
const nobody = 65534

// Seen red with a Caller that believes everybody on the loopback, and with one
// that looks at the process itself alone, without what it has started.
func TestCaller(t *testing.T) {
	t.Parallel()
	for name, way := range bothWays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, process.Config{Guard: guardCmd}, way...)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			dial := fmt.Sprintf("%s dial %s", os.Args[0], l.Addr())
			shell := func(script, owner string) *process.Process {
				return r.start(process.Spec{Path: "/bin/sh", Args: []string{"-c", script}, Owner: owner})
			}
			for what, c := range map[string]struct {
				script                 string
				alone, others, without process.Caller // what the process, its owner and another owner are told
			}{
				"itself":               {"exec " + dial, process.CallerOwn, process.CallerOwn, process.CallerUser},
				"a child":              {dial + " & wait", process.CallerOwn, process.CallerOwn, process.CallerUser},
				"a child in a session": {"setsid " + dial + " & wait", process.CallerOwn, process.CallerOwn, process.CallerUser},
			} {
				p := shell(c.script, "shop 1")
				conn := accept(t, l)
				for which, got := range map[string]process.Caller{
					"process": whose(t, p.Caller, conn), "owner": whoseOf(t, r, conn, "shop 1"), "other owner": whoseOf(t, r, conn, "shop 2"),
				} {
					want := map[string]process.Caller{"process": c.alone, "owner": c.others, "other owner": c.without}[which]
					if got != want {
						t.Errorf("%s, asked by %s: %d, want %d", what, which, got, want)
					}
				}
				_ = conn.Close()
				done(t, p)
			}
			p := shell("exec sleep 1000", "shop 1")
			defer p.Kill()
			for _, uid := range []uint32{0, nobody} {
				want := process.CallerUser
				if uid == nobody {
					want = process.CallerStranger
				}
				stop := dialAs(t, uid, l.Addr().String())
				conn := accept(t, l)
				if got := whose(t, p.Caller, conn); got != want {
					t.Errorf("user %d, asked by a process: %d, want %d", uid, got, want)
				}
				if got := whoseOf(t, r, conn, "shop 1"); got != want {
					t.Errorf("user %d, asked by its owner: %d, want %d", uid, got, want)
				}
				_ = conn.Close()
				stop()
			}
			own, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			conn := accept(t, l)
			defer func() { _ = conn.Close() }()
			if got := whoseOf(t, r, conn, "shop 1"); got != process.CallerOwn {
				t.Errorf("this program itself: %d", got)
			}
			if got := whose(t, p.Caller, conn); got != process.CallerUser {
				t.Errorf("this program itself, asked by a process: %d", got)
			}
			_ = own.Close()
			eventually(t, "who has gone is a stranger", func() bool { return whoseOf(t, r, conn, "shop 1") == process.CallerStranger })
		})
	}
}

// One that has left its parent, group and session is known by its cgroup. Seen
// red without the members of the cgroup.
func TestCallerThatHasLeftItsFamily(t *testing.T) {
	t.Parallel()
	r := run(t, process.Config{Guard: guardCmd})
	if r.MemoryLimit() != "cgroup v1" && r.MemoryLimit() != "cgroup v2" {
		t.Skip("there are no cgroups: " + r.MemoryLimit())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p, _ := r.shell(fmt.Sprintf("(setsid %s dial %s &) ; exec sleep 1000", os.Args[0], l.Addr()))
	defer p.Kill()
	conn := accept(t, l)
	defer func() { _ = conn.Close() }()
	if got := whose(t, p.Caller, conn); got != process.CallerOwn {
		t.Errorf("%d", got)
	}
}

// A process may call before Start has returned. Seen red without the wait for
// births, in three runs of four.
func TestCallerThatHasJustBeenBorn(t *testing.T) {
	t.Parallel()
	r := run(t, process.Config{Guard: guardCmd})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const births = 50
	var starts sync.WaitGroup
	defer func() { inTime(t, "all are started", starts.Wait) }()
	for range 4 {
		starts.Go(func() {
			for range births {
				r.start(process.Spec{Path: "/bin/bash", Args: []string{"-c", "exec 3<>/dev/tcp/127.0.0.1/" + port + "; read -u 3"}, Owner: "shop 1"})
			}
		})
	}
	for range 4 * births {
		conn := accept(t, l)
		if got := whoseOf(t, r, conn, "shop 1"); got != process.CallerOwn {
			t.Errorf("%d", got)
		}
		_ = conn.Close()
	}
}

// accept waits for a connection.
func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatalf("nobody has connected: %v", err)
	}
	return c
}

func whose(t *testing.T, ask func(net.Conn) (process.Caller, error), c net.Conn) process.Caller {
	t.Helper()
	who, err := ask(c)
	if err != nil {
		t.Error(err)
	}
	return who
}

func whoseOf(t *testing.T, r *running, c net.Conn, owner string) process.Caller {
	t.Helper()
	return whose(t, func(c net.Conn) (process.Caller, error) {
		return r.Caller(c.RemoteAddr().(*net.TCPAddr).AddrPort(), c.LocalAddr().(*net.TCPAddr).AddrPort(), owner)
	}, c)
}

// dialAs connects as a user who is not this Runner's business.
func dialAs(t *testing.T, uid uint32, address string) (stop func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	cmd := process.Command(ctx, "/proc/self/exe", "dial", address)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Setpgid: true}
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	return func() {
		defer cancel()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

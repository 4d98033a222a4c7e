package service

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"teal/internal/await"
	"teal/internal/datadir"
	"teal/internal/pinned"
)

var binary string // the program as `make build` makes it

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "teal-service-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // another user runs it
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "teal")
	build := exec.Command("go", "build", "-o", binary, "teal/cmd/teal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// manager stands in for systemd.
type manager struct {
	t       *testing.T
	dir     string // that the service may write
	notify  *net.UnixConn
	sockets map[string]*net.TCPListener
	names   []string
	said    bytes.Buffer // whole once the command has ended
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "teal-service-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, dir: dir, sockets: map[string]*net.TCPListener{}}
	m.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.notify.Close() })
	if err := os.Chmod(filepath.Join(dir, "notify"), 0o777); err != nil {
		t.Fatal(err)
	}
	return m
}

// open is a socket unit.
func (m *manager) open(name, address string) net.Addr {
	m.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = l.Close() })
	m.names = append(m.names, name)
	m.sockets[name] = l.(*net.TCPListener)
	return l.Addr()
}

// command is the service's, as systemd starts it: with the capability that lets it
// listen on ports below 1024 as its only one, where this test may give it away. It is
// killed after await.Patience: a server that starts where it should have refused fails a
// test, and does not hold up the run.
func (m *manager) command(args ...string) *exec.Cmd {
	m.t.Helper()
	ctx, end := context.WithTimeout(context.Background(), await.Patience)
	m.t.Cleanup(end)
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, binary, "server", "--data", filepath.Join(m.dir, "data")}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "NOTIFY_SOCKET=" + m.notify.LocalAddr().String(), "WATCHDOG_USEC=2000000",
		fmt.Sprint("LISTEN_FDS=", len(m.names)), "LISTEN_FDNAMES=" + strings.Join(m.names, ":"),
	}
	for _, name := range m.names {
		file, err := m.sockets[name].File()
		if err != nil {
			m.t.Fatal(err)
		}
		m.t.Cleanup(func() { _ = file.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	cmd.Stdout, cmd.Stderr = &m.said, &m.said
	cmd.WaitDelay = 10 * time.Second // a helper of a killed server may hold them for a moment
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: []uintptr{unix.CAP_NET_BIND_SERVICE}}
	}
	return cmd
}

// hears waits until the service says something, beside that it is alive.
func (m *manager) hears(want string) {
	m.t.Helper()
	if err := m.notify.SetReadDeadline(time.Now().Add(await.Patience)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := m.notify.Read(buffer)
		switch got := string(buffer[:n]); {
		case err != nil:
			m.t.Fatalf("waiting for %q: %v", want, err)
		case strings.Contains(got, want):
			return
		case got != "WATCHDOG=1":
			m.t.Fatalf("the service says %q, want %q", got, want)
		}
	}
}

// A request that comes before the server does is answered by it.
func TestTheServerAsAService(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.open("admin", "127.0.0.1:0")
	address := m.open("http", "127.0.0.1:0")
	early, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if _, err := early.Write([]byte("GET / HTTP/1.1\r\nHost: early\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	cmd := m.command("--http", "192.0.2.1:1", "--admin", "127.0.0.1:1") // addresses that nobody can have
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	m.hears("READY=1\nSTATUS=serving on " + address.String())
	m.hears("WATCHDOG=1")
	response, err := http.ReadResponse(bufio.NewReader(early), nil)
	if err != nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("%v %v", response, err)
	}
	if os.Geteuid() == 0 {
		m.checkCapabilities(cmd.Process.Pid)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.hears("STOPPING=1")
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, m.said.String())
	}
}

// checkCapabilities finds the one that the service has, and none that what it starts
// would inherit.
func (m *manager) checkCapabilities(pid int) {
	m.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, want := range []string{"CapEff:\t0000000000000400\n", "CapAmb:\t0000000000000000\n"} {
		if !strings.Contains(string(status), want) {
			m.t.Errorf("want %q in\n%s", want, status)
		}
	}
}

// A socket for the admin API that other machines reach is served over TLS alone, whatever
// the address says that it takes the place of. Seen red with a server that takes the socket
// for plain HTTP.
func TestAnAdminSocketThatOthersReach(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	port := m.open("admin", "0.0.0.0:0").(*net.TCPAddr).Port
	cmd := m.command("--http", "127.0.0.1:0", "--admin", "127.0.0.1:1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	m.hears("READY=1")
	pin, err := pinned.OfFile(filepath.Join(m.dir, "data", datadir.AdminCertificate))
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d/healthz", port)
	if status, err := get("https://"+address, pinned.ClientConfig(pin)); err != nil || status != http.StatusOK {
		t.Errorf("over TLS: %d %v", status, err)
	}
	if status, err := get("http://"+address, nil); err == nil && status == http.StatusOK {
		t.Errorf("over plain HTTP: %d", status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, m.said.String())
	}
}

// get returns the status that an address answers with.
func get(address string, secure *tls.Config) (int, error) {
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       await.Patience,
	}
	response, err := client.Get(address)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// A socket that nobody would serve keeps the server from starting.
func TestSocketsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"metrics": `systemd passes a socket named "metrics"; expected FileDescriptorName= with one of http, https, admin`,
		"https":   "HTTPS is not on",
	} {
		m := newManager(t)
		m.open(name, "0.0.0.0:0")
		err := m.command("--http", "127.0.0.1:0").Run()
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(m.said.String(), want) {
			t.Errorf("%s: %v %s", name, err, m.said.String())
		}
	}
}

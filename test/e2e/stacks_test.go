package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// exampleApp copies an example; what of its manifest is replaced, is.
func exampleApp(t testing.TB, name string, replace ...string) app {
	t.Helper()
	a := app{t: t, dir: t.TempDir()}
	if err := os.CopyFS(a.dir, os.DirFS(filepath.Join("..", "..", "examples", name))); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(a.dir, "teal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a.write("teal.yaml", strings.NewReplacer(replace...).Replace(string(manifest)))
	return a
}

// postgres is a database of a test's own.
type postgres struct {
	t   testing.TB
	bin string
	dir string // of its socket
}

// startPostgres starts a PostgreSQL that ends with the test. It listens at a socket in a
// folder of its own alone.
func startPostgres(t testing.TB) postgres {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		t.Skip("PostgreSQL is not here, scripts/need installs it")
	}
	p := postgres{t: t, bin: filepath.Dir(found[len(found)-1])}
	if p.dir, err = os.MkdirTemp("", "teal-postgres-"); err != nil { // not t's: the database is another user's
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	var as *syscall.SysProcAttr
	if os.Geteuid() == 0 { // it does not run as root
		owner, err := user.Lookup("postgres")
		if err != nil {
			t.Skip("PostgreSQL has no user here:", err)
		}
		uid, _ := strconv.ParseUint(owner.Uid, 10, 32)
		gid, _ := strconv.ParseUint(owner.Gid, 10, 32)
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(p.dir, "data")
	initdb := exec.Command(filepath.Join(p.bin, "initdb"), "-D", data, "-U", "teal", "-A", "trust", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, p.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	log := &output{}
	server := exec.Command(filepath.Join(p.bin, "postgres"), "-D", data, "-k", p.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	server.SysProcAttr, server.Dir = as, p.dir
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // its word for: now, in good order
		_ = server.Wait()
	})
	log.await(t, "database system is ready to accept connections")
	return p
}

func (p postgres) url() string { return "postgresql:///postgres?user=teal&host=" + p.dir }

// query returns what psql does.
func (p postgres) query(sql string) string {
	p.t.Helper()
	out, err := exec.Command(filepath.Join(p.bin, "psql"), "-At", "-c", sql, p.url()).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// poster posts entries and counts those that were taken.
type poster struct {
	mu    sync.Mutex
	taken []string
}

func (p *poster) post(ctx context.Context, client *http.Client, base string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/entries", strings.NewReader("hello"))
	if err != nil {
		return "", err
	}
	req.Host = "guestbook.localhost"
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	number, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, number)
	}
	if err == nil {
		p.mu.Lock()
		p.taken = append(p.taken, string(number))
		p.mu.Unlock()
	}
	return resp.Header.Get("Teal-Version"), err
}

// gunicorn with PostgreSQL is released and rolled back under load: no post is lost or
// stands twice, what has begun before a switch ends, and the address of the database is
// shown nowhere. Seen red with instances that are killed at the switch (a grace and a
// drain of 1 ms).
func TestGunicornAndPostgres(t *testing.T) {
	defer contained(t)
	t.Parallel()
	for _, program := range []string{"gunicorn", "psql"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not here, scripts/need installs it", program)
		}
	}
	database := startPostgres(t)
	s := startServer(t)
	deploy := func(text string) result {
		t.Helper()
		a := exampleApp(t, "guestbook", "confidence: 1m", "confidence: 0s")
		a.write("web/text.txt", text) // another version
		r := tealWith([]string{"TEAL_DATA=" + s.data, "DATABASE_URL=" + database.url()}, "deploy", a.dir)
		r.expect(t, 0)
		return r
	}
	said := deploy("one")
	slow := make(chan string, 1)
	go func() {
		_, _, body := s.in(t).get("/slow", "Host", "guestbook.localhost")
		slow <- body
	}()
	s.awaitInFlight(1)
	var entries poster
	load := startLoad(t, s.url(""), []kind{{name: "post", workers: 2, request: entries.post}, {name: "post on a new connection", workers: 1, fresh: true, request: entries.post}})
	load.await(t, 20)
	said.stdout += deploy("two").stdout
	if body := <-slow; body != "version 1" {
		t.Errorf("what began before the switch was answered %q", body)
	}
	said.stdout += deploy("three").stdout + s.ok("rollback", "guestbook").stdout + s.ok("status", "guestbook").stdout
	load.await(t, 200)
	lost, versions := 0, map[string]bool{}
	for _, sample := range load.stop() {
		if versions[sample.version] = true; sample.err != nil {
			lost++
			t.Logf("%s: version %s: %v", sample.kind, sample.version, sample.err)
		}
	}
	if lost != 0 || !versions["1"] || !versions["2"] {
		t.Errorf("%d requests were lost; versions %v answered", lost, versions)
	}
	if stored := database.query("SELECT count(*) FROM entries"); stored != strconv.Itoa(len(entries.taken)) {
		t.Errorf("%d posts were taken, and the database has %s", len(entries.taken), stored)
	}
	if strings.Contains(said.stdout, database.dir) {
		t.Errorf("the address of the database is shown:\n%s", said.stdout)
	}
}

// chatter is a client of examples/chat.
type chatter struct {
	said *output
	in   io.WriteCloser
}

func (c chatter) say(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(c.in, text+"\n"); err != nil {
		t.Fatal(err)
	}
}

// startChatter starts a client that ends with the test, and waits until it is welcome.
func startChatter(t testing.TB, base, transport, modules string) chatter {
	t.Helper()
	client := exec.Command("node", filepath.Join("testdata", "chat", "client.mjs"), base, transport, modules)
	c := chatter{said: &output{}}
	client.Stdout, client.Stderr = c.said, c.said
	var err error
	if c.in, err = client.StdinPipe(); err == nil {
		err = client.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Process.Kill()
		_ = client.Wait()
	})
	c.said.await(t, "welcome 1\n")
	return c
}

// Express with Socket.IO: a WebSocket stays with the version that welcomed it over a switch,
// until its drain time is over; whoever is connected then, also by polling, comes back to
// the new version by itself and is not refused. Seen red with a drain of 1 ms.
func TestExpressAndSocketIO(t *testing.T) {
	defer contained(t)
	t.Parallel()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not here, scripts/need installs it", program)
		}
	}
	a := exampleApp(t, "chat", "host: chat.localhost, ", "", "watch: {confidence: 1m}", "drain: 10s\n  watch: {confidence: 0s}")
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--silent")
	install.Dir = filepath.Join(a.dir, "server")
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("the packages of the example cannot be installed here: %v\n%s", err, out)
	}
	modules := t.TempDir()
	install = exec.Command("npm", "install", "--no-audit", "--no-fund", "--silent", "socket.io-client@4")
	install.Dir = modules
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("socket.io-client cannot be installed here: %v\n%s", err, out)
	}
	s := startServer(t)
	s.ok("deploy", a.dir)
	clients := map[string]chatter{}
	for _, transport := range []string{"websocket", "polling"} {
		clients[transport] = startChatter(t, s.url(""), transport, modules+"/")
	}
	clients["polling"].say(t, "hello")
	for _, c := range clients {
		c.said.await(t, "said 1 hello\n")
	}
	a.write("server/note.txt", "another version")
	s.ok("deploy", a.dir)
	clients["websocket"].say(t, "still")
	clients["websocket"].said.await(t, "said 1 still\n")
	for _, c := range clients {
		c.said.await(t, "welcome 2\n")
	}
	clients["websocket"].say(t, "again")
	for transport, c := range clients {
		c.said.await(t, "said 2 again\n")
		if strings.Contains(c.said.String(), "refused") {
			t.Errorf("%s: %s", transport, c.said)
		}
	}
}

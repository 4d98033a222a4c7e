package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server that cannot have what it needs says so and leaves everything alone.
func TestServerThatCannotStart(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "blue").dir)
	before := s.remember("web", "/")

	none := filepath.Join(t.TempDir(), "none")
	plain := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"http port", []string{"--data", none, "--http", s.addr("http.addr"), "--admin", "127.0.0.1:0"}, []string{s.addr("http.addr"), "taken", "--http"}},
		{"admin port", []string{"--data", none, "--http", "127.0.0.1:0", "--admin", s.addr("admin.addr")}, []string{s.addr("admin.addr"), "taken", "--admin"}},
		{"data", []string{"--data", s.data, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, []string{s.data, "in use by another teal server", "--data"}},
		{"data is a file", []string{"--data", plain, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, []string{plain, "--data"}},
		{"not an address", []string{"--data", none, "--http", "8080"}, []string{"--http", "HOST:PORT"}},
		{"no such flag", []string{"--date", none}, []string{"--date", "Usage"}},
		{"level", []string{"--data", none, "--log-level", "loud"}, []string{"--log-level", "debug, info, warn or error"}},
	} {
		tealWith(nil, append([]string{"server"}, c.args...)...).in(t, c.name).expect(t, 2, c.says...)
	}
	before.unchanged()
	for _, name := range []string{"store", "bundles", "logs"} {
		if _, err := os.Stat(filepath.Join(none, name)); err == nil {
			t.Errorf("a server that had no port has made %s", name)
		}
	}
}

// in names a case in what expect prints.
func (r result) in(t testing.TB, name string) result {
	t.Helper()
	r.stderr += "(" + name + ")\n"
	return r
}

// Without a server there is nothing to be had, and exit code 3.
func TestNoServer(t *testing.T) {
	defer contained(t)
	t.Parallel()
	free := reserved(t)
	env := []string{"TEAL_ADDR=" + free, "TEAL_TOKEN=x"}
	for _, args := range [][]string{
		{"deploy", newOdd(t, "odd", "").dir}, {"status"}, {"status", "odd"}, {"rollback", "odd"}, {"promote", "odd"},
		{"alias", "set", "odd", "live", "1"}, {"invoke", "odd"}, {"logs", "odd"}, {"history", "odd"}, {"watch", "odd"},
	} {
		tealWith(env, args...).in(t, args[0]).expect(t, 3, "no Teal server answers at", free, "teal server")
	}
	// Nothing is known of a server that never ran on this data.
	tealWith([]string{"TEAL_DATA=" + t.TempDir(), "TEAL_ADDR=" + free}, "status").expect(t, 3, "teal server")
	// What needs no server works without one.
	tealWith(env, "validate", newOdd(t, "odd", "").dir).expect(t, 0)
}

// Every order that cannot be carried out is refused with exit code 2 and a
// sentence that helps, and changes nothing.
func TestRefusedOrders(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	blue := newApp(t, manifestWith("0s"), "blue")
	s.ok("deploy", blue.dir)
	before := s.remember("web", "/")
	for _, c := range []struct {
		args string
		says []string
	}{
		{"status nope", []string{"no app nope", "teal deploy"}},
		{"watch nope", []string{"no app nope"}},
		{"history nope", []string{"no app nope"}},
		{"versions nope", []string{"no app nope"}},
		{"logs nope", []string{"no app nope"}},
		{"promote nope", []string{"no app nope"}},
		{"rollback nope", []string{"no app nope"}},
		{"abort nope", []string{"no app nope"}},
		{"alias list nope", []string{"no app nope"}},
		{"alias set nope live 1", []string{"no app nope"}},
		{"invoke nope", []string{"no app nope"}},
		{"release show nope-1", []string{"nope-1"}},
		{"release show web-99", []string{"web-99"}},

		{"rollback web --to 99", []string{"version 99"}},
		{"alias set web live 99", []string{"version 99"}},
		{"alias set web keep 99", []string{"version 99"}},
		{"invoke web:99", []string{"version 99"}},
		{"invoke web:nope", []string{`"nope"`}},
		{"invoke web --component nope", []string{`"nope"`}},
		{"invoke web --component web", []string{"not a function"}},
		{"invoke web", []string{"no function"}},

		{"rollback web", []string{"no version before v1", "--to"}},
		{"promote web", []string{"no version beside the live one", "--no-release"}},
		{"abort web", []string{"no release to abort", "teal history web"}},

		{"alias set web live 1=90", []string{"add up to 90", "100"}},
		{"alias set web live 1=60 1=40", []string{"named twice"}},
		{"alias set web live 1=50 2=40", []string{"add up to 90", "100"}},
		{"alias set web live 1=90 2=20", []string{"add up to 110", "100"}},
		{"alias set web live 1=101", []string{"101", "between 0 and 100"}},
		{"alias set web live 1=-1 2=101", []string{"-1", "between 0 and 100"}},
		{"alias set web live 1=99.999 2=0.001", []string{"two decimals"}},
		{"alias set web live one", []string{`"one"`, "VERSION=WEIGHT"}},
		{"alias set web live 0", []string{"versions start at 1"}},
		{"alias set web live 1=50 2=30 3=20", []string{"Usage"}},
		{"alias set web preview 1", []string{"cannot be set by hand"}},
		{"alias set web Live! 1", []string{"alias name"}},
		{"alias set web live 1 --revision 4000", []string{"revision"}},

		{"deploy --strategy canery", []string{"canery", "canary"}},
		{"deploy --wait forever", []string{"--wait", "neither live nor completed"}},
		{"deploy a b", []string{"unexpected argument", "Usage"}},
		{"deplay", []string{"deplay", "deploy"}},
		{"alias", []string{"Usage"}},
		{"invoke web --data {", []string{"not JSON"}},
		{"invoke web --data @/does/not/exist", []string{"/does/not/exist"}},
	} {
		args := strings.Fields(c.args)
		if args[0] == "deploy" && args[1] != "a" {
			args = append(args, blue.dir)
		}
		s.teal(args...).in(t, c.args).expect(t, 2, c.says...)
	}
	before.unchanged()
	if st := s.status("web"); st.Release.ID != "web-1" {
		t.Errorf("a refused order has left release %s", st.Release.ID)
	}
}

// With --json a refusal is one document with a stable code.
func TestRefusalAsJSON(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	for args, want := range map[string]string{
		"status nope --json":              "unknown_app",
		"rollback nope --json":            "unknown_app",
		"alias set nope live 1=50 --json": "invalid_weights",
		"nonsense --json":                 "invalid_input",
	} {
		r := s.teal(strings.Fields(args)...)
		var doc struct {
			Error struct{ Code, Message string }
			Code  string
		}
		if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
			t.Errorf("%s: %v\n%s%s", args, err, r.stdout, r.stderr)
			continue
		}
		if got := doc.Code + doc.Error.Code; got != want || r.code != 2 {
			t.Errorf("%s: exit %d, code %q, want 2, %q\n%s", args, r.code, got, want, r.stdout)
		}
	}
}

// A token that is wrong, or cannot be read, opens nothing.
func TestWrongToken(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "blue").dir)
	before := s.remember("web", "/")
	for _, args := range [][]string{{"status"}, {"deploy", newApp(t, manifestWith("0s"), "green").dir}, {"rollback", "web"}, {"alias", "set", "web", "live", "1"}} {
		tealWith([]string{"TEAL_DATA=" + s.data, "TEAL_TOKEN=wrong"}, args...).in(t, args[0]).expect(t, 2, "token")
	}
	unreadable, empty := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(unreadable, "admin.token"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(empty, "admin.token"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := "TEAL_ADDR=" + s.addr("admin.addr")
	tealWith([]string{at, "TEAL_DATA=" + unreadable}, "status").expect(t, 2, "token cannot be read", "TEAL_TOKEN")
	tealWith([]string{at, "TEAL_DATA=" + empty}, "status").expect(t, 2, "does not hold a token", "TEAL_TOKEN")
	tealWith([]string{at, "TEAL_DATA=" + t.TempDir()}, "status").expect(t, 2, "no token", "TEAL_DATA", "TEAL_TOKEN")
	before.unchanged()
}

// What is wrong with an app is found before anything is sent, by validate and by
// deploy, with the place in the file, all of it at once.
func TestBadApps(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newFiles(t, files{"teal.yaml": oddManifest("odd", ""), "odd/odd.py": oddHandler}).dir)
	before := s.remember("odd", "/odd")
	head := "app: odd\nfunctions:\n  odd: {runtime: python3, handler: odd.handler, code: ./odd%s}\nroutes:\n  - {path: /odd, to: odd}\n"
	handler := files{"odd/odd.py": oddHandler}
	with := func(manifest string, more files) app {
		a := newFiles(t, more)
		a.write("teal.yaml", manifest)
		return a
	}
	good := fmt.Sprintf(head, "")
	linked := with(good, handler)
	if err := os.Symlink("../../../etc/passwd", filepath.Join(linked.dir, "odd", "passwd")); err != nil {
		t.Fatal(err)
	}
	climbing := with(good, handler)
	if err := os.Symlink("../../secret", filepath.Join(climbing.dir, "odd", "up")); err != nil {
		t.Fatal(err)
	}
	large := with(good, handler)
	if err := os.Truncate(touch(t, filepath.Join(large.dir, "odd", "large")), 251<<20); err != nil {
		t.Fatal(err)
	}
	bomb := with(strings.ReplaceAll(good, "./odd", "./odd.zip"), nil)
	writeBomb(t, filepath.Join(bomb.dir, "odd.zip"))
	text := with(strings.ReplaceAll(good, "./odd", "./odd.zip"), files{"odd.zip": "this is no zip"})

	for _, c := range []struct {
		name      string
		app       app
		validates bool // only the code is wrong, which validate may not look into
		says      []string
	}{
		{"handler file", with(good, files{"odd/other.py": ""}), false, []string{"teal.yaml:3:36", "odd.handler", "odd.py", "there is other.py"}},
		{"node handler file", with(strings.ReplaceAll(good, "python3", "nodejs22.x"), files{"odd/odd.py": ""}), false, []string{"teal.yaml:3:39", "odd.js or odd.mjs or odd.cjs"}},
		{"no code", with(good, nil), false, []string{"teal.yaml:3:55", "./odd does not exist"}},
		{"unknown key", with(fmt.Sprintf(head, ", memroy: 1GiB"), handler), false, []string{"teal.yaml:3:62", "memroy", "memory"}},
		{"wrong type", with(fmt.Sprintf(head, ", timeout: 3"), handler), false, []string{"teal.yaml:3:71", "no unit"}},
		{"route to nothing", with(good+"  - {path: /x, to: nothing}\n", handler), false, []string{"teal.yaml:6:20", `"nothing"`, "odd"}},
		{"command", with("app: odd\nservices:\n  s: {command: [./s], code: ./odd}\n", handler), false, []string{"teal.yaml:3:17", `"./s" is not in ./odd`}},
		{"bootstrap", with("app: odd\nfunctions:\n  f: {runtime: provided, code: ./odd}\n", handler), false, []string{"teal.yaml:3:", "bootstrap"}},
		{"not YAML", with("app: [odd\n", handler), false, []string{"teal.yaml:"}},
		{"empty", with("", handler), false, []string{"teal.yaml"}},
		{"no manifest", newFiles(t, handler), false, []string{"teal.yaml", "teal init"}},
		{"no folder", app{t: t, dir: filepath.Join(t.TempDir(), "nowhere")}, false, []string{"nowhere"}},
		{"steps that go down", with(good+"release:\n  steps: [{weight: 50, hold: 5m}, {weight: 10, hold: 5m}]\n", handler), false, []string{"teal.yaml:7:"}},
		{"several", with("app: -odd\nfunctions:\n  odd: {runtime: python4, handler: odd, memory: 1}\nroutes:\n  - {path: odd, to: nothing}\nextra: 1\n", handler), false,
			[]string{"teal.yaml:1:6", "teal.yaml:3:18", "teal.yaml:3:", "teal.yaml:5:12", "teal.yaml:6:1", "python4", "extra"}},
		{"link to a file outside", linked, true, []string{"passwd", "outside"}},
		{"link to a folder outside", climbing, true, []string{"up", "outside"}},
		{"too large", large, true, []string{"250MiB", "code of odd"}},
		{"zip bomb", bomb, true, []string{"250MiB"}},
		{"not a zip", text, false, []string{"teal.yaml:3:", "odd.zip", "zip"}},
	} {
		s.teal("deploy", c.app.dir).in(t, "deploy: "+c.name).expect(t, 2, c.says...)
		if !c.validates {
			s.teal("validate", c.app.dir).in(t, "validate: "+c.name).expect(t, 2, c.says...)
		}
	}
	before.unchanged()
}

// The server does not count on the command line to have looked: what a bundle
// must not hold is refused by it too, and nothing of it is kept.
func TestBundlesSentByHand(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	token, err := os.ReadFile(filepath.Join(s.data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	zipped := func(name, content string, mode os.FileMode, size uint64) []byte {
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		h := &zip.FileHeader{Name: name, Method: zip.Store}
		h.SetMode(mode)
		var w io.Writer
		if size == 0 {
			w, err = z.CreateHeader(h)
		} else {
			h.UncompressedSize64, h.CompressedSize64 = size, uint64(len(content))
			w, err = z.CreateRaw(h)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err := io.WriteString(w, content)
		if err := errors.Join(err, z.Close()); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	for name, c := range map[string]struct {
		body   []byte
		status int
		says   string
	}{
		"link to a file outside": {zipped("link", "../../../etc/passwd", 0o777|os.ModeSymlink, 0), 400, "outside"},
		"path outside":           {zipped("../../evil", "x", 0o644, 0), 400, "evil"},
		"absolute path":          {zipped("/etc/evil", "x", 0o644, 0), 400, "/etc/evil"},
		"too large":              {zipped("bomb", "x", 0o644, 300<<20), 413, "250MiB"},
		"another content":        {zipped("fine", "x", 0o644, 0), 400, "sha256"},
		"no zip":                 {[]byte("not a zip"), 400, "zip"},
		"empty":                  {nil, 400, "zip"},
	} {
		digest := "sha256:" + strings.Repeat("0", 64)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+s.addr("admin.addr")+"/v1/bundles/"+digest, bytes.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || !strings.Contains(string(said), c.says) {
			t.Errorf("%s: %d %s %v", name, resp.StatusCode, said, err)
		}
	}
	if size := sizeOf(t, filepath.Join(s.data, "bundles")); size > 0 {
		t.Errorf("refused bundles have left %d bytes", size)
	}
}

func touch(t testing.TB, path string) string {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeBomb writes a zip of a few bytes that says that it holds 300 MiB.
func writeBomb(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	_, first := z.Create("odd.py")
	_, second := z.CreateRaw(&zip.FileHeader{Name: "bomb", Method: zip.Deflate, UncompressedSize64: 300 << 20})
	if err := errors.Join(first, second, z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A request goes to one app. A route that another app has is refused; the app
// that has it keeps it.
func TestRoutesOfTwoAppsThatCollide(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "blue").dir)
	before := s.remember("web", "/")
	manifest := strings.Replace(manifestWith("0s"), "app: web", "app: other", 1)
	other := newApp(t, manifest, "blue")
	s.teal("deploy", other.dir).expect(t, 2, "other", "web", "/")
	s.teal("deploy", other.dir, "--no-release").expect(t, 2, "web")
	before.unchanged()
	s.teal("status", "other").expect(t, 2, "no app other") // nothing of it has been recorded

	// Below another app's prefix, or on a host of its own, it may be.
	s.ok("deploy", newApp(t, strings.Replace(manifest, "path: /,", "path: /below,", 1), "blue").dir)
	before.unchanged()
	if code, _, body := s.get("/below"); code != 200 {
		t.Errorf("GET /below: %d %s", code, body)
	}
	// Nor can a version that is released later take it.
	both := newApp(t, strings.Replace(manifestWith("0s"), "{path: /, to: web}", "{path: /, to: web}\n  - {path: /below, to: web}", 1), "green")
	s.teal("deploy", both.dir).expect(t, 2, "/below", "other")
	before.unchanged()
}

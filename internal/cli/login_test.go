package cli_test

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/internal/api"
	"teal/internal/api/apitest"
	"teal/internal/artifact"
	"teal/internal/nobody"
	"teal/internal/pinned"
)

// remote is a server on another machine, as far as the command line can tell: it speaks
// TLS with a certificate of its own.
func remote(t *testing.T, fake *apitest.Teal) (address string, pin pinned.Fingerprint) {
	t.Helper()
	certificate, key, err := pinned.Create()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bundles, err := artifact.Open(filepath.Join(t.TempDir(), "bundles"), artifact.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	apitest.ServeOn(t, fake, api.Config{Bundles: bundles}, tls.NewListener(plain, pinned.ServerConfig(pair, func(*tls.ClientHelloInfo) *tls.Certificate { return nil })))
	block, _ := pem.Decode(certificate)
	return "https://" + plain.Addr().String(), pinned.Of(block.Bytes)
}

// away is a world whose person has a home and no server on this machine.
func away(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.env = map[string]string{"HOME": t.TempDir(), "USER": "ann"}
	write(t, filepath.Join(w.env["HOME"], ".local", "share", "teal", "admin.addr"), nobody.Address(t)+"\n")
	return w
}

func (w *world) mustRun(stdin string, args ...string) string {
	w.t.Helper()
	r := w.runWith(w.t.Context(), stdin, args...)
	if r.code != 0 {
		w.t.Fatalf("%v: exit %d\n%s%s", args, r.code, r.out, r.err)
	}
	return r.out
}

// Who logs in talks to that server from then on, and goes back by its name. Seen red
// without the pin in what is kept ("not one that this machine trusts"), and with a file
// that others can read.
func TestLogin(t *testing.T) {
	t.Parallel()
	w := away(t)
	address, pin := remote(t, w.fake)
	out := w.mustRun(apitest.Token+"\n", "login", address, "--fingerprint", pin.String(), "--name", "prod")
	if !strings.Contains(out, "logged in to "+address+" as admin (admin); commands go to prod now") {
		t.Error(out)
	}
	file := filepath.Join(w.env["HOME"], ".config", "teal", "contexts.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if out := w.mustRun("", "deploy", w.dir); !strings.Contains(out, "v1 is live") {
		t.Error(out)
	}
	if out := w.mustRun("", "context", "list"); !strings.Contains(out, "*  prod") || !strings.Contains(out, pin.String()) || strings.Contains(out, apitest.Token) {
		t.Error(out)
	}
	port := address[strings.LastIndexByte(address, ':'):]
	if out := w.mustRun("", "token", "create", "ci", "--role", "viewer"); !strings.Contains(out, "teal login https://HOST"+port+" --fingerprint "+pin.String()) {
		t.Error(out)
	}
	w.mustRun("", "context", "use", "local")
	if r := w.run("status"); r.code != 3 || !strings.Contains(r.err, "no Teal server answers") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if out := w.mustRun("", "--context", "prod", "status"); !strings.Contains(out, "hello") {
		t.Error(out)
	}
	w.env["TEAL_CONTEXT"] = "prod"
	w.mustRun("", "status", "hello")
	if out := w.mustRun("", "context", "rm", "prod"); !strings.Contains(out, "good until it is revoked") {
		t.Error(out)
	}
	if r := w.run("status"); r.code != 2 || !strings.Contains(r.err, `no context "prod"; there are local`) {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// A certificate that nobody vouches for is shown to whoever sits there, and accepted when
// they say so; without anybody to ask it is refused. Seen red without the question.
func TestLoginAsksAboutACertificate(t *testing.T) {
	t.Parallel()
	w := away(t)
	address, pin := remote(t, w.fake)
	r := w.runWith(t.Context(), apitest.Token+"\n", "login", address)
	if r.code != 2 || !strings.Contains(r.err, "--fingerprint "+pin.String()) {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	w.tty = true
	if r := w.runWith(t.Context(), "no\n"+apitest.Token+"\n", "login", address); r.code != 2 || !strings.Contains(r.err, "nothing was sent") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if out := w.mustRun("yes\n"+apitest.Token+"\n", "login", address); !strings.Contains(out, pin.String()) || !strings.Contains(out, "commands go to 127.0.0.1 now") {
		t.Error(out)
	}
	w.mustRun("", "status")
}

// Nothing is kept of a login that fails, and each says why.
func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	w := away(t)
	address, pin := remote(t, w.fake)
	_, other := remote(t, w.fake)
	plain := "http://" + w.addr
	for name, c := range map[string]struct {
		stdin string
		args  []string
		says  string
	}{
		"another certificate": {apitest.Token, []string{address, "--fingerprint", other.String()}, "shows another certificate"},
		"no fingerprint":      {apitest.Token, []string{address, "--fingerprint", "12:34"}, "is not a fingerprint"},
		"no token":            {"", []string{address, "--fingerprint", pin.String()}, "no token"},
		"a token of lines":    {"a b", []string{address, "--fingerprint", pin.String()}, "no token"},
		"a wrong token":       {"nonsense", []string{address, "--fingerprint", pin.String()}, "does not accept this token"},
		"plain HTTP":          {apitest.Token, []string{"http://192.0.2.1:8081"}, "is not encrypted"},
		"no URL":              {apitest.Token, []string{"teal.example.com"}, "is not the address of a server"},
		"a path":              {apitest.Token, []string{address + "/v1"}, "is not the address of a server"},
		"a user":              {apitest.Token, []string{"https://ann@127.0.0.1:1"}, "is not the address of a server"},
		"local":               {apitest.Token, []string{plain, "--name", "local"}, "cannot be a context's name"},
		"a name with a slash": {apitest.Token, []string{plain, "--name", "../x"}, "cannot be a context's name"},
		"TLS to plain HTTP":   {apitest.Token, []string{"https://" + w.addr}, "speaks no TLS"},
		"plain HTTP to TLS":   {apitest.Token, []string{strings.Replace(address, "https", "http", 1)}, "write https:// instead"},
	} {
		r := w.runWith(t.Context(), c.stdin+"\n", append([]string{"login"}, c.args...)...)
		if r.code != 2 && r.code != 1 || !strings.Contains(r.err, c.says) {
			t.Errorf("%s: exit %d %s", name, r.code, r.err)
		}
	}
	if _, err := os.Stat(filepath.Join(w.env["HOME"], ".config")); !os.IsNotExist(err) {
		t.Errorf("something was kept: %v", err)
	}
}

// Variables of the environment are enough for a script, and a server that has another
// certificate than they say gets nothing.
func TestTheEnvironmentNamesAServerWithItsFingerprint(t *testing.T) {
	t.Parallel()
	w := away(t)
	address, pin := remote(t, w.fake)
	_, other := remote(t, w.fake)
	w.env["TEAL_ADDR"], w.env["TEAL_TOKEN"] = address, apitest.Token
	if r := w.run("status"); r.code != 2 || !strings.Contains(r.err, "TEAL_FINGERPRINT="+pin.String()) {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	w.env["TEAL_FINGERPRINT"] = pin.String()
	w.mustRun("", "status")
	w.env["TEAL_FINGERPRINT"] = other.String()
	if r := w.run("status", "--json"); r.code != 2 || !strings.Contains(r.out, "untrusted_server") {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
	w.env["TEAL_FINGERPRINT"] = "x"
	if r := w.run("status"); r.code != 2 || !strings.Contains(r.err, "TEAL_FINGERPRINT: ") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// A file of logins that is damaged is told, and nothing is written over it.
func TestADamagedFileOfLoginsIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := away(t)
	file := filepath.Join(w.env["HOME"], ".config", "teal", "contexts.json")
	write(t, file, "{")
	for _, args := range [][]string{{"status"}, {"context", "list"}, {"context", "use", "local"}, {"login", "http://" + w.addr}} {
		if r := w.run(args...); r.code != 2 || !strings.Contains(r.err, file) {
			t.Errorf("%v: exit %d %s", args, r.code, r.err)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "{" {
		t.Errorf("%q %v", data, err)
	}
	write(t, file, `{"current":"gone","contexts":null}`)
	if r := w.run("status"); r.code != 2 || !strings.Contains(r.err, `no context "gone"`) {
		t.Errorf("exit %d %s", r.code, r.err)
	}
	var list struct {
		Contexts []struct{ Name string }
	}
	if out := w.mustRun("", "context", "list", "--json"); json.Unmarshal([]byte(out), &list) != nil || len(list.Contexts) != 1 {
		t.Error(out)
	}
}

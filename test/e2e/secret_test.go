package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// canaries are values that are found wherever they get to, and have characters that JSON,
// URLs and shells write otherwise.
var canaries = map[string]string{
	"database-url": `postgres://shop:Zq7<"&>w\9fé@db.internal/shop-canary-one`,
	"api-key":      "sk_live_canary_two_4f7d2a90cc31",
	"hook-token":   "hook-canary-three/+=91be",
	"pem":          "-----BEGIN KEY-----\nMIIcanaryfour0AQEFAASCBKgw\nggSkAgEAcanaryfive00q8Xb\n-----END KEY-----\n",
}

// traces are what a canary is written as, by who knows no better.
func traces(value string) (list []string) {
	quoted, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	list = append(list, value, strings.Trim(string(quoted), `"`), hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))))
	for shift := range 3 {
		whole := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))
		list = append(list, whole[4*((shift+2)/3):len(whole)-3])
	}
	// What is between the lines, and between what is escaped, gives it away as well.
	for _, word := range []string{"shop-canary-one", "canary_two_4f7d2a90", "hook-canary-three", "MIIcanaryfour0AQEF", "ggSkAgEAcanaryfive"} {
		if strings.Contains(value, word) {
			list = append(list, word)
		}
	}
	return list
}

// betrayed returns which canary a text has, and how; "" when it has none.
func betrayed(text []byte) string {
	for name, value := range canaries {
		for _, trace := range traces(value) {
			if at := bytes.Index(text, []byte(trace)); at >= 0 {
				return fmt.Sprintf("%s as %q, in %q", name, trace, text[max(0, at-200):min(len(text), at+len(trace)+50)])
			}
		}
	}
	return ""
}

// wantSecrecy looks for canaries below a folder.
func wantSecrecy(t testing.TB, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if how := betrayed(data); how != "" {
			t.Errorf("%s has %s", path, how)
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files in %s: %v", files, dir, err)
	}
}

// gossip is a service that prints its secrets in every way it knows, and answers with
// them.
const gossip = `import base64, http.server, json, os, sys, urllib.parse
url, key = os.environ["DATABASE_URL"], os.environ["API_KEY"]
def tell(out):
    print("raw", url, key, file=out, flush=True)
    print("json", json.dumps({"url": url}), json.dumps({"url": url}, ensure_ascii=False), file=out, flush=True)
    print("base64", base64.b64encode(url.encode()).decode(), base64.urlsafe_b64encode(("u:" + key).encode()).decode(), file=out, flush=True)
    print("hex", url.encode().hex(), key.encode().hex().upper(), file=out, flush=True)
    print("query", urllib.parse.quote(url), urllib.parse.quote(url, safe=""), urllib.parse.quote_plus(url), file=out, flush=True)
    print(open(os.environ["PEM"]).read(), file=out, flush=True)
    for i in range(0, len(url), 3):
        out.write(url[i:i + 3]); out.flush()
    out.write("x" * 65530 + url + "\n"); out.flush()
tell(sys.stdout); tell(sys.stderr)
if "CRASH" in os.environ: raise ValueError("cannot connect to " + url)
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if self.path == "/leak" else 200); self.end_headers()
        self.wfile.write(json.dumps({"error": "no such host: " + url + " " + key}, ensure_ascii=False).encode())
        if self.path == "/crash": tell(sys.stderr); os._exit(3)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`

const gossipManifest = `app: shop
functions:
  f: {runtime: python3, handler: app.handler, code: ./f, env: {API_KEY: {secret: api-key}, WHEN: "%[1]s"}}
services:
  web: {command: [python3, -u, web.py], code: ./web, env: {DATABASE_URL: {secret: database-url}, API_KEY: {secret: api-key}, PEM: {secret: pem, as: file}, %[2]s}}
  stranger: {command: [python3, -m, http.server, $PORT], code: ./web}
routes:
  - {path: /f, to: f}
  - {path: /, to: web}
release:
  ready_within: 20s
  watch: {confidence: 0s, compare: none}
%[3]s`

const gossipFunction = `import os, sys
key = os.environ["API_KEY"]
print("the key is", key, key.encode().hex())
if os.environ["WHEN"] == "init": raise ValueError("init with " + key)
def handler(event, context):
    sys.stdout.write(key[:9]); sys.stdout.flush(); print(key[9:])
    raise ValueError("called with " + key)
`

func newGossip(t testing.TB, when, env, release string) app {
	t.Helper()
	a := newFiles(t, files{
		"teal.yaml": fmt.Sprintf(gossipManifest, when, env, release), "web/web.py": gossip, "f/app.py": gossipFunction,
		"hook/hook.sh": "echo \"hook: $HOOK_TOKEN $API_KEY\"; printf %s \"$HOOK_TOKEN\" | od -An -tx1 | tr -d ' \\n'; echo; cat $TEAL_SECRETS/* >&2; exit 1\n",
	})
	return a
}

// Values of secrets get to the programs that refer to them and nowhere else: nothing that
// a command or the API says, no log and no file of the data directory has one, whatever
// programs print, however they and their hooks and checks fail, and whatever people do to
// the server. The variables are in the environments of those programs alone.
//
// Seen red with Spec.Mask not set (log), without Component.Shown (the server's log and the
// release's record), without Pool.initFailure (history), without releaseTask.hide
// (evidence), with the value in the record, and with the argument repeated in the error of
// `secret set`.
func TestSecretsStaySecret(t *testing.T) {
	defer contained(t)
	t.Parallel()
	linuxOnly(t)
	s := startServer(t)
	said := map[string]string{}
	say := func(args ...string) result {
		t.Helper()
		r := s.teal(args...)
		name := strings.Join(args, " ")
		if args[0] == "deploy" {
			name = fmt.Sprintf("deploy %d", len(said))
		}
		said[name] = r.stdout + r.stderr
		return r
	}
	for name, value := range canaries {
		file := filepath.Join(t.TempDir(), "value")
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		say("secret", "set", "shop", name, "--file", file).expect(t, 0, "revision 1")
	}
	s.teal("secret", "set", "shop", "api-key", canaries["api-key"]).expect(t, 2, "no argument")
	said["set with an argument"] = s.teal("secret", "set", "shop", "api-key", canaries["api-key"]).stderr

	say("deploy", newGossip(t, "call", "MARK: one", "").dir).expect(t, 0)
	s.wantEnvironments()
	if code, _, body := s.get("/"); code != 200 || !strings.Contains(body, "canary_two") {
		t.Errorf("the service does not know its secrets: %d %s", code, body)
	}
	if code, _, body := s.get("/f"); code != 502 || strings.Contains(body, "canary") {
		t.Errorf("a failed function: %d %s", code, body)
	}
	s.get("/crash")
	s.logged([]string{"shop"}, "raw *** ***", "hex *** ***", "the key is *** ***", "called with ***")

	say("deploy", newGossip(t, "call", "MARK: two", "  hooks:\n    AfterInstall:\n      - {name: migrate, command: [sh, hook.sh], code: ./hook, env: {HOOK_TOKEN: {secret: hook-token}}}\n").dir).expect(t, 1, "hook: *** ***")
	say("deploy", newGossip(t, "call", "MARK: three", "  checks:\n    - {name: leak, to: web, request: {path: /leak}}\n").dir).expect(t, 1, "no such host: *** ***")
	say("deploy", newGossip(t, "init", "MARK: four", "").dir).expect(t, 1, "init with ***")
	say("deploy", newGossip(t, "call", "CRASH: now", "").dir).expect(t, 1, "cannot connect to ***")
	say("deploy", newGossip(t, "call", "MARK: six", "").dir, "--no-release").expect(t, 0)
	say("invoke", "shop", "-d", "{}")
	delete(said, "invoke shop -d {}") // the answer is the function's own
	say("secret", "rm", "shop", "api-key").expect(t, 2, "in use by")
	s.overhear(say)
	for name, text := range said {
		if how := betrayed([]byte(text)); how != "" {
			t.Errorf("%s says %s", name, how)
		}
	}
	wantSecrecy(t, s.data)
	s.kill()
	s.start()
	s.stop()
	if how := betrayed([]byte(s.log.String())); how != "" {
		t.Errorf("the server's log has %s", how)
	}
	wantSecrecy(t, s.data)
	if left, err := filepath.Glob("/dev/shm/teal-*-secrets-*/*/api-key"); err != nil || slices.ContainsFunc(left, s.owns) {
		t.Errorf("files of secrets are left over: %v, %v", left, err)
	}
}

// overhear has every command say what it knows.
func (s *server) overhear(say func(args ...string) result) {
	s.t.Helper()
	for _, args := range []string{
		"status", "status shop", "status shop --json", "history shop", "history shop --json", "versions shop", "versions shop --json", "alias list shop", "app list",
		"logs shop", "logs shop --json", "doctor", "doctor --json", "audit", "audit --json", "secret list shop", "secret list shop --json",
		"release show shop-1", "release show shop-2", "release show shop-3 --json", "release show shop-4 --json", "release show shop-5 --json", "analyze shop-3",
	} {
		say(strings.Fields(args)...)
	}
	for _, path := range []string{"/v1/apps", "/v1/apps/shop", "/v1/apps/shop/versions", "/v1/apps/shop/versions/1", "/v1/apps/shop/releases", "/v1/apps/shop/secrets", "/v1/apps/shop/logs", "/v1/alerts", "/v1/audit", "/metrics"} {
		if how := betrayed([]byte(s.adminSays(path))); how != "" {
			s.t.Errorf("GET %s answers %s", path, how)
		}
	}
	if how := betrayed([]byte(s.log.String())); how != "" {
		s.t.Errorf("the server's log has %s", how)
	}
}

// adminSays returns what the admin API answers.
func (s *server) adminSays(path string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.addr("admin.addr")+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.addr("admin.token"))
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Errorf("GET %s: %d, %v", path, resp.StatusCode, err)
	}
	return string(text)
}

// wantEnvironments looks at the variables and the command line of every process that this
// user can see.
func (s *server) wantEnvironments() {
	s.t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		s.t.Fatal(err)
	}
	knowing := 0
	for _, dir := range dirs {
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue // somebody else's, or gone
		}
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if how := betrayed(line); how != "" {
			s.t.Errorf("the command line of %s has %s", dir, how)
		}
		how := betrayed(env)
		if how == "" {
			continue
		}
		ours := bytes.Contains(env, []byte("TEAL_APP=shop\x00")) && bytes.Contains(env, []byte("API_KEY="))
		if ours && !bytes.Contains(env, []byte("TEAL_COMPONENT=stranger\x00")) && dir != "/proc/"+strconv.Itoa(s.cmd.Process.Pid) {
			knowing++
			continue
		}
		s.t.Errorf("the environment of %s (%q) has %s", dir, line, how)
	}
	if knowing < 2 {
		s.t.Errorf("%d processes know their secrets", knowing)
	}
}

// owns reports whether a file of a secret is this server's.
func (s *server) owns(file string) bool {
	data, err := os.ReadFile(file)
	return err == nil && string(data) == canaries["api-key"]
}

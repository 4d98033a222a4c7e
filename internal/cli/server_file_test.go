package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"teal/internal/cli"
	"teal/internal/manifest"
)

// serverWith runs teal server and returns what a server would have been made of.
func (w *world) serverWith(args ...string) (got cli.ServeOptions, code int, errs string) {
	w.t.Helper()
	var out, err buffer
	env := w.environment(&out, &err, "")
	env.Serve = func(_ context.Context, o cli.ServeOptions) error { got = o; return nil }
	code = cli.Run(w.t.Context(), append([]string{"server"}, args...), env)
	return got, code, err.String()
}

func TestFlagsWinOverTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := filepath.Join(w.dir, "server.yaml")
	write(t, file, `data: /d
http: ":1"
https: ":2"
admin: 10.0.0.1:3
admin_insecure: true
log_level: warn
max_bundle: 1MiB
override_from: []
trusted_proxies: [10.0.0.0/8, ::1]
underscores_in_headers: true
certificates: [{cert: a, key: b}, {cert: c, key: d}]
tls_dir: [e]
tls: auto
acme_directory: https://ca.example/dir
acme_email: ops@shop.example
acme_ca_roots: /r
https_redirect: true
hsts: 1h
access_log: "-"
access_log_format: combined
access_log_sample: 50%
limits: {head: 5s, streams: 9}
aws_region: eu-west-1
aws_account: "123456789012"
aws_buckets: /b
function_url_domain: fn.example
`)
	byFlags := []string{
		"--data", "/d", "--http", ":1", "--https", ":2", "--admin", "10.0.0.1:3", "--admin-insecure", "--log-level", "warn", "--max-bundle", "1MiB",
		"--override-from", "", "--trusted-proxies", "10.0.0.0/8,::1", "--underscores-in-headers", "--tls-cert", "a", "--tls-key", "b", "--tls-cert", "c", "--tls-key", "d",
		"--tls-dir", "e", "--tls", "auto", "--acme-directory", "https://ca.example/dir", "--acme-email", "ops@shop.example", "--acme-ca-roots", "/r",
		"--https-redirect", "--hsts", "1h", "--access-log", "-", "--access-log-format", "combined", "--access-log-sample", "50%", "--limit", "head=5s", "--limit", "streams=9",
		"--aws-region", "eu-west-1", "--aws-account", "123456789012", "--aws-buckets", "/b", "--function-url-domain", "fn.example",
	}
	want, code, errs := w.serverWith(byFlags...)
	if code != 0 {
		t.Fatal(errs)
	}
	got, code, errs := w.serverWith("--config", file)
	same := cmp.Options{cmpopts.EquateComparable(want.TrustedProxy[0]), cmpopts.IgnoreFields(cli.Limit{}, "Where")}
	if code != 0 || cmp.Diff(want, got, same) != "" {
		t.Errorf("exit %d %s %s", code, errs, cmp.Diff(want, got, same))
	}
	got, code, errs = w.serverWith("--config", file, "--http", ":7", "--tls-cert", "x", "--tls-key", "y", "--trusted-proxies", "::1", "--limit", "head=7s", "--check")
	want.HTTP, want.TrustedProxy, want.CheckOnly = ":7", want.TrustedProxy[1:], true
	want.Edge.Certificates = []cli.Certificate{{Cert: "x", Key: "y"}}
	want.Edge.Limits = append(want.Edge.Limits, cli.Limit{Name: "head", Value: "7s"})
	if code != 0 || cmp.Diff(want, got, same) != "" {
		t.Errorf("exit %d %s %s", code, errs, cmp.Diff(want, got, same))
	}
	if where := got.Edge.Limits[0].Where + got.Edge.Limits[2].Where; where != file+":22:16: limits.head--limit" {
		t.Errorf("limits were said at %q", where)
	}
}

// What is wrong is told where it was given.
func TestAnErrorNamesItsPlaceInTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := filepath.Join(w.dir, "server.yaml")
	for text, want := range map[string]string{
		"http: nope": ":1:7: http: \"nope\" is not an address",
		"\nadmin_tls: true\nadmin_insecure: true": ":3:17: admin_insecure: it asks for plain HTTP",
		"admin_host: teal.example.com":            ":1:13: admin_host: its certificate is from an authority",
		"admin_host: \"a b\"":                     ":1:13: admin_host: \"a b\" is not a name",
		"trusted_proxies: [1]":                    ":1:1: trusted_proxies: \"1\" is not a network",
		"https: \":1\"":                           ":1:8: https requires --tls-cert/--tls-key, --tls-dir or --tls auto",
		"log_level: loud":                         ":1:12: log_level: \"loud\" is not a level",
		"max_bundle: 5":                           ":1:13: max_bundle: ",
		"access_log_sample: 2":                    ":1:20: access_log_sample: \"2\" is not a share",
		"aws_region: x":                           ":1:13: aws_region: \"x\" is not a region",
		"tls: manual":                             ":1:6: tls: \"manual\" is not known",
		"hsts: 1h":                                ":1:7: hsts: it is about HTTPS",
		"acme_email: a@b.c":                       ":1:13: acme_email: it is about certificates",
		"htp: x":                                  ":1:1: htp: the key is not known; did you mean \"http\"?",
		"certificates: [{cert: a, key: b}]":       "--https requires ",
	} {
		write(t, file, text+"\n")
		if _, code, errs := w.serverWith("--config", file, "--check"); code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%q: exit %d %s; want %q", text, code, errs, want)
		}
	}
	write(t, file, "http: nope\n")
	if _, code, errs := w.serverWith("--config", file, "--http", "nix"); code != 2 || !strings.Contains(errs, "teal: --http: \"nix\"") {
		t.Errorf("exit %d %s", code, errs)
	}
}

// Where this user has no server, the machine's is meant.
func TestTheServiceOfTheMachineIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var out, errs buffer
	env := w.environment(&out, &errs, "")
	env.ServiceData = w.env["TEAL_DATA"]
	home := t.TempDir()
	env.Getenv = func(name string) string {
		if name == "HOME" {
			return home
		}
		return ""
	}
	if code := cli.Run(t.Context(), []string{"status"}, env); code != 0 {
		t.Errorf("exit %d %s", code, errs.String())
	}
	write(t, filepath.Join(home, ".local/share/teal/admin.token"), "another\n")
	if code := cli.Run(t.Context(), []string{"status"}, env); code == 0 {
		t.Error("the user's own server was passed over")
	}
}

// What a flag says can stand in the file, but for what is about the file itself.
func TestEveryFlagHasAKey(t *testing.T) {
	t.Parallel()
	root := cli.Commands()
	server, _, err := root.Find([]string{"server"})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := map[string]string{"config": "", "check": "", "help": "", "tls-cert": "certificates", "tls-key": "certificates", "limit": "limits"}
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "server.yaml")
	server.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		key, named := elsewhere[flag.Name]
		if !named {
			key = strings.ReplaceAll(flag.Name, "-", "_")
		}
		if key == "" {
			return
		}
		write(t, file, key+": {}\n")
		if _, err := manifest.LoadServer(file); err != nil && strings.Contains(err.Error(), "is not known") {
			t.Errorf("--%s has no key: add %s to serverFile in internal/manifest/server.go: %v", flag.Name, key, err)
		}
		if !strings.Contains(string(operations), "`"+key+"`") {
			t.Errorf("docs/operations.md does not know the key %s", key)
		}
	})
}

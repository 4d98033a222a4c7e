package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

func TestSettingsOfAServer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "teal-server.conf")
	text := `# what a server is told
http: ":80"
admin_insecure: true
trusted_proxies: [10.0.0.0/8, ::1]
certificates:
  - {cert: a.crt, key: a.key}
  - {cert: b.crt, key: b.key}
limits:
  streams: 9
  body-stall: 60s
aws_account: 000000000001
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadServer(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []ServerSetting{
		{"http", []string{":80"}, file + ":2:7: http"},
		{"admin-insecure", []string{"true"}, file + ":3:17: admin_insecure"},
		{"trusted-proxies", []string{"10.0.0.0/8", "::1"}, file + ":4:1: trusted_proxies"},
		{"tls-cert", []string{"a.crt", "b.crt"}, file + ":5:1: certificates"},
		{"tls-key", []string{"a.key", "b.key"}, file + ":5:1: certificates"},
		{"limit", []string{"body-stall=60s"}, file + ":10:15: limits.body-stall"},
		{"limit", []string{"streams=9"}, file + ":9:12: limits.streams"},
		{"aws-account", []string{"000000000001"}, file + ":11:14: aws_account"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSettingsThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                   nil,
		"# nothing\n\n  # set\n":             nil,
		"\xef\xbb\xbf# byte order\n":         nil,
		"http: [1]\nadmn: x\n":               {"f:1:1: http: is a list", "f:2:1: admn: the key is not known; did you mean \"admin\"?"},
		"tls_dir: x\n":                       {"f:1:10: tls_dir: is text; expected a list"},
		"admin_insecure: maybe\n":            {"f:1:17: admin_insecure: is text; expected true or false"},
		"certificates: [{cert: a}]\n":        {"f:1:16: certificates.0.key: is missing"},
		"limits: [a]\n":                      {"f:1:1: limits: is a list; expected a mapping"},
		"http:\n":                            {"f:1:1: http: has no value"},
		"http: a\nhttp: b\n":                 {"f:2:1: http: the key is given twice, first on line 1"},
		"- a\n":                              {"f:1:1: is a list; expected a mapping"},
		"http: \"\n":                         {"f:1:7: "},
		"http: a\n---\nhttp: b\n":            {"a second document begins here"},
		"http: \xff\n":                       {"is not UTF-8"},
		strings.Repeat(" ", 1<<20) + " a: b": {"larger than 1 MiB"},
	} {
		_, err := parseServer("f", []byte(text))
		if want == nil && err == nil {
			continue
		}
		if !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%.40q: %v", text, err)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%.40q: %v; want %q", text, err, part)
			}
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := LoadServer(path); !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

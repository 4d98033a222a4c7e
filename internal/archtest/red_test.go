package archtest

import (
	"strings"
	"testing"
	"testing/fstest"
)

// A small module that keeps every rule.
func cleanTree() fstest.MapFS {
	tree := fstest.MapFS{}
	for name, source := range map[string]string{
		"doc.go":                             "// Package teal is.\npackage teal\nimport \"time\"\nvar _ time.Time",
		"app_test.go":                        "package teal\nimport _ \"net/http\"",
		"internal/gateway/doc.go":            "// Package gateway is.\npackage gateway\nimport _ \"teal\"",
		"internal/gateway/nethttp/doc.go":    "// Package nethttp is.\npackage nethttp\nimport _ \"net/http\"\nimport _ \"golang.org/x/sync/errgroup\"\nimport _ \"teal/internal/gateway/exchange\"",
		"internal/gateway/exchange/doc.go":   "// Package exchange is.\npackage exchange\nimport _ \"teal/internal/gateway\"",
		"internal/gateway/payload/doc.go":    "// Package payload is.\npackage payload\nimport _ \"teal/internal/gateway\"",
		"internal/process/doc.go":            "// Package process is.\npackage process",
		"internal/function/doc.go":           "// Package function is.\npackage function\nimport _ \"teal/internal/process\"",
		"internal/store/doc.go":              "// Package store is.\npackage store",
		"internal/store/natskv/doc.go":       "// Package natskv is.\npackage natskv\nimport _ \"github.com/nats-io/nats.go\"",
		"internal/function/testdata/x/x.go":  "package util\nimport _ \"teal/internal/gateway\"",
		"internal/daemon/doc.go":             "// Package daemon is.\npackage daemon\nimport \"teal\"\nvar _, _ = teal.Errorf, teal.CodePortTaken",
		"internal/process/command.go":        "package process\nimport \"os/exec\"\nvar command = exec.CommandContext",
		"internal/store/natskv/exec_test.go": "package natskv\nimport \"os/exec\"\nvar command = exec.Command", // it runs no Runner
		"test/e2e/e2e_test.go":               "package e2e\nimport \"os/exec\"\nvar command = exec.Command",
		"internal/daemon/big_test.go":        "package daemon\n" + strings.Repeat("\n", 20),
		"cmd/teal/main.go":                   "// Command teal is.\npackage main\nimport _ \"teal/internal/daemon\"",
	} {
		tree[name] = &fstest.MapFile{Data: []byte(source)}
	}
	return tree
}

var smallRules = rules{
	only: map[string][]string{
		"internal/gateway":  {"internal/http1"},
		"internal/function": {"internal/process"},
		"internal/process":  {},
		"internal/store":    {"internal/daemon"},
		"internal/http1":    {},
	},
	free: []string{"internal/daemon"},
	layers: map[string][]string{
		"internal/gateway":          {},
		"internal/gateway/exchange": {"internal/gateway"},
		"internal/gateway/nethttp":  {"internal/gateway/exchange"},
		"internal/gateway/payload":  {"internal/gateway", "internal/process"},
	},
	pure:     []string{"internal/gateway", "internal/gateway/exchange"},
	carriers: []string{"internal/gateway/nethttp"},
	written:  map[string][]string{"internal/gateway/exchange": {"teal-version"}},
	vendors: map[string][]string{
		"github.com/nats-io/": {"internal/store/natskv"},
		"golang.org/x/sync/":  {everyone},
	},
	bounds: map[string]bound{"internal/daemon": {lines: 10, domain: []string{"Errorf", "Code*"}, users: []string{"cmd/teal"}}},
	later:  []string{"internal/http1"},
}

// Each rule is seen to find what breaks it: this is the proof that
// TestImportsFollowTheDesign can fail.
func TestEveryRuleFindsWhatBreaksIt(t *testing.T) {
	t.Parallel()
	if broken := smallRules.broken(load(t, cleanTree())); len(broken) != 0 {
		t.Fatalf("the clean module breaks rules: %v", broken)
	}
	cases := map[string]struct{ file, source, finds string }{
		"root uses a part":       {"x.go", "package teal\nimport _ \"teal/internal/process\"", "x.go imports teal/internal/process; the root package uses"},
		"root uses a vendor":     {"x.go", "package teal\nimport _ \"golang.org/x/sync/errgroup\"", "the root package uses"},
		"root uses os":           {"x.go", "package teal\nimport _ \"os\"", "x.go imports os; the root package does no I/O"},
		"root uses os/exec":      {"x.go", "package teal\nimport _ \"os/exec\"", "imports os/exec"},
		"root uses net/http":     {"x.go", "package teal\nimport _ \"net/http\"", "imports net/http; the root package does no I/O"},
		"root reads the clock":   {"x.go", "package teal\nimport \"time\"\nvar now = time.Now", "reads the clock"},
		"a client that follows":  {"internal/process/x.go", "package process\nimport \"net/http\"\nvar c = &http.Client{Timeout: 1}", "follows redirects"},
		"http.Get":               {"internal/process/x.go", "package process\nimport \"net/http\"\nvar get = http.Get", "follows redirects"},
		"exec beside Runners":    {"internal/function/x.go", "package function\nimport \"os/exec\"\nvar c = exec.Command", "internal/function/x.go:3:9 executes a program"},
		"a fork of one's own":    {"internal/store/x.go", "package store\nimport \"syscall\"\nvar c = syscall.ForkExec", "executes a program"},
		"exec in a test beside":  {"internal/function/x_test.go", "package function_test\nimport \"os/exec\"\nvar c = exec.Cmd{}", "internal/function/x_test.go:3:9 executes a program"},
		"root spawns":            {"x.go", "package teal\nfunc f() { go f() }", "starts a goroutine"},
		"sideways":               {"internal/process/x.go", "package process\nimport _ \"teal/internal/gateway\"", "internal/process/x.go imports teal/internal/gateway; internal/process may import the root"},
		"sideways from below":    {"internal/gateway/payload/x.go", "package payload\nimport _ \"teal/internal/process\"", "internal/gateway may import the root, internal/http1"},
		"sideways into below":    {"internal/process/x.go", "package process\nimport _ \"teal/internal/gateway/payload\"", "imports teal/internal/gateway/payload"},
		"sideways on one system": {"internal/process/x_darwin.go", "//go:build darwin\n\npackage process\nimport _ \"teal/internal/gateway\"", "x_darwin.go imports"},
		"vendor elsewhere":       {"internal/process/x.go", "package process\nimport _ \"github.com/nats-io/nats.go\"", "only internal/store/natskv may"},
		"vendor beside":          {"internal/store/x.go", "// Package store is.\npackage store\nimport _ \"github.com/nats-io/nats.go/jetstream\"", "only internal/store/natskv may"},
		"unknown vendor":         {"internal/process/x.go", "package process\nimport _ \"example.com/x\"", "which no rule knows"},
		"package util":           {"internal/store/tools/x.go", "// Package util is.\npackage util", "says nothing"},
		"folder helpers":         {"internal/store/helpers/x.go", "// Package tools is.\npackage tools", "says nothing"},
		"no doc":                 {"internal/store/new/x.go", "package new", `package new in "internal/store/new" has no doc comment`},
		"doc of another name":    {"internal/store/new/x.go", "// Package old is.\npackage new", "has no doc comment"},
		"a package too large":    {"internal/daemon/x.go", "package daemon\n" + strings.Repeat("\n", 10), "internal/daemon has 14 lines without its tests; it may have 10"},
		"the root composed":      {"internal/store/x.go", "// Package store is.\npackage store\nimport _ \"teal/internal/daemon\"", "only cmd/teal may"},
		"a rule of the domain":   {"internal/daemon/x.go", "package daemon\nimport \"teal\"\nfunc f(a teal.Alias) bool { return a.Live }", "internal/daemon/x.go:3:10 names teal.Alias"},
		"net/http in gateway":    {"internal/gateway/payload/x.go", "package payload\nimport _ \"net/http/httputil\"", "only internal/gateway/nethttp may"},
		"net in what decides":    {"internal/gateway/exchange/x.go", "package exchange\nimport _ \"net\"", "does no I/O"},
		"upwards":                {"internal/gateway/x.go", "package gateway\nimport _ \"teal/internal/gateway/exchange\"", "above or beside"},
		"beside":                 {"internal/gateway/exchange/x.go", "package exchange\nimport _ \"teal/internal/gateway/payload\"", "above or beside"},
		"a rule written twice":   {"internal/gateway/nethttp/x.go", "package nethttp\nconst h = \"Teal-Version: \"", "decided in internal/gateway/exchange"},
		"a part without a rule":  {"internal/new/below/x.go", "// Package below is.\npackage below", "no line says what internal/new may import"},
		"a layer without a rule": {"internal/gateway/new/x.go", "// Package new is.\npackage new", "in which layer of the gateway internal/gateway/new is"},
		"later has come":         {"internal/http1/x.go", "// Package http1 is.\npackage http1", "take it off the list"},
	}
	for name, c := range cases {
		tree := cleanTree()
		tree[c.file] = &fstest.MapFile{Data: []byte(c.source)}
		broken := smallRules.broken(load(t, tree))
		if len(broken) != 1 || !strings.Contains(broken[0], c.finds) {
			t.Errorf("%s: want one finding with %q, got %q", name, c.finds, broken)
		}
	}
	for gone, finds := range map[string]string{
		"internal/process":      "a rule names internal/process, which does not exist",
		"internal/store/natskv": "a rule names internal/store/natskv, which does not exist",
		"internal/daemon":       "a rule names internal/daemon, which does not exist",
	} {
		tree := cleanTree()
		delete(tree, gone+"/doc.go")
		delete(tree, gone+"/command.go")
		tree["internal/function/doc.go"] = &fstest.MapFile{Data: []byte("// Package function is.\npackage function")}
		broken := smallRules.broken(load(t, tree))
		if len(broken) != 1 || broken[0] != finds {
			t.Errorf("without %s: %q", gone, broken)
		}
	}
}

package function

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teal"
)

func TestProcessorsFollowTheMemory(t *testing.T) {
	for _, c := range []struct {
		memory teal.Bytes
		cpus   int
		want   int
	}{
		{128 * teal.MiB, 8, 1},
		{1769 * teal.MiB, 8, 1},
		{1770 * teal.MiB, 8, 2},
		{10 * teal.GiB, 8, 6},
		{10 * teal.GiB, 2, 2},
	} {
		if got := processors(c.memory, c.cpus); got != c.want {
			t.Errorf("%s on %d CPUs: %d, want %d", c.memory, c.cpus, got, c.want)
		}
	}
}

func TestGoFunctionsGetTheirProcessorsUnlessTheySayHowMany(t *testing.T) {
	cfg := Config{Function: teal.Function{Runtime: "provided.al2023", Memory: 128 * teal.MiB}}
	if env := cfg.environ(instanceEnv{}, "", ""); !slices.Contains(env, "GOMAXPROCS=1") {
		t.Errorf("GOMAXPROCS=1 is not in %q", env)
	}
	cfg.Function.Env = map[string]string{"GOMAXPROCS": "7"}
	if env := cfg.environ(instanceEnv{}, "", ""); !slices.Contains(env, "GOMAXPROCS=7") {
		t.Errorf("GOMAXPROCS=7 is not in %q", env)
	}
}

// Layers are found where AWS's runtimes look for them in /opt, and a function
// without layers has none of it.
func TestLayersAreInTheSearchPaths(t *testing.T) {
	for _, c := range []struct{ runtime, version, name, want string }{
		{"python3.12", "3.11.4", "PYTHONPATH", "W/runtime:L/python/lib/python3.12/site-packages:L/python/lib/python3.11/site-packages:L/python"},
		{"python3", "3.11.4", "PYTHONPATH", "W/runtime:L/python/lib/python3.11/site-packages:L/python"},
		{"nodejs22.x", "22.1.0", "NODE_PATH", "L/nodejs/node22/node_modules:L/nodejs/node_modules:W/runtime/node_modules:W/runtime:D"},
		{"nodejs20.x", "22.1.0", "NODE_PATH", "L/nodejs/node20/node_modules:L/nodejs/node22/node_modules:L/nodejs/node_modules:W/runtime/node_modules:W/runtime:D"},
		{"provided.al2023", "", "LD_LIBRARY_PATH", "D:D/lib:L/lib"},
		{"provided.al2023", "", "PATH", "/bin:L/bin"},
		{"provided.al2023", "", "LAMBDA_LAYERS", "L"},
	} {
		cfg := Config{Dir: "D", WorkDir: "W", Layers: "L", Function: teal.Function{Runtime: c.runtime}}
		if env := cfg.environ(instanceEnv{}, "/bin", c.version); !slices.Contains(env, c.name+"="+c.want) {
			t.Errorf("%s on %s: %s=%s is not in %q", c.runtime, c.version, c.name, c.want, env)
		}
		cfg.Layers = ""
		if env := strings.Join(cfg.environ(instanceEnv{}, "/bin", c.version), " "); strings.Contains(env, "L/") || strings.Contains(env, "LAMBDA_LAYERS") || strings.Contains(env, "LD_LIBRARY_PATH") {
			t.Errorf("%s without layers: %s", c.runtime, env)
		}
	}
}

// The code's own bootstrap comes before that of a layer.
func TestBootstrapOfALayer(t *testing.T) {
	code, layers := t.TempDir(), t.TempDir()
	if _, err := findBootstrap(code, layers); !teal.IsCode(err, teal.CodeFunctionFailed) {
		t.Errorf("nowhere: %v", err)
	}
	for _, dir := range []string{layers, code} {
		if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if found, err := findBootstrap(code, layers); err != nil || filepath.Dir(found.path) != dir {
			t.Errorf("found %s %v, want the one in %s", found.path, err, dir)
		}
	}
}

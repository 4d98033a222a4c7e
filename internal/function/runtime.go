package function

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"teal"
	"teal/internal/function/bootstrap"
	"teal/internal/process"
	"teal/internal/removal"
)

// lookupTimeout bounds asking one interpreter who it is.
const lookupTimeout = 15 * time.Second

// program is what an instance executes.
type program struct {
	path string
	args []string
	note string // what runs the runtime, for the log
	// version is the interpreter's own, such as 3.11.4; "" without one.
	version string
}

// runtimeDir holds the loaders.
func (cfg *Config) runtimeDir() string { return filepath.Join(cfg.WorkDir, "runtime") }

// prepare writes what instances share, and removes what the instances of a
// server that was killed have left.
func (cfg *Config) prepare() error {
	left, err := filepath.Glob(filepath.Join(cfg.WorkDir, "instance-*"))
	if err != nil {
		return fmt.Errorf("look for old instances: %w", err)
	}
	for _, dir := range left {
		if err := removal.Tree(dir); err != nil {
			return fmt.Errorf("remove an old instance's directory: %w", err)
		}
	}
	if err := os.MkdirAll(cfg.runtimeDir(), 0o700); err != nil {
		return fmt.Errorf("make the function's working directory: %w", err)
	}
	for name, source := range map[string][]byte{bootstrap.PythonFile: bootstrap.Python, bootstrap.NodeFile: bootstrap.Node} {
		if err := os.WriteFile(filepath.Join(cfg.runtimeDir(), name), source, 0o600); err != nil {
			return fmt.Errorf("write a loader: %w", err)
		}
	}
	return nil
}

// findProgram returns what runs the function on this machine. An error is for
// people: it says what is missing.
func findProgram(ctx context.Context, cfg *Config) (program, error) {
	loader := func(name string) string { return filepath.Join(cfg.runtimeDir(), name) }
	switch family := teal.RuntimeFamily(cfg.Function.Runtime); family {
	case "python3":
		found, err := cfg.Interpreters.find(ctx, cfg.Function.Runtime, pythonVersionArgs)
		found.args = []string{loader(bootstrap.PythonFile)}
		return found, err
	case "nodejs":
		found, err := cfg.Interpreters.find(ctx, cfg.Function.Runtime, nodeVersionArgs)
		// V8 sizes its heap by the machine and not by the function's limit; told
		// the limit, it collects instead of being killed.
		heap := max(16, megabytes(cfg.Function.Memory)*9/10)
		found.args = []string{fmt.Sprintf("--max-old-space-size=%d", heap), loader(bootstrap.NodeFile)}
		return found, err
	default:
		return findBootstrap(cfg.Dir, cfg.Layers)
	}
}

// findBootstrap returns the executable of a provided runtime: that of the code,
// or else that of the layers, where there are any.
func findBootstrap(dir, layers string) (program, error) {
	path := filepath.Join(dir, "bootstrap")
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) && layers != "" {
		path = filepath.Join(layers, "bootstrap")
		info, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return program{}, teal.Errorf(teal.CodeFunctionFailed, "neither the code nor a layer holds a file called bootstrap; a provided runtime starts that file, so put the program there under that name")
	case err != nil:
		return program{}, teal.Errorf(teal.CodeFunctionFailed, "the file bootstrap cannot be looked at: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return program{}, teal.Errorf(teal.CodeFunctionFailed, "the file bootstrap is not executable; run chmod +x bootstrap before deploying")
	}
	return program{path: path, note: "bootstrap"}, nil
}

// interpreterQuery is how an interpreter is asked for its own path and version.
type interpreterQuery []string

var (
	pythonVersionArgs = interpreterQuery{"-c", "import sys; print(sys.executable); print('.'.join(map(str, sys.version_info[:3])))"}
	nodeVersionArgs   = interpreterQuery{"-p", "process.execPath + '\\n' + process.versions.node"}
)

// interpreters returns the names under which a runtime's interpreter may be
// found, the best one first.
func interpreters(runtime string) []string {
	if version, ok := strings.CutPrefix(runtime, "nodejs"); ok {
		if major, _, versioned := strings.Cut(version, "."); versioned {
			return []string{"node" + major, "node"}
		}
		return []string{"node"}
	}
	if runtime != "python3" {
		return []string{runtime, "python3"}
	}
	return []string{"python3"}
}

// Interpreters remembers which interpreter serves which runtime, so that it is
// looked for once and not by every pool: to ask one means to start it. One may
// serve many pools. The zero value is ready to use.
type Interpreters struct {
	mu    sync.Mutex // held while one is looked for: others would find the same
	found map[string]program
}

// Notice returns a sentence when a runtime is served by another version of its
// interpreter than it names; "" when it is not, or nothing here serves it, which
// the start of an instance says.
func (i *Interpreters) Notice(ctx context.Context, runtime string) string {
	family, ask := teal.RuntimeFamily(runtime), pythonVersionArgs
	named := strings.TrimPrefix(runtime, "python")
	switch family {
	case "nodejs":
		named, ask = strings.TrimSuffix(strings.TrimPrefix(runtime, family), ".x"), nodeVersionArgs
	case "python3":
	default:
		return ""
	}
	found, err := i.find(ctx, runtime, ask)
	if err != nil || named == "" || strings.HasPrefix(found.version+".", named+".") {
		return ""
	}
	return fmt.Sprintf("the runtime %s runs on %s here; install %s to have the version that it names", runtime, found.note, interpreters(runtime)[0])
}

func (i *Interpreters) find(ctx context.Context, runtime string, ask interpreterQuery) (program, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.found[runtime]; ok {
		if _, err := os.Stat(known.path); err == nil {
			return known, nil
		}
	}
	p, err := findInterpreter(ctx, runtime, ask)
	if err != nil {
		return p, err
	}
	if i.found == nil {
		i.found = map[string]program{}
	}
	i.found[runtime] = p
	return p, nil
}

// findInterpreter asks the interpreters of a runtime one by one. A name in PATH
// is not enough: version managers put programs there that only say that they
// cannot run. The path that the interpreter gives of itself is what is started,
// so that a version manager's wrapper costs nothing per instance.
func findInterpreter(ctx context.Context, runtime string, ask interpreterQuery) (program, error) {
	var missing []string
	for _, name := range interpreters(runtime) {
		path, version, err := ask.put(ctx, name)
		if err != nil {
			missing = append(missing, err.Error())
			continue
		}
		note := fmt.Sprintf("%s %s", path, version)
		if len(missing) > 0 {
			note += " (" + strings.Join(missing, "; ") + ")"
		}
		return program{path: path, note: note, version: version}, nil
	}
	return program{}, teal.Errorf(teal.CodeFunctionFailed, "the runtime %s needs an interpreter that this machine does not have: %s; install it, or put it into the server's PATH", runtime, strings.Join(missing, "; "))
}

// put asks the interpreter called name.
func (ask interpreterQuery) put(ctx context.Context, name string) (path, version string, err error) {
	found, err := exec.LookPath(name)
	if err != nil {
		return "", "", fmt.Errorf("%s is not in PATH", name)
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	cmd := process.Command(ctx, found, ask...)
	cmd.Env = []string{"PATH=" + serverPath(), "HOME=" + os.Getenv("HOME")}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("%s does not run: %w", found, err)
	}
	path, version, ok := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !ok || !filepath.IsAbs(path) {
		return "", "", fmt.Errorf("%s did not say who it is", found)
	}
	return path, version, nil
}

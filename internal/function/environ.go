package function

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"teal"
)

// What a function sees of the place that it runs in, unless its Config says
// otherwise.
const (
	DefaultRegion  = "us-east-1"
	DefaultAccount = "000000000000"
)

// defaultPath is the PATH of a function when the server has none.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// LambdaName returns the name by which AWS's interfaces know a component: a
// function F is an app F with the one component F; other components are called
// APP-COMPONENT.
func LambdaName(app, component string) string {
	if app == component {
		return app
	}
	return app + "-" + component
}

// arn returns the Amazon resource name by which an invocation called the
// function: that of an alias, of a version, or of the function itself for its
// draft.
func (p *Pool) arn(alias string) string {
	name := "arn:aws:lambda:" + p.cfg.Region + ":" + p.cfg.Account + ":function:" + p.name
	switch {
	case alias != "":
		return name + ":" + alias
	case p.cfg.Version == teal.Draft:
		return name
	}
	return name + ":" + p.version
}

// megabytes returns a memory size as Lambda counts it, rounded up.
func megabytes(b teal.Bytes) int64 { return int64((b + teal.MiB - 1) / teal.MiB) }

// memoryPerCPU is the memory size at which AWS gives a function one whole CPU.
const memoryPerCPU = 1769 * teal.MiB

// processors returns how many CPUs a function of a memory size has at AWS,
// rounded up, and at most those that there are.
func processors(memory teal.Bytes, cpus int) int {
	return min(int((memory+memoryPerCPU-1)/memoryPerCPU), cpus)
}

// serverPath returns the PATH that functions and interpreters are looked up
// in. It is the only thing that a function gets of the server's environment.
func serverPath() string {
	if path := os.Getenv("PATH"); path != "" {
		return path
	}
	return defaultPath
}

// instanceEnv is where one instance lives.
type instanceEnv struct {
	api     string // host:port of its Runtime API
	stream  string // the log stream, AWS's name for the instance
	scratch string // its own writable directory
}

// environ returns the whole environment of an instance as NAME=value, sorted.
// What comes later wins: defaults, the user's variables, Teal's own, and then
// what Lambda reserves. version is the interpreter's.
func (cfg *Config) environ(at instanceEnv, path, version string) []string {
	runtimeDir := cfg.runtimeDir()
	env := map[string]string{
		"PATH": path, "LANG": "en_US.UTF-8", "TZ": ":UTC",
		"HOME": at.scratch, "TMPDIR": at.scratch,
		"AWS_REGION": cfg.Region, "AWS_DEFAULT_REGION": cfg.Region,
	}
	name := LambdaName(cfg.App, cfg.Name)
	fixed := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          at.api,
		"AWS_LAMBDA_FUNCTION_NAME":        name,
		"AWS_LAMBDA_FUNCTION_VERSION":     cfg.Version.String(),
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.FormatInt(megabytes(cfg.Function.Memory), 10),
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      at.stream,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"LAMBDA_TASK_ROOT":                cfg.Dir,
		"LAMBDA_RUNTIME_DIR":              runtimeDir,
		"_HANDLER":                        cfg.Function.Handler,
	}
	switch teal.RuntimeFamily(cfg.Function.Runtime) {
	case "python3":
		env["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + cfg.Function.Runtime
		env["PYTHONPATH"] = runtimeDir
		// The code is shared and read-only. PYTHONPYCACHEPREFIX would be the
		// other way, but it hides what is compiled of Python's own library:
		// half a second for the first start of every version.
		env["PYTHONDONTWRITEBYTECODE"] = "1"
	case "nodejs":
		env["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + cfg.Function.Runtime
		env["NODE_PATH"] = fmt.Sprintf("%s/node_modules:%s:%s", runtimeDir, runtimeDir, cfg.Dir)
	case "provided":
		// AWS's Go library hands every event from goroutine to goroutine. On
		// several threads, of which each must be woken, that costs a short
		// invocation half as much CPU time again.
		env["GOMAXPROCS"] = strconv.Itoa(processors(cfg.Function.Memory, runtime.NumCPU()))
	}
	if cfg.Layers != "" {
		cfg.addLayers(env, version)
		fixed["LAMBDA_LAYERS"] = cfg.Layers
	}
	for _, more := range []map[string]string{cfg.Function.Env, cfg.Env, fixed} {
		maps.Copy(env, more)
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// addLayers puts what stands for AWS's /opt into the search paths, where AWS has
// it in them. A variable that the user sets replaces such a path altogether, as
// it does there.
func (cfg *Config) addLayers(env map[string]string, version string) {
	at := func(parts ...string) string { return filepath.Join(append([]string{cfg.Layers}, parts...)...) }
	env["PATH"] += ":" + at("bin")
	env["LD_LIBRARY_PATH"] = cfg.Dir + ":" + filepath.Join(cfg.Dir, "lib") + ":" + at("lib")
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	switch teal.RuntimeFamily(cfg.Function.Runtime) {
	case "python3":
		// A layer is packed for the runtime that people name; the interpreter
		// that serves it here may be another one.
		var names []string
		for _, name := range []string{cfg.Function.Runtime, "python" + major + "." + minor} {
			if name != "python3" && !slices.Contains(names, name) {
				names = append(names, name)
				env["PYTHONPATH"] += ":" + at("python", "lib", name, "site-packages")
			}
		}
		env["PYTHONPATH"] += ":" + at("python")
	case "nodejs":
		named, _, _ := strings.Cut(strings.TrimPrefix(cfg.Function.Runtime, "nodejs"), ".")
		paths := ""
		for _, major := range slices.Compact([]string{cmp.Or(named, major), major}) {
			paths += at("nodejs", "node"+major, "node_modules") + ":"
		}
		env["NODE_PATH"] = paths + at("nodejs", "node_modules") + ":" + env["NODE_PATH"]
	}
}

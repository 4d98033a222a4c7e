package scaffold

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// procfile takes the web process of a Procfile.
func procfile(dir fs.FS) *component {
	for line := range strings.Lines(text(dir, "Procfile")) {
		kind, command, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(kind) != "web" {
			continue
		}
		return service("found a Procfile: its web process", argv(strings.TrimSpace(command)), healthPath(dir, sources(dir, ".py", ".js", ".mjs", ".rb", ".go")))
	}
	return nil
}

// argv splits a command that needs no shell; another one gets a shell that the
// program takes the place of, so that signals reach it.
func argv(command string) []string {
	if strings.ContainsAny(command, "\"'`\\|&;<>()*?[]~#{}!\n") {
		return []string{"sh", "-c", "exec " + command}
	}
	words := strings.Fields(command)
	for _, word := range words {
		if strings.Contains(strings.NewReplacer("$PORT", "", "$HOST", "").Replace(word), "$") || strings.Contains(words[0], "=") {
			return []string{"sh", "-c", "exec " + command}
		}
	}
	return words
}

func bootstrap(dir fs.FS) *component {
	info, err := fs.Stat(dir, "bootstrap")
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return nil
	}
	return function("found an executable named bootstrap: a function of the runtime provided", "provided", "")
}

var nodeHandler = regexp.MustCompile(`(?m)^\s*(?:module\.)?exports\.(handler)\s*=|^\s*export\s+(?:const|let|var|async\s+function|function)\s+(handler)\b`)

// node takes what package.json starts, or a handler.
func node(dir fs.FS) *component {
	files := sources(dir, ".js", ".mjs", ".cjs")
	pkg, found, ok := readPackage(dir)
	if !ok {
		return nil
	}
	if start := pkg.Scripts["start"]; start != "" {
		command := argv(start)
		switch {
		case pkg.Needs["next"] != "" && strings.HasPrefix(start, "next start"):
			command = []string{"node_modules/.bin/next", "start", "--hostname", "$HOST", "--port", "$PORT"}
		case command[0] != "node":
			command = []string{"npm", "start"}
		}
		c := service("found package.json: a Node.js service", command, healthPath(dir, files))
		c.todo = installed(dir, "node_modules", len(pkg.Needs) > 0, "npm ci --omit=dev")
		return c
	}
	for _, file := range files {
		if nodeHandler.MatchString(text(dir, file)) {
			stem := strings.TrimSuffix(file, path.Ext(file))
			return function("found a handler in "+file+": a Node.js function", "nodejs", stem+".handler")
		}
	}
	if main := pkg.Main; main != "" && exists(dir, path.Clean(main)) {
		files = []string{path.Clean(main)}
	}
	if found && len(files) > 0 {
		c := service("found package.json: a Node.js service", []string{"node", files[0]}, healthPath(dir, files))
		c.todo = installed(dir, "node_modules", len(pkg.Needs) > 0, "npm ci --omit=dev")
		return c
	}
	return nil
}

// installed says what to run when dependencies are needed and not in the folder.
func installed(dir fs.FS, folder string, needed bool, command string) string {
	if info, err := fs.Stat(dir, folder); !needed || err == nil && info.IsDir() {
		return ""
	}
	return "the dependencies are not in the folder yet, and a version is what the folder holds: run `" + command + "` first"
}

var (
	pythonHandler = regexp.MustCompile(`(?m)^(?:async\s+)?def\s+(lambda_handler|handler)\s*\(\s*event\b`)
	pythonApp     = regexp.MustCompile(`(?m)^(\w+)\s*(?::[^=\n]+)?=\s*(FastAPI|Starlette|Flask|Quart|Litestar)\(`)
)

// python takes a handler, or the application object of a known framework.
func python(dir fs.FS) *component {
	files := sources(dir, ".py")
	needs := strings.ToLower(text(dir, "requirements.txt") + text(dir, "pyproject.toml"))
	if exists(dir, "manage.py") {
		return django(dir, needs)
	}
	for _, file := range files {
		source, module := text(dir, file), strings.TrimSuffix(file, ".py")
		if m := pythonHandler.FindStringSubmatch(source); m != nil {
			return function("found a handler in "+file+": a Python function", "python3", module+"."+m[1])
		}
		m := pythonApp.FindStringSubmatch(source)
		if m == nil {
			continue
		}
		object := module + ":" + m[1]
		command := []string{"python3", "-m", "flask", "--app", object, "run", "--host", "$HOST", "--port", "$PORT"}
		switch asgi := m[2] != "Flask"; {
		case asgi:
			command = []string{"python3", "-m", "uvicorn", object, "--host", "$HOST", "--port", "$PORT"}
		case strings.Contains(needs, "gunicorn"):
			command = []string{"python3", "-m", "gunicorn", object, "--bind", "$HOST:$PORT"}
		}
		c := service("found "+m[2]+" in "+file+": a Python service", command, healthPath(dir, files))
		c.todo = pythonTodo
		return c
	}
	return nil
}

const pythonTodo = "its packages must be where the server's python3 finds them: `pip install -r requirements.txt --target .` puts them into the version"

func django(dir fs.FS, needs string) *component {
	found, err := fs.Glob(dir, "*/wsgi.py")
	if err != nil || len(found) == 0 {
		return nil
	}
	slices.Sort(found)
	object := path.Dir(found[0]) + ".wsgi:application"
	command := []string{"python3", "-m", "gunicorn", object, "--bind", "$HOST:$PORT"}
	c := service("found manage.py: a Django service", command, "/")
	c.todo = pythonTodo
	if !strings.Contains(needs, "gunicorn") {
		c.todo = "it is started with gunicorn, which your requirements do not name yet; " + pythonTodo
	}
	return c
}

// golang takes a main package at the top of a module.
func golang(dir fs.FS) *component {
	var module string
	for line := range strings.Lines(text(dir, "go.mod")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			module = strings.Trim(strings.TrimSpace(name), `"`)
		}
	}
	files := sources(dir, ".go")
	isMain := slices.ContainsFunc(files, func(file string) bool {
		return strings.Contains("\n"+text(dir, file), "\npackage main")
	})
	if module == "" || !isMain {
		return nil
	}
	if slices.ContainsFunc(files, func(file string) bool { return strings.Contains(text(dir, file), "aws-lambda-go/lambda\"") }) {
		c := function("found go.mod and aws-lambda-go: a function of the runtime provided", "provided", "")
		c.todo = "build it first: CGO_ENABLED=0 go build -o bootstrap ."
		return c
	}
	name := path.Base(module)
	c := service("found go.mod: a Go service", []string{"./" + name}, healthPath(dir, files))
	c.todo = "build it first: CGO_ENABLED=0 go build -o " + name + " ."
	return c
}

// Package scaffold writes the first teal.yaml of an app, by looking at what its
// folder holds. It asks nothing that it can see, and never changes a file that is
// there.
package scaffold

import (
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"teal"
	"teal/internal/manifest"
)

// File is one file to write.
type File struct {
	Path string // relative, with slashes
	Data []byte
}

// App is what was found, and the files to write for it.
type App struct {
	Name  string
	Seen  string // what was found, for people; "" for nothing
	Todo  string // what is left to do before the first deploy; "" for nothing
	Files []File
}

// component is one component of a manifest that is to be written.
type component struct {
	seen, todo string
	section    string // of the manifest
	name       string
	lines      []string // of the manifest, below the name
}

// Folder returns an app for what dir holds; the small app that works as it is
// when it is nothing that this package knows. The error has CodeInvalidInput when
// name is not a name for an app.
func Folder(dir fs.FS, name string) (App, error) {
	if err := teal.CheckName("app", name); err != nil {
		return App{}, err
	}
	for _, look := range []func(fs.FS) *component{procfile, bootstrap, frontEnd, node, python, golang, pages} {
		if c := look(dir); c != nil {
			return write(name, *c), nil
		}
	}
	return App{Name: name, Files: hello(name)}, nil
}

// Upstreams returns an app in front of addresses that somebody else runs. The
// error has CodeInvalidInput when name or an address is none.
func Upstreams(name string, addresses []string) (App, error) {
	if err := teal.CheckName("app", name); err != nil {
		return App{}, err
	}
	for _, address := range addresses {
		if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return App{}, teal.Errorf(teal.CodeInvalidInput, "%q is not an address; write one such as http://10.0.0.7:9000", address)
		}
	}
	return write(name, component{
		section: "upstreams", name: "pool",
		lines: []string{"urls: " + list(addresses), "health: {path: /}   # a GET of it is answered with 200 to 399 when an address is well"},
	}), nil
}

const manifestText = `# The app: everything that is released together.
app: %s

%s:
  %s:
%s
# Which requests go where. The longest path wins.
routes:
  - {path: /, to: %s}

# How to release: the old version stands by this long after the switch.
release:
  strategy: all-at-once
  watch: {confidence: 10m}
`

func write(name string, c component) App {
	var lines strings.Builder
	for _, line := range c.lines {
		fmt.Fprintf(&lines, "    %s\n", line)
	}
	text := fmt.Appendf(nil, manifestText, name, c.section, c.name, lines.String(), c.name)
	return App{Name: name, Seen: c.seen, Todo: c.todo, Files: []File{{manifest.FileName, text}}}
}

// service is a component that runs a command in the folder.
func service(seen string, command []string, health string) *component {
	return &component{
		seen: seen + ", started with " + strings.Join(command, " "), section: "services", name: "web",
		lines: []string{
			"command: " + list(command) + "   # it listens on $PORT",
			"code: .",
			"health: {path: " + health + "}   # a GET of it is answered with 200 to 399 when an instance is well",
		},
	}
}

func function(seen, runtime, handler string) *component {
	c := &component{seen: seen, section: "functions", name: "main", lines: []string{"runtime: " + runtime}}
	if handler != "" {
		c.lines = append(c.lines, "handler: "+handler+"   # file.function")
	}
	c.lines = append(c.lines, "code: .", "timeout: 3s")
	return c
}

// list writes a YAML list on one line; JSON's quotes are YAML's.
func list(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = fmt.Sprintf("%q", item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// maxRead bounds what of one file is looked at, in bytes.
const maxRead = 256 << 10

// text returns the beginning of a regular file; "" when there is none.
func text(dir fs.FS, name string) string {
	info, err := fs.Stat(dir, name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxRead {
		return ""
	}
	data, err := fs.ReadFile(dir, name)
	if err != nil {
		return ""
	}
	return string(data)
}

func exists(dir fs.FS, name string) bool {
	info, err := fs.Stat(dir, name)
	return err == nil && info.Mode().IsRegular()
}

// sources returns the files at the top of the folder whose names end so, those
// that programs usually begin with first.
func sources(dir fs.FS, endings ...string) []string {
	items, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil
	}
	var names []string
	for _, item := range items {
		if item.Type().IsRegular() && slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(item.Name(), e) }) {
			names = append(names, item.Name())
		}
	}
	rank := func(name string) int {
		stem, _, _ := strings.Cut(name, ".")
		if i := slices.Index([]string{"app", "main", "server", "index", "wsgi", "asgi"}, stem); i >= 0 {
			return i
		}
		return 100
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names[:min(len(names), 50)]
}

// healthPath returns the path of a health check that one of the files names; /
// when none does.
func healthPath(dir fs.FS, files []string) string {
	for _, path := range []string{"/healthz", "/health", "/up", "/readyz", "/livez", "/ping"} {
		for _, file := range files {
			t := text(dir, file)
			for _, quote := range []string{`"`, "'", "`"} {
				if strings.Contains(t, quote+path+quote) || strings.Contains(t, quote+"GET "+path+quote) {
					return path
				}
			}
		}
	}
	return "/"
}

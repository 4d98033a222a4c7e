package manifest

import (
	"archive/zip"
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"teal"
)

// checkCode reports code that is not there and code that does not hold what its
// component, check or hook names.
func (r *reading) checkCode() {
	if r.root == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(r.manifest.Spec.Components)) {
		location, has := r.manifest.Code[name]
		if !has {
			continue
		}
		c := r.manifest.Spec.Components[name]
		section := sections[c.Kind()]
		at := []string{c.Kind().Section(), name, cmp.Or(section.codeKey, "code")}
		r.inCode(at, location, func(code code) { section.checkCode(r, name, c, code) })
		for i := range c.Layers() {
			at := []string{c.Kind().Section(), name, "layers", strconv.Itoa(i)}
			r.inCode(at, r.manifest.Code[layerKey(name, i)], func(code) {})
		}
	}
	for _, p := range r.programs {
		r.inCode(append(slices.Clone(p.at), "code"), r.manifest.Code[p.key], func(code code) { r.checkCommand(p.at, p.command, code) })
	}
}

// inCode opens the code whose place stands at a path and looks at it.
func (r *reading) inCode(at []string, location string, look func(code)) {
	if r.covers(at) {
		return
	}
	code, ok := r.openCode(at, location)
	if !ok {
		return
	}
	look(code)
	if code.close != nil {
		if err := code.close(); err != nil {
			r.at(at, "%s cannot be read to its end: %s", code.name, err)
		}
	}
}

// code is a folder or a zip, open for reading.
type code struct {
	fs.FS
	name  string
	close func() error // nil for a folder
}

func (r *reading) openCode(at []string, location string) (code, bool) {
	if location == "" || filepath.IsAbs(location) {
		r.at(at, "%q is not a place for code; expected a folder or a .zip file, relative to the manifest", location)
		return code{}, false
	}
	full := filepath.Join(r.manifest.Dir, filepath.FromSlash(location))
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.at(at, "%s does not exist; expected a folder or a .zip file", location)
	case err != nil:
		r.at(at, "%s cannot be read: %s", location, err)
	case info.IsDir():
		return code{FS: os.DirFS(full), name: location}, true
	case !info.Mode().IsRegular() || !strings.EqualFold(filepath.Ext(full), ".zip"):
		r.at(at, "%s is neither a folder nor a .zip file", location)
	default:
		z, err := zip.OpenReader(full)
		if err != nil {
			r.at(at, "%s cannot be read as a zip: %s; pack it again", location, err)
			return code{}, false
		}
		return code{FS: z, name: location, close: z.Close}, true
	}
	return code{}, false
}

// file returns the description of a regular file, or nil.
func (c code) file(p string) fs.FileInfo {
	if !fs.ValidPath(p) {
		return nil
	}
	info, err := fs.Stat(c, p)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return info
}

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }

func (r *reading) checkHandler(name string, f *teal.Function, c code) {
	family := teal.RuntimeFamily(f.Runtime)
	if family == "provided" {
		r.checkBootstrap(name, c)
		return
	}
	at := []string{"functions", name, "handler"}
	if family == "" || r.covers(at) {
		return
	}
	files := handlerFiles(family, f.Handler)
	found := slices.ContainsFunc(files, func(p string) bool { return c.file(p) != nil })
	if found || family == "python3" && c.hasExtension(strings.TrimSuffix(files[0], ".py")) {
		return
	}
	r.at(at, "%q needs %s in %s, which is not there; %s", f.Handler, strings.Join(files, " or "), c.name, c.offer(family))
}

func (r *reading) checkBootstrap(name string, c code) {
	at := []string{"functions", name}
	switch info := c.file("bootstrap"); {
	case info == nil:
		r.at(at, "the runtime provided needs an executable file named bootstrap in %s, which is not there; put the program there under that name", c.name)
	case !executable(info):
		r.at(at, "%s is not executable; run chmod +x on it", path.Join(c.name, "bootstrap"))
	}
}

// handlerFiles returns the files that may hold the handler, as AWS looks for
// them.
func handlerFiles(family, handler string) []string {
	if family == "python3" {
		module := handler[:strings.LastIndexByte(handler, '.')]
		module = path.Clean(strings.ReplaceAll(module, ".", "/"))
		return []string{module + ".py", module + "/__init__.py"}
	}
	folder, base := path.Split(handler)
	module, _, _ := strings.Cut(base, ".")
	module = path.Join(folder, module)
	return []string{module + ".js", module + ".mjs", module + ".cjs"}
}

// hasExtension reports whether a compiled Python module is there.
func (c code) hasExtension(module string) bool {
	if !fs.ValidPath(module) {
		return false
	}
	items, err := fs.ReadDir(c, path.Dir(module))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(items, func(d fs.DirEntry) bool {
		rest, ok := strings.CutPrefix(d.Name(), path.Base(module)+".")
		return ok && (rest == "pyc" || strings.HasSuffix(rest, "so"))
	})
}

// offer says what the code has that a handler could be in.
func (c code) offer(family string) string {
	endings := []string{".js", ".mjs", ".cjs"}
	if family == "python3" {
		endings = []string{".py"}
	}
	items, err := fs.ReadDir(c, ".")
	var names []string
	for _, d := range items {
		if slices.Contains(endings, path.Ext(d.Name())) && len(names) < 5 {
			names = append(names, d.Name())
		}
	}
	if err != nil || len(names) == 0 {
		return "there is no " + endings[0] + " file at the top of it"
	}
	return "there is " + strings.Join(names, ", ")
}

// checkPages looks for the files that stand for others.
func (r *reading) checkPages(name string, s *teal.Static, c code) {
	for key, file := range map[string]string{"fallback": s.Fallback, "404": s.NotFound} {
		if at := []string{"static", name, key}; file != "" && !r.covers(at) && c.file(file) == nil {
			r.at(at, "%s is not in %s; expected a file of that folder", file, c.name)
		}
	}
}

// checkCommand looks for a program that is given by a relative path; one without
// a slash is found through PATH on the server.
func (r *reading) checkCommand(owner []string, command []string, c code) {
	if len(command) == 0 || r.covers(append(slices.Clone(owner), "command")) {
		return
	}
	program := command[0]
	if !strings.Contains(program, "/") || strings.HasPrefix(program, "/") {
		return
	}
	at := append(slices.Clone(owner), "command", "0")
	clean := path.Clean(program)
	info := c.file(clean)
	switch {
	case !fs.ValidPath(clean):
		r.at(at, "%q is outside of the code folder %s; only that folder is deployed", program, c.name)
	case info == nil:
		r.at(at, "%q is not in %s; expected a program in the code folder", program, c.name)
	case !executable(info):
		r.at(at, "%s is not executable; run chmod +x on it", path.Join(c.name, clean))
	}
}

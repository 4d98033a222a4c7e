package scaffold

import (
	"encoding/json"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// builder is a tool that makes a folder of files of a front end.
type builder struct {
	needs  string   // the package that says that it is used
	folder string   // where it puts them
	starts []string // how commands begin that serve while somebody develops
	pages  bool     // it makes a file of every page; else the pages are found in the browser
}

var builders = []builder{
	{needs: "react-scripts", folder: "build", starts: []string{"react-scripts"}},
	{needs: "@angular/cli", folder: "dist", starts: []string{"ng "}},
	{needs: "astro", folder: "dist", starts: []string{"astro"}, pages: true},
	{needs: "gatsby", folder: "public", starts: []string{"gatsby"}, pages: true},
	{needs: "vite", folder: "dist", starts: []string{"vite"}},
	{needs: "@vue/cli-service", folder: "dist", starts: []string{"vue-cli-service"}},
	{needs: "parcel", folder: "dist", starts: []string{"parcel"}},
}

// nodePackage is what of a package.json is looked at.
type nodePackage struct {
	Main     string            `json:"main"`
	Scripts  map[string]string `json:"scripts"`
	Needs    map[string]string `json:"dependencies"`
	DevNeeds map[string]string `json:"devDependencies"`
}

// readPackage reads package.json; ok is false where there is one that cannot be read.
func readPackage(dir fs.FS) (pkg nodePackage, found, ok bool) {
	found = exists(dir, "package.json")
	return pkg, found, !found || json.Unmarshal([]byte(text(dir, "package.json")), &pkg) == nil
}

func (p nodePackage) uses(name string) bool { return p.Needs[name] != "" || p.DevNeeds[name] != "" }

// rendersItself are packages that answer requests with a program, whatever builds their
// files.
var rendersItself = []string{"@astrojs/node", "@sveltejs/kit", "nuxt", "@remix-run/serve", "@react-router/serve", "@tanstack/react-start", "vike-server"}

// frontEnd takes what a known tool builds, unless something else is started.
func frontEnd(dir fs.FS) *component {
	pkg, found, ok := readPackage(dir)
	if !found || !ok || slices.ContainsFunc(rendersItself, pkg.uses) {
		return nil
	}
	start := pkg.Scripts["start"]
	if pkg.uses("next") {
		if !exportsPages(dir) {
			return nil
		}
		return built(dir, builder{needs: "next", folder: "out", pages: true})
	}
	for _, b := range builders {
		develops := slices.ContainsFunc(b.starts, func(s string) bool { return strings.HasPrefix(start, s) })
		if pkg.uses(b.needs) && (start == "" || develops) {
			return built(dir, b)
		}
	}
	return nil
}

// exportsPages reports whether Next.js is told to make files of its pages.
func exportsPages(dir fs.FS) bool {
	for _, ending := range []string{".js", ".mjs", ".ts", ".mts", ".cjs"} {
		config := strings.NewReplacer(" ", "", "\t", "", `"`, "'").Replace(text(dir, "next.config"+ending))
		if strings.Contains(config, "output:'export'") {
			return true
		}
	}
	return false
}

// built is a static component of what a tool builds.
func built(dir fs.FS, b builder) *component {
	folder := b.folder
	// Some tools have a folder for the browser below.
	if found, err := fs.Glob(dir, folder+"/*/browser/index.html"); err == nil && len(found) == 1 && !exists(dir, folder+"/index.html") {
		folder = path.Dir(found[0])
	}
	c := site(dir, "found package.json and "+b.needs+": a front end that is built into "+folder, folder, !b.pages)
	if !exists(dir, folder+"/index.html") {
		c.todo = "build it first: npm ci && npm run build"
	}
	return c
}

// pages takes files for browsers that need no program.
func pages(dir fs.FS) *component {
	for _, folder := range []string{"dist", "build", "out", "public", "."} {
		if exists(dir, path.Join(folder, "index.html")) {
			return site(dir, "found "+path.Join(folder, "index.html")+": a site of files", folder, false)
		}
	}
	return nil
}

// site is a static component of a folder. An application finds its pages in the browser.
func site(dir fs.FS, seen, folder string, application bool) *component {
	c := &component{seen: seen, section: "static", name: "web", lines: []string{"folder: " + folder}}
	switch {
	case application:
		c.lines = append(c.lines, "fallback: index.html   # what a page that is no file is answered with")
	case exists(dir, path.Join(folder, "404.html")):
		c.lines = append(c.lines, "404: 404.html")
	}
	return c
}

package importer

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"teal"
	"teal/internal/manifest"
)

// plan is the app that will be written.
type plan struct {
	app       string
	from      string // "template.yaml (AWS SAM)", for its first line
	functions []*function
	routes    []route
	strategy  leaf
	hooks     []hook
	ignore    []byte
}

// leaf is one value of the manifest, as it will be written, and where it comes from.
type leaf struct {
	text string
	from place
}

// function is one component of the plan.
type function struct {
	name     string
	from     place
	runtime  leaf
	handler  leaf
	code     leaf
	memory   leaf
	timeout  leaf
	min, max leaf // of concurrency
	layers   []leaf
	retries  leaf // of events
	age      leaf // of events, at most
	payload  leaf
	env      []variable
}

// variable is one environment variable of a function.
type variable struct {
	name  string
	value leaf
}

// route is one route of the plan.
type route struct {
	path     string
	methods  []string // none for all
	function string
	from     place
}

// hook is a function of the app that runs at a point of the release.
type hook struct {
	point    teal.HookPoint
	function string
	from     place
}

// function returns the component of that name, or nil.
func (p *plan) function(name string) *function {
	for _, f := range p.functions {
		if f.name == name {
			return f
		}
	}
	return nil
}

// settle returns the manifest of the plan. What the manifest's own rules refuse is
// taken out of the plan, and listed with their reason.
func (p *plan) settle(r *report) ([]byte, error) {
	for {
		if len(p.functions) == 0 {
			reason := ""
			for _, left := range r.left {
				reason += "\n" + r.file + ":" + strconv.Itoa(left.Line) + ": " + left.Path + ": " + left.Reason
			}
			return nil, teal.Errorf(teal.CodeInvalidManifest, "%s has no function that Teal can run%s", r.file, reason)
		}
		text := p.write()
		_, err := manifest.Parse(manifest.FileName, text)
		var problems manifest.Errors
		switch {
		case err == nil:
			return text, nil
		case !errors.As(err, &problems) || !slices.ContainsFunc(problems, func(e *manifest.Error) bool { return p.without(r, e) }):
			return nil, teal.Errorf(teal.CodeInvalidManifest, "%s cannot be described in a manifest: %w", r.file, err)
		}
	}
}

// without takes what an error of the manifest is about out of the plan, and reports
// whether there was something to take.
func (p *plan) without(r *report, e *manifest.Error) bool {
	switch {
	case len(e.Path) < 2:
		return false
	case e.Path[0] == "functions":
		f := p.function(e.Path[1])
		if f != nil {
			p.withoutValue(r, f, e.Path[2:], e.Message)
		}
		return f != nil
	case e.Path[0] == "routes":
		i, err := strconv.Atoi(e.Path[1])
		if err != nil || i >= len(p.routes) {
			return false
		}
		r.leave(p.routes[i].from, "%s", e.Message)
		p.routes = slices.Delete(p.routes, i, i+1)
		return true
	case e.Path[1] == "strategy" && p.strategy.text != "":
		r.leave(p.strategy.from, "%s", e.Message)
		p.strategy = leaf{}
		return true
	case e.Path[1] == "hooks" && len(p.hooks) > 0:
		for _, h := range p.hooks {
			r.leave(h.from, "%s", e.Message)
		}
		p.hooks = nil
		return true
	}
	return false
}

// withoutValue takes one value out of a function; the whole function when it cannot be
// without that.
func (p *plan) withoutValue(r *report, f *function, path []string, message string) {
	optional := map[string][]*leaf{"memory": {&f.memory}, "timeout": {&f.timeout}, "concurrency": {&f.min, &f.max}}
	taken := false
	if len(path) > 0 {
		for _, l := range optional[path[0]] {
			if l.text != "" {
				r.leave(l.from, "%s", message)
				*l, taken = leaf{}, true
			}
		}
		taken = taken || path[0] == "env" && f.withoutVariable(r, message)
	}
	if !taken {
		p.drop(r, f, message)
	}
}

// withoutVariable takes the variables that an error names out of a function.
func (f *function) withoutVariable(r *report, message string) bool {
	n := len(f.env)
	f.env = slices.DeleteFunc(f.env, func(v variable) bool {
		named := strings.HasPrefix(message, v.name+" ") || strings.HasPrefix(message, strconv.Quote(v.name)+" ")
		if named {
			r.leave(v.value.from, "%s", message)
		}
		return named
	})
	return len(f.env) < n
}

// drop takes a function out of the plan, with its routes and hooks.
func (p *plan) drop(r *report, f *function, reason string) {
	r.leave(f.from, "%s", reason)
	p.functions = slices.DeleteFunc(p.functions, func(other *function) bool { return other == f })
	p.routes = slices.DeleteFunc(p.routes, func(rt route) bool {
		if rt.function == f.name {
			r.leave(rt.from, "its function is left out")
		}
		return rt.function == f.name
	})
	p.hooks = slices.DeleteFunc(p.hooks, func(h hook) bool {
		if h.function == f.name {
			r.leave(h.from, "its function is left out")
		}
		return h.function == f.name
	})
}

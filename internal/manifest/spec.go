package manifest

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"teal"
	"teal/internal/yamltree"
)

// reading is a manifest while it is being read.
type reading struct {
	*findings
	root     *yamltree.Node // nil when the file is not YAML
	manifest Manifest
	programs []program  // that checks and hooks run
	vars     *Variables // nil: references stay as they are written
}

// tree is what is read.
var tree = yamltree.Options{What: "a manifest", Empty: "at least `app:` and one component, as `teal init` writes them"}

func parse(file string, data []byte, vars *Variables) *reading {
	r := &reading{findings: &findings{file: file}, vars: vars}
	r.root = yamltree.Read(data, tree, func(at yamltree.Position, path []string, message string) { r.addf(at, path, "%s", message) })
	if r.root == nil {
		return r
	}
	var doc document
	doc.Release.setDefaults()
	d := &decoder{r.findings}
	d.decode(r.root, reflect.ValueOf(&doc).Elem(), place{key: r.root.At})
	if r.root.Kind != yamltree.Mapping {
		r.root = nil
		return r
	}
	r.manifest = Manifest{Code: map[string]string{}, Dir: filepath.Dir(file)}
	r.manifest.Spec = teal.Spec{App: doc.App, Components: map[string]teal.Component{}}
	r.components(doc)
	for i, route := range doc.Routes {
		r.manifest.Spec.Routes = append(r.manifest.Spec.Routes, r.route(i, route))
	}
	r.triggers(doc)
	r.manifest.Policy = r.policy(doc.Release)
	for _, names := range []*[]string{&r.manifest.Variables, &r.manifest.Missing} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
	r.checkSpec()
	r.checkPolicy()
	return r
}

func (r *reading) result() (*Manifest, error) {
	if len(r.errors) > 0 {
		return nil, r.sorted()
	}
	return &r.manifest, nil
}

// at reports an error about the value at path.
func (r *reading) at(path []string, format string, args ...any) {
	r.addf(r.root.Locate(path), path, format, args...)
}

// section is what the manifest knows of one kind of component: an entry here, a field of
// document and the type that it has are what a further kind needs.
type section struct {
	read func(r *reading, doc document)
	// checkCode reports what is wrong with the code of a component; nil: it has none.
	checkCode func(r *reading, name string, c teal.Component, code code)
	codeKey   string // under which the code stands; "" is code
}

var sections = map[teal.ComponentKind]section{
	teal.KindFunction: {read: (*reading).functions, checkCode: func(r *reading, name string, c teal.Component, code code) {
		r.checkHandler(name, c.Function, code)
	}},
	teal.KindService: {read: (*reading).services, checkCode: func(r *reading, name string, c teal.Component, code code) {
		r.checkCommand([]string{teal.KindService.Section(), name}, c.Service.Command, code)
	}},
	teal.KindUpstream: {read: (*reading).upstreams},
	teal.KindStatic: {read: (*reading).static, codeKey: "folder", checkCode: func(r *reading, name string, c teal.Component, code code) {
		r.checkPages(name, c.Static, code)
	}},
}

func (r *reading) components(doc document) {
	for _, kind := range slices.Sorted(maps.Keys(sections)) {
		sections[kind].read(r, doc)
	}
}

func (r *reading) functions(doc document) {
	for _, name := range slices.Sorted(maps.Keys(doc.Functions)) {
		f := doc.Functions[name]
		function := f.domain()
		function.Env, function.Masked = r.componentEnvironment([]string{"functions", name}, f.Env, f.EnvFile)
		function.Secrets = secretsOf(f.Env)
		if len(f.Layers) > 0 {
			function.Layers = make([]string, len(f.Layers)) // Resolve fills them in
		}
		function.Async = r.async(doc, name, f.Async)
		r.component(teal.KindFunction, name, teal.Component{Function: function})
		r.manifest.Code[name] = f.Code
		for i, layer := range f.Layers {
			r.manifest.Code[layerKey(name, i)] = layer
		}
	}
}

// layerKey is the key of a function's layer in Manifest.Code.
func layerKey(function string, i int) string { return "layer/" + function + "/" + strconv.Itoa(i) }

// async reads what becomes of the asynchronous invocations of a function.
func (r *reading) async(doc document, function string, a *async) *teal.Async {
	if a == nil {
		return nil
	}
	to := func(key, destination string) string {
		return r.destination(doc, []string{"functions", function, "async", key}, destination)
	}
	return &teal.Async{
		Retries: a.Retries, MaxAge: a.MaxAge,
		OnSuccess: to("on_success", a.OnSuccess), OnFailure: to("on_failure", a.OnFailure),
	}
}

// destination returns a destination as the server knows it: a function of the app by its
// whole name, and any function with an alias, live unless there is another one.
func (r *reading) destination(doc document, at []string, to string) string {
	name, qualifier, qualified := strings.Cut(to, ":")
	if to == "" || strings.HasPrefix(qualifier, "//") {
		return to
	}
	_, isService := doc.Services[name]
	_, isStatic := doc.Static[name]
	_, isUpstream := doc.Upstreams[name]
	if isService || isStatic || isUpstream {
		r.at(at, "%q is not a function; name a function, or write the URL of the service", name)
		return ""
	}
	if _, own := doc.Functions[name]; own {
		name = teal.FunctionName(doc.App, name)
	}
	if !qualified {
		qualifier = teal.AliasLive
	}
	return name + ":" + qualifier
}

func (r *reading) services(doc document) {
	for _, name := range slices.Sorted(maps.Keys(doc.Services)) {
		s := doc.Services[name]
		service := s.domain(r.protocol("services", name, s.Protocol))
		service.Health = r.health([]string{"services", name, "health"}, s.Health)
		service.Env, service.Masked = r.componentEnvironment([]string{"services", name}, s.Env, s.EnvFile)
		service.Secrets = secretsOf(s.Env)
		if r.component(teal.KindService, name, teal.Component{Service: service}) {
			r.manifest.Code[name] = s.Code
		}
	}
}

func (r *reading) static(doc document) {
	for _, name := range slices.Sorted(maps.Keys(doc.Static)) {
		s := doc.Static[name]
		if r.component(teal.KindStatic, name, teal.Component{Static: s.domain()}) {
			r.manifest.Code[name] = s.Folder
		}
	}
}

func (r *reading) upstreams(doc document) {
	for _, name := range slices.Sorted(maps.Keys(doc.Upstreams)) {
		u := doc.Upstreams[name]
		r.component(teal.KindUpstream, name, teal.Component{Upstream: &teal.Upstream{
			URLs: u.URLs, Health: r.health([]string{"upstreams", name, "health"}, u.Health), Protocol: r.protocol("upstreams", name, u.Protocol), Host: strings.TrimPrefix(u.Host, "client"),
		}})
	}
}

// component adds a component and reports whether its name was free.
func (r *reading) component(kind teal.ComponentKind, name string, c teal.Component) bool {
	if first, taken := r.manifest.Spec.Components[name]; taken {
		other := first.Kind().Section()
		r.at([]string{kind.Section(), name}, "the name is taken by %s.%s on line %d; every component needs a name of its own",
			other, name, r.root.Locate([]string{other, name}).Line)
		return false
	}
	r.manifest.Spec.Components[name] = c
	return true
}

// protocol reads what a component speaks; HTTP/1.1 when the value is wrong.
func (r *reading) protocol(section, name, value string) teal.Protocol {
	at := []string{section, name, "protocol"}
	p, err := teal.ParseProtocol(value)
	if err != nil && !r.covers(at) {
		r.at(at, "%s", err)
	}
	return p
}

func (f *function) domain() *teal.Function {
	return &teal.Function{
		Runtime: f.Runtime, Handler: f.Handler,
		Memory: f.Memory, Timeout: f.Timeout, Init: f.Init, Idle: f.Idle,
		Concurrency: teal.Concurrency{Min: f.Concurrency.Min, Max: f.Concurrency.Max},
		Payload:     string(f.Payload),
	}
}

func (s *service) domain(protocol teal.Protocol) *teal.Service {
	return &teal.Service{
		Command: texts(s.Command), Protocol: protocol, Instances: s.Instances,
		Memory: s.Memory, Grace: s.Grace, Writable: s.Writable,
	}
}

func (r *reading) health(at []string, h health) teal.Health {
	return teal.Health{
		Path: h.Path, Interval: h.Interval, Timeout: h.Timeout, Failures: h.Failures,
		Host: r.hostPort(append(slices.Clone(at), "host"), h.Host), Headers: textMap(h.Headers), Expect: texts(h.Expect),
	}
}

// textMap returns values as they are written.
func textMap(values map[string]text) map[string]string {
	if len(values) == 0 {
		return nil
	}
	out := make(map[string]string, len(values))
	for name, value := range values {
		out[name] = string(value)
	}
	return out
}

func texts(list []text) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = string(t)
	}
	return out
}

// anyDigest stands for digests that are not known yet.
const anyDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// checkSpec reports what the domain finds wrong, where the file says it.
func (r *reading) checkSpec() {
	spec := withCode(r.manifest.Spec, func(string) string { return anyDigest })
	// All are judged before any is reported: two problems of one place are two
	// errors.
	problems := slices.DeleteFunc(spec.Check(), func(p teal.Problem) bool {
		return r.covers(p.Path) || len(spec.Components) == 0 && r.noise(p)
	})
	for _, p := range problems {
		r.at(p.Path, "%s", p.Message)
	}
}

// noise reports whether p only repeats that components could not be read.
func (r *reading) noise(p teal.Problem) bool {
	if p.Path[0] != "app" || teal.CheckName("app", r.manifest.Spec.App) != nil {
		return false
	}
	return r.coversSection()
}

// coversSection reports whether the components of some kind could not be read.
func (r *reading) coversSection() bool {
	for kind := range sections {
		if r.covers([]string{kind.Section()}) {
			return true
		}
	}
	return false
}

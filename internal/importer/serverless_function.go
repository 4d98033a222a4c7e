package importer

import (
	"slices"
	"strings"

	"teal"
	"teal/internal/yamltree"
)

// slsFunction is one function of a serverless.yml while it is being read.
type slsFunction struct {
	*serverless
	*function
	at         place
	endpoints  []endpoint
	preference preference
	hooks      []hook
	reason     string // why Teal cannot run it
}

func (s *serverless) function(name string, n *yamltree.Node, at place) {
	f := &slsFunction{serverless: s, at: at, function: &function{
		name: s.ids[name], from: at, code: leaf{".", at},
		runtime: s.provider.runtime, memory: s.provider.memory, timeout: s.provider.timeout,
	}}
	own, ownAt := child(n, "environment", at)
	f.environment(own, ownAt)
	for _, p := range s.pairs(n, at) {
		if value := s.shape(p.Value); value != nil && value.Kind != yamltree.Broken {
			f.key(p.Key, value, at.below(p.Key, p.At))
		}
	}
	if reason := f.complete(n); reason != "" {
		s.leave(at, "%s", reason)
		return
	}
	s.plan.functions = append(s.plan.functions, f.function)
	s.endpoints = append(s.endpoints, f.endpoints...)
	if f.preference.kind != "" {
		s.preferences = append(s.preferences, f.preference)
	}
	for _, h := range f.hooks {
		s.plan.hook(h)
	}
}

// complete says why what has been read is not enough for Teal; "" when it is.
func (f *slsFunction) complete(n *yamltree.Node) (reason string) {
	switch {
	case f.reason != "":
		return f.reason
	case f.runtime.text == "":
		f.fail(f.at, "has no runtime; expected one such as nodejs22.x, here or under provider")
		return "it has no runtime"
	}
	if f.code.text, reason = codeAt(f.source.Base, f.code.text); reason != "" {
		return reason
	}
	if reason := unsupported(f.runtime.text); reason != "" {
		return reason
	}
	if teal.RuntimeFamily(f.runtime.text) == "provided" {
		f.handler = leaf{} // the program bootstrap is run
	} else if f.handler.text == "" {
		if n.Has("handler") {
			return "its handler is not known"
		}
		f.fail(f.at, "has no handler; expected one such as handler.main")
	}
	f.enoughInstances()
	return ""
}

// functionReasons say why a key of a function is left out, where there is more to say
// than that teal.yaml has nothing for it.
var functionReasons = map[string]string{
	"role": credentials, "iamRoleStatements": credentials, "vpc": providerReasons["vpc"], "tracing": providerReasons["tracing"],
	"architecture": providerReasons["architecture"], "tags": "Teal has no tags", "description": "Teal keeps no descriptions",
	"layers": layers, "destinations": destinations,
	"onError": samReasons["DeadLetterQueue"], "ephemeralStorageSize": samReasons["EphemeralStorage"], "snapStart": samReasons["SnapStart"],
	"fileSystemConfig": samReasons["FileSystemConfigs"], "logRetentionInDays": providerReasons["logRetentionInDays"], "disableLogs": providerReasons["logs"],
}

// key reads one key of a function.
func (f *slsFunction) key(key string, n *yamltree.Node, at place) {
	switch key {
	case "handler":
		f.handler = f.leaf(n, at)
	case "runtime":
		f.runtime = f.leaf(n, at)
	case "memorySize":
		f.memory = f.number(n, at, f.report.memory)
	case "timeout":
		f.timeout = f.number(n, at, f.report.timeout)
	case "maximumRetryAttempts":
		f.function.retries = f.number(n, at, f.report.retries)
	case "maximumEventAge":
		f.function.age = f.number(n, at, f.report.age)
	case "reservedConcurrency":
		f.max = f.number(n, at, f.count)
	case "provisionedConcurrency":
		f.min = f.number(n, at, f.count)
	case "environment":
	case "events":
		f.events(n, at)
	case "url":
		f.url(n, at)
	case "package":
		f.packaging(n, at)
	case "deploymentSettings":
		f.deploymentSettings(n, at)
	case "image":
		f.reason = "it is a container image; a program that serves HTTP can be a service"
	case "name":
		f.leave(at, "AWS's tools call it %s", callName(f.plan.app, f.function.name, len(f.ids)))
	default:
		f.leave(at, "%s", or(functionReasons[key], "teal.yaml has nothing for it"))
	}
}

// environment reads the variables of all functions, and the function's own over them.
func (f *slsFunction) environment(own *yamltree.Node, ownAt place) {
	for _, from := range []property{{value: own, at: ownAt}, f.provider.environment} {
		if from.value == nil {
			continue
		}
		n := f.shape(from.value)
		if n == nil {
			continue
		}
		if n.Scalar() && strings.HasPrefix(n.Text, "${") {
			f.leave(from.at, "%s is not in this file; import what `serverless print` writes, or write an env_file", n.Text)
			continue
		}
		for _, p := range f.pairs(n, from.at) {
			if !slices.ContainsFunc(f.env, func(v variable) bool { return v.name == p.Key }) {
				f.environmentVariable(f.function, p.Key, p.Value, from.at.below(p.Key, p.At))
			}
		}
	}
}

func (f *slsFunction) packaging(n *yamltree.Node, at place) {
	for _, p := range f.pairs(n, at) {
		here := at.below(p.Key, p.At)
		if p.Key != "artifact" {
			f.leave(here, "every function has the whole folder, but for what .tealignore names")
			continue
		}
		if l := f.leaf(p.Value, here); l.text != "" {
			f.code = l
		}
	}
}

// deploymentSettings reads what the plugin for canary deployments reads.
func (f *slsFunction) deploymentSettings(n *yamltree.Node, at place) {
	for _, p := range f.pairs(n, at) {
		here := at.below(p.Key, p.At)
		value := f.shape(p.Value)
		switch {
		case value == nil || p.Key == "alias":
		case p.Key == "type":
			if kind, ok := f.literal(value, here); ok {
				f.preference = preference{f.function.name, kind, here}
			}
		case p.Key == "preTrafficHook":
			f.hook(teal.BeforeAllowTraffic, value, here)
		case p.Key == "postTrafficHook":
			f.hook(teal.AfterAllowTraffic, value, here)
		case p.Key == "alarms":
			f.leave(here, "%s", alarms)
		default:
			f.leave(here, "teal.yaml has nothing for it")
		}
	}
}

func (f *slsFunction) hook(point teal.HookPoint, n *yamltree.Node, at place) {
	name, ok := f.literal(n, at)
	switch {
	case !ok:
	case f.ids[name] == "":
		f.leave(at, "%s is not a function of this file", name)
	default:
		f.hooks = append(f.hooks, hook{point, f.ids[name], at})
	}
}

// events reads what invokes a function.
func (f *slsFunction) events(n *yamltree.Node, at place) {
	if n.Kind != yamltree.List {
		f.fail(at, "is %s; expected a list", n.Kind)
		return
	}
	for _, item := range n.Items {
		item = f.shape(item)
		if item == nil {
			continue
		}
		here := place{at.path, item.At}
		if item.Kind == yamltree.Text { // - schedule
			item = &yamltree.Node{At: item.At, Kind: yamltree.Mapping, Pairs: []yamltree.Pair{{Key: item.Text, At: item.At, Value: &yamltree.Node{At: item.At, Kind: yamltree.Null}}}}
		}
		for _, p := range f.pairs(item, here) {
			f.event(p, here.below(p.Key, p.At))
		}
	}
}

func (f *slsFunction) event(p yamltree.Pair, at place) {
	e := endpoint{path: "/{proxy+}", function: f.function.name, payload: f.provider.payload, from: at}
	switch p.Key {
	case "http":
		e.payload = "1.0"
	case "httpApi":
	default:
		f.leave(at, "%s", sourceReason(p.Key))
		return
	}
	value := f.shape(p.Value)
	switch {
	case value == nil:
	case value.Scalar():
		f.shortEvent(value, e)
	default:
		f.longEvent(value, e)
	}
}

// shortEvent reads an event such as GET /users, or *.
func (f *slsFunction) shortEvent(n *yamltree.Node, e endpoint) {
	text, ok := f.literal(n, e.from)
	method, path, both := strings.Cut(strings.TrimSpace(text), " ")
	switch {
	case !ok:
	case text == "*":
		f.endpoints = append(f.endpoints, e)
	case !both:
		f.fail(e.from, "is %q; expected a method and a path, such as GET /users", text)
	default:
		if e.method, ok = f.method(method, e.from); ok {
			e.path = strings.TrimSpace(path)
			f.endpoints = append(f.endpoints, e)
		}
	}
}

func (f *slsFunction) longEvent(n *yamltree.Node, e endpoint) {
	complete := n.Has("path")
	if !complete {
		f.fail(e.from, "has no path; expected one such as /users")
	}
	for _, p := range f.pairs(n, e.from) {
		at := e.from.below(p.Key, p.At)
		value := f.shape(p.Value)
		if value == nil {
			continue
		}
		switch p.Key {
		case "path", "method":
			text, ok := f.literal(value, at)
			if p.Key == "path" && text == "*" {
				text = "/{proxy+}"
			}
			switch {
			case !ok:
				complete = false
			case p.Key == "path":
				e.path = text
			default:
				e.method, ok = f.method(text, at)
				complete = complete && ok
			}
		case "authorizer", "private":
			e.closed = !value.Scalar() || value.Text != "false"
		default:
			f.leave(at, "Teal's gateway has nothing for it")
		}
	}
	if complete {
		f.endpoints = append(f.endpoints, e)
	}
}

// url reads a function URL.
func (f *slsFunction) url(n *yamltree.Node, at place) {
	e := endpoint{path: "/{proxy+}", function: f.function.name, payload: "2.0", url: true, from: at}
	if n.Scalar() {
		if text, ok := f.literal(n, at); ok && text == "true" {
			f.endpoints = append(f.endpoints, e)
		}
		return
	}
	for _, p := range f.pairs(n, at) {
		here := at.below(p.Key, p.At)
		if p.Key != "authorizer" {
			f.leave(here, "Teal's gateway has nothing for it; a function URL that is made with AWS's tools has")
			continue
		}
		f.leave(at, "%s", signedURL)
		return
	}
	f.endpoints = append(f.endpoints, e)
}

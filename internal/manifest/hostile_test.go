package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"teal"
	"teal/internal/yamltree"
)

// hostile are values that somebody writes by mistake, or on purpose, at any key.
var hostile = map[string]string{
	"null": "", "empty text": `""`, "zero": "0", "zero seconds": "0s", "negative": "-1", "negative time": "-5m",
	"huge number": "99999999999999999999999", "huge": "2147483647", "huge size": "9999999GiB", "nan": ".nan",
	"yes": "true", "empty list": "[]", "empty mapping": "{}", "list": "[a, b]", "list of null": "[null]",
	"mapping": "{a: b}", "NUL": `"a\0b"`, "line break": `"a\r\nb: c"`, "escape": `"\e[31m"`,
	"not ASCII": "ü", "long": strings.Repeat("x", 2_000), "reference": `"${NOT"`, "slash": "/", "star": `"*"`,
}

// render writes a tree as YAML on one line, with one value replaced.
func render(n *yamltree.Node, path, replaced, by string) string {
	switch {
	case path == replaced:
		return by
	case n.Kind == yamltree.Mapping:
		var parts []string
		for _, p := range n.Pairs {
			parts = append(parts, fmt.Sprintf("%q: %s", p.Key, render(p.Value, path+"/"+p.Key, replaced, by)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case n.Kind == yamltree.List:
		var parts []string
		for i, item := range n.Items {
			parts = append(parts, render(item, fmt.Sprint(path, "/", i), replaced, by))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case n.Kind == yamltree.Text:
		return fmt.Sprintf("%q", n.Text)
	}
	return n.Text
}

// places returns the ways to all values of a tree, and for each the type that it is read
// into, by the types of this package.
func places(n *yamltree.Node, path string, t reflect.Type, found map[string]reflect.StructField, field reflect.StructField) {
	if path != "" {
		found[path] = field
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, p := range n.Pairs {
		next, below := t, reflect.StructField{Type: t}
		switch {
		case t.Kind() == reflect.Struct:
			if i, known := fieldsOf(t).index[p.Key]; known {
				below = t.Field(i)
				next = below.Type
			}
		case t.Kind() == reflect.Map:
			next, below = t.Elem(), reflect.StructField{Type: t.Elem()}
		}
		places(p.Value, path+"/"+p.Key, next, found, below)
	}
	for i, item := range n.Items {
		next := t
		if t.Kind() == reflect.Slice {
			next = t.Elem()
		}
		places(item, fmt.Sprint(path, "/", i), next, found, reflect.StructField{Type: next})
	}
}

// leavesOut lists keys for which an empty value and none are the same on purpose: there
// is nothing then, either way.
var leavesOut = []string{"env", "headers", "json", "capture", "body", "routes", "release", "steps", "checks", "hooks", "warm", "watch", "freeze", "notify", "queries", "webhooks",
	"requests", "transaction", "functions", "services", "upstreams", "triggers", "health", "concurrency", "error_rate", "latency", "expect", "command",
	"BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"}

// zeroIsDefault lists keys whose default is what 0 means, as their descriptions say.
var zeroIsDefault = []string{"hold", "retries", "repeat", "replay", "doubt_after", "approval", "slack", "strip", "writable"}

// Every key of every kind of section is given every hostile value: it is refused, with
// a line and a sentence, or it is taken and what comes of it passes the domain. What is
// empty is never taken for what leaving the key out means, when that is not empty.
func TestEveryKeyStandsHostileValues(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, file := range []string{"testdata/good/full.yaml", "testdata/good/release.yaml", "testdata/good/routes.yaml", "testdata/good/triggers.yaml"} {
		root := yamltree.Read(read1(t, file), tree, func(yamltree.Position, []string, string) {})
		found := map[string]reflect.StructField{}
		places(root, "", reflect.TypeFor[document](), found, reflect.StructField{})
		if _, err := Parse(file, []byte(render(root, "", "-", ""))); err != nil {
			t.Fatalf("%s, written on one line: %v", file, err)
		}
		for path, field := range found {
			covered[field.Tag.Get("yaml")] = true
			t.Run(file[len("testdata/good/"):]+path, func(t *testing.T) {
				t.Parallel()
				for name, value := range hostile {
					m, err := Parse(file, []byte(render(root, "", path, value)))
					checkOutcome(t, file, m, err)
					if err == nil {
						taken(t, root, file, path, name, m)
					}
				}
			})
		}
	}
	for _, s := range []reflect.Type{reflect.TypeFor[document](), reflect.TypeFor[function](), reflect.TypeFor[service](), reflect.TypeFor[upstream](), reflect.TypeFor[health](), reflect.TypeFor[route](), reflect.TypeFor[trigger](),
		reflect.TypeFor[release](), reflect.TypeFor[step](), reflect.TypeFor[check](), reflect.TypeFor[request](), reflect.TypeFor[expect](), reflect.TypeFor[hook](), reflect.TypeFor[watch](), reflect.TypeFor[query]()} {
		for _, key := range fieldsOf(s).keys {
			if !covered[key] && key != "env_file" && key != "layers" && key != "async" && key != "static" { // those name files, which Parse does not look at
				t.Errorf("%s of %s is in none of the files, so nothing is tried there", key, s.Name())
			}
		}
	}
}

// taken looks at a value that was accepted at a path.
func taken(t *testing.T, root *yamltree.Node, file, path, name string, m *Manifest) {
	t.Helper()
	key := path[strings.LastIndex(path, "/")+1:]
	switch name {
	case "empty text", "zero", "zero seconds", "empty list":
	default:
		return
	}
	if slices.Contains(leavesOut, key) || slices.Contains(zeroIsDefault, key) {
		return
	}
	out := *root
	without, err := Parse(file, []byte(render(drop(&out, strings.Split(path[1:], "/")), "", "-", "")))
	if err == nil && reflect.DeepEqual(comparable(without), comparable(m)) {
		t.Errorf("%s is taken, and means what leaving the key out means", name)
	}
}

func comparable(m *Manifest) [3]any { return [3]any{m.Spec, m.Policy, m.Code} }

// drop returns a tree without what is at a path.
func drop(n *yamltree.Node, path []string) *yamltree.Node {
	out := *n
	out.Pairs, out.Items = slices.Clone(n.Pairs), slices.Clone(n.Items)
	for i := range out.Pairs {
		if out.Pairs[i].Key != path[0] {
			continue
		}
		if len(path) == 1 {
			out.Pairs = slices.Delete(out.Pairs, i, i+1)
			return &out
		}
		out.Pairs[i].Value = drop(out.Pairs[i].Value, path[1:])
		return &out
	}
	for i := range out.Items {
		if fmt.Sprint(i) != path[0] {
			continue
		}
		if len(path) == 1 {
			out.Items = slices.Delete(out.Items, i, i+1)
		} else {
			out.Items[i] = drop(out.Items[i], path[1:])
		}
		return &out
	}
	return &out
}

// A sentence of the domain's about what is refused names the value, not another.
func TestRefusedHere(t *testing.T) {
	t.Parallel()
	const (
		web   = "app: a\nservices:\n  web: {command: [x], health: {%s}}\n"
		route = "app: a\nservices: {web: {command: [x]}}\nroutes:\n  - {path: /, to: web}\n%s"
	)
	for source, want := range map[string]string{
		fmt.Sprintf(web, "expect: []"):                                                                                   "health.expect: is empty; expected a status such as 200 or 2xx, or a list of them. Leave the key out for 200 to 399",
		fmt.Sprintf(web, "expect: 1xx"):                                                                                  `"1xx" is no answer: another status follows it; use one from 200 on`,
		fmt.Sprintf(web, "expect: [200, 101]"):                                                                           `"101" is no answer`,
		fmt.Sprintf(web, `host: "a.example:99999"`):                                                                      `"a.example:99999" has the port 99999; ports go from 1 to 65535`,
		fmt.Sprintf(web, `host: "a.example:0"`):                                                                          "ports go from 1 to 65535",
		fmt.Sprintf(web, `host: ":80"`):                                                                                  `":80" is not a host name: it is a port, and nothing is before it`,
		fmt.Sprintf(web, `host: ""`):                                                                                     "health.host: is empty; write text, or leave the key out",
		fmt.Sprintf(web, `headers: {X-A: 1, x-a: 2}`):                                                                    "X-A and x-a are one header; keep one of them",
		fmt.Sprintf(web, `headers: {X-A: "a\x1b[31m"}`):                                                                  "X-A has a value with a control character",
		fmt.Sprintf(web, `headers: {Host: a}`):                                                                           "Host is the name of the host; write it under host",
		fmt.Sprintf(route, "  - {path: /a, to: web, methods: []}\n"):                                                     "routes.1.methods: is empty; expected a list. Leave the key out for all methods",
		fmt.Sprintf(route, "  - {path: /a, redirect: /, status: 0}\n"):                                                   "routes.1.status: is 0; expected a whole number. Leave the key out for 302",
		fmt.Sprintf(route, "  - {path: /a, redirect: /a}\n"):                                                             `"/a" leads back to this route, so a client would be redirected for ever`,
		fmt.Sprintf(route, "  - {path: /a, redirect: /a/b}\n"):                                                           "leads back to this route",
		fmt.Sprintf(route, "  - {path: /a, redirect: /%61?x=1, keep_path: false}\n"):                                     "leads back to this route",
		fmt.Sprintf(route, "  - {path: /a, redirect: /b}\n  - {path: /b, redirect: /a}\n"):                               "leads back to this route by route 2 (/b)",
		"app: a\nupstreams: {u: {urls: [\"http://u\"]}}\nroutes: [{path: /, redirect: /index.html, keep_path: false}]\n": "leads back to this route",
		fmt.Sprintf(route, "release: {checks: [{name: c, request: {path: /}, expect: {status: 0}}]}\n"):                  "expect.status: is 0; expected a whole number. Leave the key out for 200 to 399",
		fmt.Sprintf(route, "release: {checks: [{name: c, request: {path: /, headers: {A: x, a: y}}}]}\n"):                "A and a are one header",
		fmt.Sprintf(route, "release: {deadline: 0s}\n"):                                                                  "release.deadline: is 0s; expected a duration such as 300ms, 30s or 5m. Leave the key out for no limit",
		fmt.Sprintf(route, "release: {watch: {compare: \"\"}}\n"):                                                        "release.watch.compare: is empty",
	} {
		_, err := Parse("teal.yaml", []byte(source))
		if err == nil || !strings.Contains(err.Error(), want) || teal.CodeOf(err) != teal.CodeInvalidManifest {
			t.Errorf("%s\ngot  %v\nwant %s", source, err, want)
		}
	}
	for _, source := range []string{
		fmt.Sprintf(web, "host: bücher.example, expect: [200, 4xx]"),
		fmt.Sprintf(web, `host: "bücher.example:8080", headers: {X-A: "a\tb"}`),
		fmt.Sprintf(route, "  - {path: /a, redirect: /}\n"),
		fmt.Sprintf(route, "  - {path: /a, redirect: /a/b}\n  - {path: /a/b, to: web}\n"),
		fmt.Sprintf(route, "  - {path: /a, redirect: https://a.example/a}\n"),
		fmt.Sprintf(route, "  - {path: /a, methods: [POST], redirect: /a, status: 303, keep_path: false}\n  - {path: /a, methods: [GET], to: web}\n"),
		fmt.Sprintf(route, "release: {checks: [{name: c, request: {path: /, host: bücher.example, body: \"\"}}]}\n"),
	} {
		if _, err := Parse("teal.yaml", []byte(source)); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}

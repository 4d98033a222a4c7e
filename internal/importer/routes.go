package importer

import (
	"cmp"
	"slices"
	"strings"

	"teal"
)

// endpoint is a method and a path of an API Gateway, or all of a function URL.
type endpoint struct {
	method   string // "" for any
	path     string // as API Gateway has it: /users/{id}, /{proxy+}
	function string
	payload  string // the format of its events: "1.0" or "2.0"
	url      bool   // a function URL, which has a host of its own
	closed   bool   // callers are authorized, which Teal's gateway cannot do
	from     place
}

// prefix returns the part of an API Gateway's path that has no parameters, and what
// follows it.
func (e endpoint) prefix() (prefix, rest string) {
	path := e.path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if i := strings.Index(path, "/{"); i >= 0 {
		path, rest = path[:i], path[i:]
	}
	path = strings.TrimRight(path, "/")
	if path == "" {
		path = "/"
	}
	return path, rest
}

// rank says which of two endpoints keeps a place that both would have: the one that says
// most exactly what it is for.
func (e endpoint) rank() int {
	_, rest := e.prefix()
	switch {
	case e.url:
		return 3
	case rest == "":
		return 0
	case strings.Contains(rest, "+}") && strings.Count(rest, "/") == 1:
		return 1
	}
	return 2
}

// routed is what stands at a place so far.
type routed struct {
	function string
	from     place
}

// routes turns endpoints into routes. Teal's routes are prefixes without parameters, so
// several endpoints may want one place; of those the most exact one has it.
func (p *plan) route(r *report, endpoints []endpoint) {
	order := r.open(endpoints)
	slices.SortStableFunc(order, func(a, b endpoint) int { return cmp.Compare(a.rank(), b.rank()) })
	taken := map[[2]string]routed{}
	for _, e := range order {
		path, rest := e.prefix()
		place := [2]string{path, e.method}
		first, again := taken[place]
		switch {
		case !again:
			taken[place] = routed{e.function, e.from}
			p.add(path, e)
		case first.function != e.function && e.url:
			r.leave(e.from, "a function URL has a host of its own, and %s has / already: add a route with host, or make one with `aws lambda create-function-url-config` against Teal", first.function)
			continue
		case first.function != e.function:
			r.leave(e.from, "%s of %s would be the same route as line %d, to %s: a path of Teal has everything below it, and no parameters", methodAnd(e.path, e.method), e.function, first.from.at.Line, first.function)
			continue
		}
		if strings.Contains(rest, "{") && !strings.HasPrefix(rest, "/{proxy+}") {
			r.change(e.from, "becomes %s and everything below it: pathParameters of the event is empty, the path is in %s", path, pathKey(e.payload))
		}
	}
	slices.SortStableFunc(p.routes, func(a, b route) int { return cmp.Compare(a.from.at.Line, b.from.at.Line) })
	p.payloads(r, order)
}

const authorized = "callers are authorized there, and Teal's gateway has no authorizers: a route would be open to everybody; let the function look, then add the route"

// open returns the endpoints that everybody may call. One that would open a closed one of
// its function is left out with it: a route has everything below its path.
func (r *report) open(endpoints []endpoint) []endpoint {
	var open []endpoint
	for _, e := range endpoints {
		if e.closed {
			r.leave(e.from, "%s", authorized)
			continue
		}
		i := slices.IndexFunc(endpoints, func(c endpoint) bool { return c.closed && e.wouldOpen(c) })
		if i >= 0 {
			r.leave(e.from, "its route would have everything below it, and with it %s of line %d, where callers are authorized", methodAnd(endpoints[i].path, endpoints[i].method), endpoints[i].from.at.Line)
			continue
		}
		open = append(open, e)
	}
	return open
}

// wouldOpen reports whether the route of e would lead calls for c to c's function.
func (e endpoint) wouldOpen(c endpoint) bool {
	above, _ := e.prefix()
	path, _ := c.prefix()
	covers := above == "/" || path == above || strings.HasPrefix(path, above+"/")
	return covers && !e.url && e.function == c.function && (e.method == c.method || e.method == "" || c.method == "")
}

func methodAnd(path, method string) string {
	if method == "" {
		return path
	}
	return method + " " + path
}

func pathKey(payload string) string {
	if payload == "1.0" {
		return "path"
	}
	return "rawPath"
}

// add adds a method to the route of its place and function, or a route.
func (p *plan) add(path string, e endpoint) {
	if e.method != "" {
		for i, rt := range p.routes {
			if rt.path == path && rt.function == e.function && len(rt.methods) > 0 {
				p.routes[i].methods = append(rt.methods, e.method)
				return
			}
		}
	}
	added := route{path: path, function: e.function, from: e.from}
	if e.method != "" {
		added.methods = []string{e.method}
	}
	p.routes = append(p.routes, added)
}

// payloads gives each function the event format of its first endpoint.
func (p *plan) payloads(r *report, endpoints []endpoint) {
	for _, e := range endpoints {
		f := p.function(e.function)
		switch {
		case f == nil:
		case f.payload.text == "":
			f.payload = leaf{e.payload, e.from}
		case f.payload.text != e.payload:
			r.change(e.from, "gets events in format %s, as line %d has it: a function has one format in Teal", f.payload.text, f.payload.from.at.Line)
		}
	}
	for _, f := range p.functions {
		if f.payload.text == teal.DefaultPayload {
			f.payload = leaf{}
		}
	}
}

// method reads a method of an API Gateway; "" is for any.
func (r *report) method(text string, at place) (method string, ok bool) {
	method = strings.ToUpper(strings.TrimSpace(text))
	switch method {
	case "ANY", "*", "X-AMAZON-APIGATEWAY-ANY-METHOD":
		return "", true
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method, true
	}
	r.fail(at, "%q is not a method; expected get, post, put, patch, delete, head, options or any", text)
	return "", false
}

package manifest

import (
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"teal"
)

// route reads the i-th route.
func (r *reading) route(i int, read route) teal.Route {
	at := func(key string) []string { return []string{"routes", strconv.Itoa(i), key} }
	out := teal.Route{Host: r.host(at("host"), read.Host), Path: read.Path, Methods: read.Methods, To: read.To, Strip: read.Strip}
	switch {
	case read.Redirect != "":
		out.Redirect = &teal.Redirect{To: read.Redirect, Status: read.Status, Exact: read.KeepPath != nil && !*read.KeepPath}
	case read.Status != 0:
		r.at(at("status"), "is for a redirect; write redirect, or leave it out")
	case read.KeepPath != nil:
		r.at(at("keep_path"), "is for a redirect; write redirect, or leave it out")
	}
	return out
}

// hostPort is host for one that may have a port.
func (r *reading) hostPort(at []string, host string) string {
	name, port, has := strings.Cut(host, ":")
	if !has || strings.Contains(port, ":") {
		return r.host(at, host)
	}
	return r.host(at, name) + ":" + port
}

// host returns a host as DNS has it, when it is written as people write it: bücher.example
// is xn--bcher-kva.example.
func (r *reading) host(at []string, host string) string {
	if !strings.ContainsFunc(host, func(c rune) bool { return c > 0x7f }) || strings.ContainsAny(host, "/:") {
		return host
	}
	name, wildcard := strings.CutPrefix(host, "*.")
	ascii, err := idna.Lookup.ToASCII(name)
	switch {
	case err != nil:
		r.at(at, "%q is not a host name: %s", host, strings.TrimPrefix(err.Error(), "idna: "))
		return ""
	case ascii == "":
		r.at(at, "%q is not a host name: nothing is left of it in DNS", host)
		return ""
	case wildcard:
		return "*." + ascii
	}
	return ascii
}

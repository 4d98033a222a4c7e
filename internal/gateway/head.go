package gateway

import "teal"

// Head is what a request says about where it wants to go.
type Head struct {
	Host string // as sent: any case, with or without port
	Path string // as sent, percent-encoded; starts with "/"
	// Method is what the routes are asked for; "" is any.
	Method string
	// Version and Alias are the values of the override headers, "" for none.
	Version string
	Alias   string
}

// selector says how the version is chosen: by number, by the named alias, or,
// as its zero value, by live.
type selector struct {
	version teal.VersionRef
	alias   string
}

func (s selector) overrides() bool { return s != selector{} }

func (s selector) aliasName() string {
	if s.alias == "" {
		return teal.AliasLive
	}
	return s.alias
}

func selectorOf(qualifier string) selector {
	if version, ok := teal.ParseVersionRef(qualifier); ok {
		return selector{version: version}
	}
	return selector{alias: qualifier}
}

func (h Head) selector() (selector, error) {
	switch {
	case h.Version == "":
		return selector{alias: h.Alias}, nil
	case h.Alias != "":
		return selector{}, PublicErrorf(teal.CodeInvalidInput, "the request asks for a version and for an alias; ask for one of them")
	}
	by := selectorOf(h.Version)
	if by.version == 0 {
		return selector{}, PublicErrorf(teal.CodeInvalidInput, "%q is not a version number; versions start at 1", h.Version)
	}
	return by, nil
}

// Excerpt returns what a client asked for, short enough for a sentence.
func Excerpt(host, path string) string {
	const enough = 200
	asked := host + path
	if len(asked) > enough {
		asked = asked[:enough] + "…"
	}
	return asked
}

package static

import (
	"encoding/base64"
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"teal"
	"teal/internal/gateway"
)

// resource is what a path leads to: one file, as it is and perhaps compressed.
type resource struct {
	plain      *representation
	compressed []*representation // the best first
}

// representation is a file as it is answered with: everything but what the request adds
// is made once.
type representation struct {
	*blob
	encoding    string // "" for the file as it is
	etag        string
	modified    string
	fields      []gateway.HeaderField
	notModified []gateway.HeaderField
}

// role is in which place a file is an answer.
type role int

const (
	asItself    role = iota // to its own path
	asFallback              // in place of a page that is not there
	asNotFound              // with status 404
	asOtherwise             // likewise, where other requests get a page in its place
)

// isMissing reports whether the answer says that there is no file.
func (r role) isMissing() bool { return r == asNotFound || r == asOtherwise }

// encodings are those of the files that may lie beside one, by their endings, the best
// first.
var encodings = []struct{ ending, name string }{{".br", "br"}, {".zst", "zstd"}, {".gz", "gzip"}}

// compiler makes what is answered of files.
type compiler struct {
	blobs    map[string]*blob
	hashed   hashes
	modified string
	cache    []rule[string]
	headers  []rule[map[string]string]
}

// rule is what holds for the files that a pattern matches.
type rule[T any] struct {
	pattern string
	value   T
}

func newCompiler(cfg Config, blobs map[string]*blob) *compiler {
	return &compiler{
		blobs: blobs, hashed: hashesOf(blobs), modified: cfg.Modified.UTC().Format(timeFormat),
		cache: rules(cfg.Static.Cache), headers: rules(cfg.Static.Headers),
	}
}

// timeFormat is that of dates in heads (RFC 9110, 5.6.7).
const timeFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// rules returns the rules by the length of their patterns, the shortest first.
func rules[T any](of map[string]T) []rule[T] {
	list := make([]rule[T], 0, len(of))
	for _, pattern := range slices.Sorted(maps.Keys(of)) {
		list = append(list, rule[T]{pattern, of[pattern]})
	}
	slices.SortStableFunc(list, func(a, b rule[T]) int { return len(a.pattern) - len(b.pattern) })
	return list
}

// resource makes what is answered with the file of a name, which must be there.
func (c *compiler) resource(name string, as role) *resource {
	found := &resource{}
	for _, e := range encodings {
		if beside := c.blobs[name+e.ending]; beside != nil {
			found.compressed = append(found.compressed, &representation{blob: beside, encoding: e.name})
		}
	}
	found.plain = &representation{blob: c.blobs[name]}
	vary := varyOf(as, len(found.compressed) > 0)
	for _, r := range append(found.compressed, found.plain) {
		c.describe(r, name, as, vary)
	}
	return found
}

// varyOf says which fields of a request the answer depends on.
func varyOf(as role, compressed bool) string {
	var names []string
	if as == asFallback || as == asOtherwise { // see isNavigation
		names = append(names, "Accept", "Sec-Fetch-Dest")
	}
	if compressed {
		names = append(names, "Accept-Encoding")
	}
	return strings.Join(names, ", ")
}

// describe makes the fields of a representation.
func (c *compiler) describe(r *representation, name string, as role, vary string) {
	r.etag = `"` + base64.RawURLEncoding.EncodeToString(r.sum[:16]) + `"`
	r.modified = c.modified
	own := c.ownHeaders(name)
	always := []gateway.HeaderField{{Name: "Cache-Control", Value: c.cacheControl(name, as)}}
	if vary != "" {
		always = append(always, gateway.HeaderField{Name: "Vary", Value: vary})
	}
	if !as.isMissing() {
		always = append(always, gateway.HeaderField{Name: "Etag", Value: r.etag})
	}
	kind, isOwn := own["Content-Type"]
	if !isOwn {
		kind = typeOf(name)
	}
	delete(own, "Content-Type")
	for _, field := range slices.Sorted(maps.Keys(own)) {
		always = append(always, gateway.HeaderField{Name: field, Value: own[field]})
	}
	r.notModified = always
	r.fields = append(slices.Clone(always), gateway.HeaderField{Name: "Content-Type", Value: kind})
	if r.encoding != "" {
		r.fields = append(r.fields, gateway.HeaderField{Name: "Content-Encoding", Value: r.encoding})
	}
	if !as.isMissing() {
		r.fields = append(r.fields,
			gateway.HeaderField{Name: "Last-Modified", Value: r.modified}, gateway.HeaderField{Name: "Accept-Ranges", Value: "bytes"})
	}
}

// ownHeaders returns the fields that the patterns which match a file give it, by their
// names in one form.
func (c *compiler) ownHeaders(name string) map[string]string {
	own := map[string]string{}
	for _, r := range c.headers {
		if !teal.MatchPattern(r.pattern, name) {
			continue
		}
		for field, value := range r.value {
			own[textproto.CanonicalMIMEHeaderKey(field)] = value
		}
	}
	return own
}

// cacheControl says how a file may be cached: by the patterns, else for ever where its
// name has a hash, else not without asking. A page that stands for others is asked for
// again whatever its own name says.
func (c *compiler) cacheControl(name string, as role) string {
	if as.isMissing() {
		return teal.CacheNo
	}
	value := teal.CacheNo
	if as == asItself && c.hashed.has(name) {
		value = teal.CacheImmutable
	}
	for _, r := range c.cache {
		if teal.MatchPattern(r.pattern, name) {
			value = r.value
		}
	}
	control, err := teal.CacheControl(value)
	if err != nil {
		return teal.CacheNo // of a record that somebody has written by hand
	}
	return control
}

package static

import (
	"strconv"
	"strings"

	"teal"
	"teal/internal/gateway"
)

// The statuses that files are answered with.
const (
	statusOK                  = 200
	statusPartialContent      = 206
	statusMovedPermanently    = 301
	statusNotModified         = 304
	statusNotFound            = 404
	statusPreconditionFailed  = 412
	statusRangeNotSatisfiable = 416
)

// answer decides what is answered to a GET or HEAD.
func (x *index) answer(r gateway.FileRequest) (gateway.FileAnswer, error) {
	found, folder, ok := x.lookup(r.Path)
	// A path that ends without a slash is no folder's, also where the route has left out
	// all of it: what the page names would be looked for beside the folder.
	if ok && (folder || found != nil && r.Path == "/" && !strings.HasSuffix(r.Sent, "/")) {
		return redirect(r), nil
	}
	if found == nil && ok && x.fallback != nil && isNavigation(r) {
		found = x.fallback
	}
	if found != nil {
		return found.negotiate(r.AcceptEncoding).answer(r), nil
	}
	if x.notFound == nil {
		return gateway.FileAnswer{}, gateway.PublicErrorf(teal.CodeNotFound, "there is no file at this address")
	}
	page := x.notFound.negotiate(r.AcceptEncoding)
	return gateway.FileAnswer{Status: statusNotFound, Fields: page.fields, File: page.blob, Length: page.size}, nil
}

// redirect leads to the folder that a path without the slash at its end means.
func redirect(r gateway.FileRequest) gateway.FileAnswer {
	// Browsers read a backslash as a slash, and two slashes at the beginning name a host.
	to := "/" + strings.TrimLeft(strings.ReplaceAll(r.Sent, `\`, "%5C"), "/") + "/"
	if r.Query != "" {
		to += "?" + r.Query
	}
	return gateway.FileAnswer{Status: statusMovedPermanently, Fields: uncached, Location: to}
}

// uncached is about what another version may answer differently.
var uncached = []gateway.HeaderField{{Name: "Cache-Control", Value: teal.CacheNo}}

// isNavigation reports whether a browser goes to a page, and does not fetch what belongs
// to one: a script that is missing must not be answered with a page.
func isNavigation(r gateway.FileRequest) bool {
	switch r.FetchedFor {
	case "", "document", "iframe", "frame", "embed", "object", "empty":
	default:
		return false
	}
	name, ok := nameOf(r.Path)
	return ok && isPage(name) && !IsHashed(name) && !teal.IsHiddenFile(name) && acceptsPages(r.Accept)
}

// acceptsPages reports whether an Accept header names pages. One that takes everything
// names none: programs send it.
func acceptsPages(accept string) bool {
	for item := range strings.SplitSeq(accept, ",") {
		kind, parameters, _ := strings.Cut(item, ";")
		kind = strings.TrimSpace(kind)
		if (strings.EqualFold(kind, "text/html") || strings.EqualFold(kind, "application/xhtml+xml")) && quality(parameters) > 0 {
			return true
		}
	}
	return false
}

// answer decides what of a representation is answered.
func (r *representation) answer(q gateway.FileRequest) gateway.FileAnswer {
	switch r.precondition(q) {
	case failed:
		return gateway.FileAnswer{Status: statusPreconditionFailed, Fields: uncached}
	case unchanged:
		return gateway.FileAnswer{Status: statusNotModified, Fields: r.notModified, Length: -1}
	}
	whole := gateway.FileAnswer{Status: statusOK, Fields: r.fields, File: r.blob, Length: r.size}
	if q.Range == "" || q.Method != "GET" || q.IfRange != "" && !r.isSame(q.IfRange) {
		return whole
	}
	part, sort := parseRange(q.Range, r.size)
	switch sort {
	case rangeUnsatisfiable:
		return gateway.FileAnswer{Status: statusRangeNotSatisfiable, Fields: uncached, ContentRange: "bytes */" + strconv.FormatInt(r.size, 10)}
	case rangeIgnored:
		return whole
	}
	whole.Status = statusPartialContent
	whole.Offset, whole.Length = part.from, part.length
	whole.ContentRange = part.of(r.size)
	return whole
}

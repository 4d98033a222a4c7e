package teal

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Static is files that Teal itself answers with: those of a bundle, without a process.
type Static struct {
	Code  string `json:"code"`  // digest of the bundle
	Index string `json:"index"` // the file that a folder is answered with
	// Fallback is the file that a page which is not there is answered with, for
	// applications that find their pages in the browser; "" is none.
	Fallback string `json:"fallback,omitempty"`
	NotFound string `json:"not_found,omitempty"` // the page that comes with 404; "" is none
	// Cache says, by pattern, what Cache-Control says: see CacheControl. Of several
	// patterns that match a file the longest counts.
	Cache map[string]string `json:"cache,omitempty"`
	// Headers are further fields, by pattern and name. All patterns that match a file
	// count, and of one name that of the longest.
	Headers map[string]map[string]string `json:"headers,omitempty"`
}

// DefaultIndex is the file that a folder of static files is answered with.
const DefaultIndex = "index.html"

// Values of Static.Cache besides durations, and what Cache-Control says of them.
const (
	CacheImmutable = "immutable"
	CacheNo        = "no-cache"
	CacheNoStore   = "no-store"

	immutableFor = "public, max-age=31536000, immutable"
)

// CacheControl returns what Cache-Control says for a value of Static.Cache: immutable,
// no-cache, no-store, or how long a copy may be used, such as 1h.
func CacheControl(value string) (string, error) {
	switch value {
	case CacheImmutable:
		return immutableFor, nil
	case CacheNo, CacheNoStore:
		return value, nil
	}
	d, err := ParseDuration(value)
	if err != nil || d < time.Second || d%time.Second != 0 || d > 10*365*24*time.Hour {
		return "", Errorf(CodeInvalidInput, "%q does not say how to cache; use immutable, no-cache, no-store, or a time in whole seconds such as 1h", value)
	}
	return fmt.Sprintf("public, max-age=%d", int64(d/time.Second)), nil
}

// MaxStaticPatterns bounds the patterns of Static.Cache, and those of Static.Headers.
const MaxStaticPatterns = 100

func (c *checker) static(at []string, s *Static) {
	below := func(keys ...string) []string { return append(slices.Clone(at), keys...) }
	c.digest(below("folder"), s.Code)
	c.file(below("index"), s.Index, true)
	c.file(below("fallback"), s.Fallback, false)
	c.file(below("404"), s.NotFound, false)
	if strings.Contains(s.Index, "/") {
		c.addf(below("index"), "%q is a path; write the name that the file has in every folder, such as index.html", s.Index)
	}
	for _, pattern := range slices.Sorted(maps.Keys(s.Cache)) {
		c.pattern(below("cache", pattern), pattern)
		if _, err := CacheControl(s.Cache[pattern]); err != nil {
			c.addf(below("cache", pattern), "%s", err)
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(s.Headers)) {
		c.pattern(below("headers", pattern), pattern)
		fields := s.Headers[pattern]
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if err := checkStaticHeader(name, fields[name]); err != nil {
				c.addf(below("headers", pattern, name), "%s", err)
			}
		}
	}
	if most := max(len(s.Cache), len(s.Headers)); most > MaxStaticPatterns {
		c.addf(at, "has %d patterns; at most %d are allowed", most, MaxStaticPatterns)
	}
}

// file refuses what is no clean path of a file in the folder that is served.
func (c *checker) file(at []string, name string, needed bool) {
	switch {
	case name == "" && !needed:
	case name == "" || strings.HasPrefix(name, "/") || path.Clean(name) != name || name == "." || name == ".." || strings.HasPrefix(name, "../") || strings.ContainsRune(name, 0):
		c.addf(at, "%q is not a file of the folder; write its path in it, such as index.html", name)
	case IsHiddenFile(name):
		c.addf(at, "%q begins with a dot, and such files are not served; give it another name", name)
	}
}

// IsHiddenFile reports whether the path of a file, relative to the folder that is served,
// has a part that begins with a dot. .well-known at its beginning is none.
func IsHiddenFile(name string) bool {
	if rest, known := strings.CutPrefix(name, ".well-known/"); known {
		name = rest
	}
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
}

func (c *checker) pattern(at []string, pattern string) {
	if err := CheckPattern(pattern); err != nil {
		c.addf(at, "%s", err)
	}
}

// CheckPattern returns an error that says what is wrong with a pattern for static files,
// or nil: see MatchPattern.
func CheckPattern(pattern string) error {
	for segment := range strings.SplitSeq(strings.TrimPrefix(pattern, "/"), "/") {
		if _, err := path.Match(segment, ""); err != nil || segment == "" || len(pattern) > 1024 {
			return Errorf(CodeInvalidInput, "%q is not a pattern; write one for names such as *.html, or one for paths such as /assets/** or /fonts/*.woff2", pattern)
		}
	}
	return nil
}

// MatchPattern reports whether a pattern matches the path of a file, relative to the
// folder that is served. One without a slash is for the names of files, wherever they
// are; another one is for whole paths, in which ** stands for any number of folders and
// files. *, ? and [a-z] are those of path.Match.
func MatchPattern(pattern, file string) bool {
	if !strings.Contains(pattern, "/") && pattern != "**" {
		matched, err := path.Match(pattern, path.Base(file))
		return err == nil && matched
	}
	return matchSegments(strings.Split(strings.TrimPrefix(pattern, "/"), "/"), strings.Split(file, "/"))
}

// matchSegments keeps one fallback alone, to the last **, so that its time is bounded by
// the product of the lengths.
func matchSegments(pattern, file []string) bool {
	p, f, star, from := 0, 0, -1, 0
	for f < len(file) {
		if p < len(pattern) && pattern[p] == "**" {
			star, from = p, f
			p++
			continue
		}
		if p < len(pattern) {
			if matched, err := path.Match(pattern[p], file[f]); err == nil && matched {
				p, f = p+1, f+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		p, f = star+1, from
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}

// aboutContent are the fields that follow from a file and how it is asked for.
var aboutContent = []string{"Content-Encoding", "Content-Length", "Content-Range", "Accept-Ranges", "Date", "Etag", "Last-Modified", "Location"}

func checkStaticHeader(name, value string) error {
	isName := func(other string) bool { return strings.EqualFold(name, other) }
	switch {
	case !tokenPattern.MatchString(name):
		return fmt.Errorf("%q is not the name of a header", name)
	case isName("Cache-Control"):
		return fmt.Errorf("%s is written under cache, by pattern", name)
	case reservedHeader(name) || slices.ContainsFunc(aboutContent, isName):
		return fmt.Errorf("%s is set by Teal and cannot be changed", name)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("%s has a value with a control character", name)
	}
	return nil
}

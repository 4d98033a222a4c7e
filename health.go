package teal

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Health says how to ask one instance whether it can take requests: a GET that must be
// answered with one of the statuses that are expected. What comes behind the head of the
// answer does not count.
type Health struct {
	Path     string   `json:"path"`
	Interval Duration `json:"interval"`
	Timeout  Duration `json:"timeout"`
	// Failures is how many checks in a row must fail before an instance that
	// was healthy gets no more requests.
	Failures int               `json:"failures"`
	Host     string            `json:"host,omitempty"` // the Host header; "" is the address of the instance
	Headers  map[string]string `json:"headers,omitempty"`
	// Expect holds statuses ("200") and classes of them ("2xx"); none is 200 to 399.
	Expect []string `json:"expect,omitempty"`
}

// isPlain reports whether nothing beyond path and pace is said.
func (h Health) isPlain() bool { return h.Host == "" && len(h.Headers) == 0 && len(h.Expect) == 0 }

var expectPattern = regexp.MustCompile(`^[1-5](xx|[0-9][0-9])$`)

// Expects reports whether a status is one of those that are expected.
func (h Health) Expects(status int) bool {
	if len(h.Expect) == 0 {
		return status >= 200 && status <= 399
	}
	text := strconv.Itoa(status)
	return slices.ContainsFunc(h.Expect, func(e string) bool {
		return e == text || len(text) == len(e) && strings.HasSuffix(e, "xx") && e[0] == text[0]
	})
}

// Expected says which statuses are expected, for a sentence.
func (h Health) Expected() string {
	if len(h.Expect) == 0 {
		return "a status from 200 to 399"
	}
	return strings.Join(h.Expect, " or ")
}

func (c *checker) health(path []string, h Health) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	switch {
	case !strings.HasPrefix(h.Path, "/"):
		c.addf(at("path"), "%q does not start with /", h.Path)
	case strings.ContainsFunc(h.Path, notInPath):
		c.addf(at("path"), "%q holds a character that a request's path cannot hold; percent-encode it", h.Path)
	}
	if h.Interval.Std() < 10*time.Millisecond {
		c.addf(at("interval"), "is %s; expected at least 10ms", h.Interval)
	}
	if h.Timeout.Std() < 10*time.Millisecond {
		c.addf(at("timeout"), "is %s; expected at least 10ms", h.Timeout)
	}
	if h.Failures < 1 {
		c.addf(at("failures"), "is %d; expected at least 1", h.Failures)
	}
	if err := checkHealthHost(h.Host); err != nil {
		c.addf(at("host"), "%s", err)
	}
	c.requestHeaders(at("headers"), h.Headers)
	for _, e := range h.Expect {
		switch {
		case !expectPattern.MatchString(e):
			c.addf(at("expect"), "%q is not a status; use one such as 200, or a class of them such as 2xx", e)
		case e[0] == '1':
			c.addf(at("expect"), "%q is no answer: another status follows it; use one from 200 on", e)
		}
	}
}

// checkHealthHost returns an error that says what is wrong with the host of health
// checks, or nil. It may have a port: applications that look at it exist.
func checkHealthHost(host string) error {
	name, port, has := strings.Cut(host, ":")
	if !has || name == "" || port == "" || strings.Trim(port, "0123456789") != "" {
		return checkRequestHost(host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has the port %s; ports go from 1 to 65535", host, port)
	}
	return checkRequestHost(name)
}

// requestHeaders looks at the headers of a request of Teal's own.
func (c *checker) requestHeaders(path []string, headers map[string]string) {
	c.headers(path, headers)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		switch {
		case strings.EqualFold(name, "Host"):
			c.addf(path, "%s is the name of the host; write it under host", name)
		case reservedHeader(name):
			c.addf(path, "%s is set by Teal and cannot be changed", name)
		}
	}
}

// headers looks at headers: their names are compared without regard to case.
func (c *checker) headers(path []string, headers map[string]string) {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		c.headerName(path, name)
		if strings.ContainsFunc(headers[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			c.addf(path, "%s has a value with a control character, such as a line break or a NUL byte", name)
		}
		lower := strings.ToLower(name)
		if first, again := seen[lower]; again {
			c.addf(path, "%s and %s are one header; keep one of them", first, name)
		}
		seen[lower] = name
	}
}

func (c *checker) headerName(path []string, name string) {
	if !tokenPattern.MatchString(name) {
		c.addf(path, "%q is not the name of a header", name)
	}
}

// checkRequestHost returns an error that says what is wrong with the host that a request
// of Teal's own asks for, or nil; "" is for none.
func checkRequestHost(host string) error {
	switch {
	case host == "":
		return nil
	case strings.HasPrefix(host, "*."):
		return fmt.Errorf("%q is many hosts, and a request asks for one", host)
	}
	return checkHost(host)
}

package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"teal"
)

// synthetic makes the requests of a transaction one after another, as one user
// with a browser does, until one is not answered as expected.
func (s releaseTask) synthetic(ctx context.Context, c teal.Check) teal.Finding {
	name := "check " + c.Name
	asked := fmt.Sprintf("the transaction %s%s", transactionText(c.Transaction), toComponent(c.To))
	v, err := s.visit(ctx, c.To)
	if err == nil {
		defer v.close()
		v.cookies, err = cookiejar.New(nil)
	}
	if err != nil {
		return s.finding(name, asked, teal.VerdictError, err.Error())
	}
	began := time.Now()
	captured := values{}
	var hide redactor
	for i, exchange := range c.Transaction {
		o := v.step(ctx, exchange, captured, &hide)
		if o.verdict != teal.VerdictPass {
			f := s.finding(name, asked, o.verdict, fmt.Sprintf("request %d of %d, %s: %s; expected was %s",
				i+1, len(c.Transaction), requestLine(exchange.Request), o.seen, expectation(exchange.Expect)))
			f.Output = o.output
			return f
		}
	}
	return s.finding(name, asked, teal.VerdictPass, fmt.Sprintf("all %d requests as expected in %s", len(c.Transaction), rounded(time.Since(began))))
}

// transactionText lists the requests of a transaction, for people.
func transactionText(exchanges []teal.Exchange) string {
	list := make([]string, len(exchanges))
	for i, exchange := range exchanges {
		list[i] = requestLine(exchange.Request)
	}
	return strings.Join(list, " → ")
}

// step makes one request of a transaction with what has been captured so far,
// and adds to that.
func (v *visitor) step(ctx context.Context, exchange teal.Exchange, captured values, hide *redactor) observation {
	request, err := captured.fill(exchange.Request)
	if err != nil {
		return observation{verdict: teal.VerdictError, seen: err.Error()}
	}
	*hide = hide.named(request.Headers)
	o := v.exchange(ctx, request, exchange.Expect, *hide)
	if o.verdict != teal.VerdictPass {
		return o
	}
	for _, name := range slices.Sorted(maps.Keys(exchange.Capture)) {
		value, verdict, err := capture(exchange.Capture[name], o.reply)
		if err != nil {
			body := hide.text(v.hide(string(o.body)))
			return observation{
				verdict: verdict, seen: fmt.Sprintf("%s could not be captured: %s (%s, %s)", name, err, o.seen, excerpt(body)),
				output: clip(body, maxOutput),
			}
		}
		captured[name] = value
		*hide = hide.value(value)
	}
	return o
}

// capture takes a value out of an answer. Where there is none, the verdict says
// whose fault that is.
func capture(from string, r reply) (string, teal.Verdict, error) {
	sort, what, _ := strings.Cut(from, ":")
	switch sort {
	case "json":
		document, err := decodeJSON(r)
		if err != nil {
			return "", teal.VerdictFail, err
		}
		value, err := lookUp(document, what)
		if err != nil {
			return "", teal.VerdictFail, err
		}
		return jsonText(value), "", nil
	case "header":
		if len(r.header.Values(what)) == 0 {
			return "", teal.VerdictFail, fmt.Errorf("there is no header %s", what)
		}
		return r.header.Get(what), "", nil
	case "regexp":
		expression, err := regexp.Compile(what)
		if err != nil {
			return "", teal.VerdictError, fmt.Errorf("%q is not a regular expression", what)
		}
		match := expression.FindSubmatch(r.body)
		if match == nil {
			return "", teal.VerdictFail, fmt.Errorf("nothing in the body matches %q", what)
		}
		return string(match[min(1, len(match)-1)]), "", nil
	}
	return "", teal.VerdictError, fmt.Errorf("%q is not a place; write json:PATH, header:NAME or regexp:EXPRESSION", from)
}

// values are what a transaction has captured, by name.
type values map[string]string

var placeholder = regexp.MustCompile(`\$\{[^{}]*\}`)

// fill returns the request with every ${name} replaced.
func (v values) fill(r teal.Request) (teal.Request, error) {
	var problems []error
	replace := func(text string, escape func(string) string) string {
		return placeholder.ReplaceAllStringFunc(text, func(found string) string {
			name := found[2 : len(found)-1]
			value, known := v[name]
			if !known {
				problems = append(problems, fmt.Errorf("no request before this one has captured %s", name))
			}
			return escape(value)
		})
	}
	// What is captured may be a whole path with a query, such as a header
	// Location; in a query of the request's own it is one value.
	path, query, hasQuery := strings.Cut(r.Path, "?")
	r.Path = pathOf(replace(path, asPath))
	if hasQuery {
		r.Path += "?" + replace(query, url.QueryEscape)
	}
	asItIs := func(value string) string { return value }
	headers := make(map[string]string, len(r.Headers))
	for name, value := range r.Headers {
		headers[name] = replace(value, asItIs)
	}
	r.Headers, r.Body = headers, replace(r.Body, asItIs)
	return r, errors.Join(problems...)
}

var escaped = regexp.MustCompile(`^%[0-9A-Fa-f]{2}`)

// asPath escapes what cannot stand in a path with a query.
func asPath(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 || c == '%' && !escaped.MatchString(value[i:]) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// pathOf takes the host from an absolute address: green is asked, whatever
// address it gives.
func pathOf(address string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if rest, found := strings.CutPrefix(address, scheme); found {
			if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i] == '/' {
				return rest[i:]
			}
			return "/"
		}
	}
	return address
}

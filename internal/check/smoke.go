package check

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"teal"
)

// smoke makes one request to green and looks at the answer.
func (s releaseTask) smoke(ctx context.Context, c teal.Check) teal.Finding {
	name := "check " + c.Name
	if c.Request == nil {
		return s.finding(name, "a request", teal.VerdictError, "the check says neither a request, a command nor a transaction")
	}
	asked := fmt.Sprintf("%s%s is answered with %s", requestLine(*c.Request), toComponent(c.To), expectation(c.Expect))
	v, err := s.visit(ctx, c.To)
	if err != nil {
		return s.finding(name, asked, teal.VerdictError, err.Error())
	}
	defer v.close()
	o := v.exchange(ctx, *c.Request, c.Expect, redactor(nil).named(c.Request.Headers))
	f := s.finding(name, asked, o.verdict, o.seen)
	f.Output = o.output
	return f
}

func toComponent(component string) string {
	if component == "" {
		return ""
	}
	return " of " + component
}

// requestLine is a request as people read it: nothing that was filled in.
func requestLine(r teal.Request) string { return methodOf(r) + " " + line(r.Path, maxExcerpt) }

// observation is what came of one request.
type observation struct {
	reply
	verdict teal.Verdict
	seen    string
	output  string // of an answer that is not as expected: its body
}

// exchange makes a request and holds its answer against what is expected.
func (v *visitor) exchange(ctx context.Context, r teal.Request, e teal.Expect, hide redactor) observation {
	answer, err := v.do(ctx, r)
	var unfit *errRequest
	switch {
	case errors.As(err, &unfit):
		return observation{verdict: teal.VerdictError, seen: err.Error()}
	case err != nil:
		return observation{verdict: teal.VerdictFail, seen: err.Error()}
	}
	o := observation{reply: answer, verdict: teal.VerdictPass}
	o.seen = fmt.Sprintf("status %d in %s", answer.status, rounded(answer.took))
	if wrong := mismatches(e, answer); len(wrong) > 0 {
		body := hide.text(v.hide(string(answer.body)))
		o.verdict = teal.VerdictFail
		o.seen = fmt.Sprintf("%s (%s, %s)", hide.text(v.hide(strings.Join(wrong, ", and "))), o.seen, excerpt(body))
		o.output = clip(body, maxOutput)
	}
	return o
}

// excerpt returns the beginning of a body in quotes, for a sentence.
func excerpt(body string) string {
	if body == "" {
		return "an empty body"
	}
	return "body " + strconv.Quote(line(body, maxExcerpt))
}

package teal

import (
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits on what a policy may ask for.
const (
	MaxSteps        = 100 // Linear1PercentEvery1Minutes has 99
	MaxChecks       = 100 // of the release, and again of each step
	MaxHooks        = 20  // at each point
	MaxExchanges    = 50  // of a transaction
	MaxWarmRequests = 100
	MaxWarmReplay   = 1000
	MaxWarmRounds   = 100
	MaxOutside      = 20 // queries, and again webhooks
	MaxFreezes      = 50
	MaxNotify       = 20
	MaxRetries      = 100
	MaxRepeat       = 1000
	MaxKeep         = 10_000
	MaxMinRequests  = 100_000_000
	MaxHold         = Duration(30 * 24 * time.Hour)  // of a step, a pause, a confidence period, a whole release
	MaxReady        = Duration(24 * time.Hour)       // of provisioning and of draining
	MaxCheckTimeout = Duration(time.Hour)            // of one attempt
	MaxHookTimeout  = Duration(24 * time.Hour)       //
	MaxFreeze       = Duration(366 * 24 * time.Hour) // of one window
	MinEvery        = Duration(100 * time.Millisecond)
	MaxAlpha        = 0.5
	MaxPolicy       = 256 * KiB // the whole, as JSON: every release keeps it
)

var (
	identifierPattern  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	placeholderPattern = regexp.MustCompile(`\$\{([^}]*)\}`)
	tokenPattern       = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // RFC 9110: methods and names of headers
	jsonPathPattern    = regexp.MustCompile(`^[^.]+(\.[^.]+)*$`)
)

// CronCheck returns an error that says what a cron expression must look like, or nil:
// internal/cron's Check. The domain knows no more of a freeze than that it has one.
type CronCheck func(expression string) error

// Check returns everything that is wrong with the policy for an app of that
// spec, in a stable order, with paths in the manifest's terms; none means that
// it can be followed. It also looks at the cron expressions of the spec's schedules,
// for which Spec.Check has nothing that reads them.
func (p Policy) Check(spec Spec, cron CronCheck) []Problem {
	c := &policyChecker{policy: p, spec: &spec, cron: cron, asked: map[string]string{}}
	return c.all()
}

// Validate returns what Check finds that needs no spec as one *Error with
// CodeInvalidInput, or nil.
func (p Policy) Validate(cron CronCheck) error {
	c := &policyChecker{policy: p, cron: cron, asked: map[string]string{}}
	return asError(c.all())
}

// ValidateFor returns Check's findings as one *Error with CodeInvalidInput, or
// nil.
func (p Policy) ValidateFor(spec Spec, cron CronCheck) error { return asError(p.Check(spec, cron)) }

func asError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return Errorf(CodeInvalidInput, "%s", strings.Join(lines, "\n"))
}

type policyChecker struct {
	checker
	policy Policy
	spec   *Spec // nil: nothing is known of the app
	cron   CronCheck
	// asked names what has taken a name under which an answer is kept while
	// green is judged.
	asked map[string]string
}

func (c *policyChecker) all() []Problem {
	p := c.policy
	if data, err := json.Marshal(p); err != nil {
		c.addf(c.at(), "holds a number that is none: %s", err)
	} else if Bytes(len(data)) > MaxPolicy {
		c.addf(c.at(), "holds %d bytes; at most %s are allowed", len(data), MaxPolicy)
	}
	c.steps(p)
	c.times(p)
	c.warm(p.Warm)
	c.count(c.at("checks"), "checks", len(p.Checks), MaxChecks)
	c.checks(c.at("checks"), p.Checks, 0)
	c.hooks(p.Hooks)
	c.judging(p.Judge)
	c.freezes(p.Freeze)
	if c.spec != nil {
		c.schedules(*c.spec)
	}
	c.count(c.at("notify"), "addresses", len(p.Notify), MaxNotify)
	for i, n := range p.Notify {
		c.url(c.at("notify", strconv.Itoa(i), "url"), n.URL)
	}
	return c.problems
}

// at returns the path of a key of the release.
func (c *policyChecker) at(keys ...string) []string { return append([]string{"release"}, keys...) }

// below returns the path of a key under path.
func below(path []string, keys ...string) []string { return append(slices.Clone(path), keys...) }

func (c *policyChecker) count(path []string, what string, n, most int) {
	if n > most {
		c.addf(path, "has %d %s; at most %d are allowed", n, what, most)
	}
}

// duration refuses what is outside of the bounds.
func (c *policyChecker) duration(path []string, d, low, high Duration) {
	switch {
	case d < low && low == 1:
		c.addf(path, "must be more than 0s")
	case d < low:
		c.addf(path, "is %s; expected at least %s", d, low)
	case d > high:
		c.addf(path, "is %s; expected at most %s", d, high)
	}
}

func (c *policyChecker) whole(path []string, n, low, high int) {
	if n < low || n > high {
		c.addf(path, "is %d; expected %d to %d", n, low, high)
	}
}

func (c *policyChecker) word(path []string, word string, words ...string) {
	if word != "" && !slices.Contains(words, word) {
		c.addf(path, "%q is none of %s", word, strings.Join(words, ", "))
	}
}

func (c *policyChecker) steps(p Policy) {
	compiled, err := p.Compiled()
	switch {
	case err != nil:
		c.addf(c.at("strategy"), "%s", err)
	case len(compiled.Steps) != len(p.Steps):
		c.addf(c.at("strategy"), "%q stands for %d steps, which are missing", string(p.Strategy), len(compiled.Steps))
	}
	c.count(c.at("steps"), "steps", len(p.Steps), MaxSteps)
	last := Weight(0)
	for i, s := range p.Steps {
		at := c.at("steps", strconv.Itoa(i))
		switch {
		case s.Weight == All:
			c.addf(below(at, "weight"), "is everything, which green gets by itself after the last step; leave the step out")
		case s.Weight <= 0 || s.Weight > All:
			c.addf(below(at, "weight"), "is %s; expected more than 0 and less than 100", s.Weight)
		case s.Weight <= last:
			c.addf(below(at, "weight"), "is %s, and the step before has %s; every step must have more than the one before", s.Weight, last)
		}
		last = max(last, s.Weight)
		c.duration(below(at, "hold"), s.Hold, 0, MaxHold)
		c.count(below(at, "checks"), "checks", len(s.Checks), MaxChecks)
		c.checks(below(at, "checks"), s.Checks, i+1)
	}
}

func (c *policyChecker) times(p Policy) {
	c.duration(c.at("ready_within"), p.ReadyWithin, 1, MaxReady)
	c.duration(c.at("watch", "confidence"), p.Confidence, 0, MaxHold)
	c.duration(c.at("drain"), p.Drain, 0, MaxReady)
	c.duration(c.at("deadline"), p.Deadline, 0, MaxHold)
	c.duration(c.at("max_pause"), p.MaxPause, 0, MaxHold)
	var holds Duration
	for _, s := range p.Steps {
		holds += min(max(s.Hold, 0), MaxHold)
	}
	if p.Deadline > 0 && p.Deadline <= holds {
		c.addf(c.at("deadline"), "is %s, and the steps alone last %s; a release could never end well", p.Deadline, holds)
	}
	c.word(c.at("on_new_version"), string(p.OnNewVersion), string(OnNewVersionReject), string(OnNewVersionQueue), string(OnNewVersionReplace))
	c.whole(c.at("keep"), p.Keep, 0, MaxKeep)
}

func (c *policyChecker) warm(w Warm) {
	c.count(c.at("warm", "requests"), "requests", len(w.Requests), MaxWarmRequests)
	for i, r := range w.Requests {
		at := c.at("warm", "requests", strconv.Itoa(i))
		c.request(at, r)
		c.reachable(at, "")
	}
	c.whole(c.at("warm", "replay"), w.Replay, 0, MaxWarmReplay)
	c.whole(c.at("warm", "rounds"), w.Rounds, 0, MaxWarmRounds)
	if w.Within < 0 || w.Within > 1000 || math.IsNaN(w.Within) {
		c.addf(c.at("warm", "within"), "is %v; expected more than 0 and at most 1000", w.Within)
	}
	if w.Within > 0 && len(w.Requests) == 0 && w.Replay == 0 {
		c.addf(c.at("warm", "within"), "measures warm-ups, of which there are none; add requests or replay")
	}
	c.duration(c.at("warm", "timeout"), w.Timeout, 0, MaxCheckTimeout)
}

// reachable refuses to ask a component that the app does not have, or an app
// without routes.
func (c *policyChecker) reachable(path []string, to string) {
	if c.spec == nil {
		return
	}
	if _, ok := c.spec.Components[to]; !ok && to != "" {
		c.addf(below(path, "to"), "%q is not a component of the app; it has %s", to, strings.Join(slices.Sorted(maps.Keys(c.spec.Components)), ", "))
	}
	if to == "" && len(c.spec.Routes) == 0 {
		c.addf(path, "asks the app by its routes, of which it has none; add a route")
	}
}

// checks looks at the checks of the release (step 0) or of a step.
func (c *policyChecker) checks(path []string, list []Check, step int) {
	seen := map[string]bool{}
	for i, check := range list {
		at := below(path, strconv.Itoa(i))
		c.name("check", check.Name, below(at, "name")...)
		if seen[check.Name] {
			c.addf(below(at, "name"), "repeats the name %q", check.Name)
		}
		seen[check.Name] = true
		c.check(at, check)
		switch {
		case check.Every == 0:
		case step > 0:
			c.addf(below(at, "every"), "is for the checks of the release; those of a step are put once")
		case len(check.Command) > 0:
			c.addf(below(at, "every"), "is for requests and transactions; a command is run once")
		default:
			c.duration(below(at, "every"), check.Every, MinEvery, MaxHold)
			c.ask(below(at, "name"), "check", check.Name)
		}
	}
}

// ask refuses a name that something else has which is asked while green is
// judged.
func (c *policyChecker) ask(path []string, sort, name string) {
	if other, taken := c.asked[name]; taken && other != sort {
		c.addf(path, "the name %q is taken by a %s; their answers could not be told apart", name, other)
	}
	c.asked[name] = sort
}

func (c *policyChecker) check(at []string, k Check) {
	switch n := set(k.Request != nil, len(k.Command) > 0, len(k.Transaction) > 0); {
	case n == 0:
		c.addf(at, "asks nothing; add request, command or transaction")
		return
	case n > 1:
		c.addf(at, "is more than one of request, command and transaction; make it several checks")
		return
	}
	c.duration(below(at, "timeout"), k.Timeout, 1, MaxCheckTimeout)
	c.whole(below(at, "retries"), k.Retries, 0, MaxRetries)
	c.whole(below(at, "repeat"), k.Repeat, 0, MaxRepeat)
	if len(k.Command) > 0 {
		if k.To != "" {
			c.addf(below(at, "to"), "is for requests and transactions; a command finds the app by TEAL_PREVIEW_URL")
		}
		c.program(at, k.Command, k.Code, k.Env)
		c.secrets(below(at, "env"), k.Secrets, k.Env)
	} else {
		if k.Code != "" || len(k.Env)+len(k.Secrets) > 0 {
			c.addf(at, "has code or env, which only a command has")
		}
		c.reachable(at, k.To)
	}
	if k.Request != nil {
		c.request(below(at, "request"), *k.Request)
		c.expect(below(at, "expect"), k.Expect)
	} else if !k.Expect.IsZero() {
		c.addf(below(at, "expect"), "belongs to a request; a command says by its exit code how it went, and a transaction has expectations in its requests")
	}
	c.transaction(below(at, "transaction"), k.Transaction)
}

// IsZero reports whether nothing is expected.
func (e Expect) IsZero() bool {
	return e.Status == 0 && e.Body == "" && len(e.Headers) == 0 && len(e.JSON) == 0 && e.Within == 0
}

func set(list ...bool) int {
	n := 0
	for _, is := range list {
		if is {
			n++
		}
	}
	return n
}

// program looks at a command and what it runs in. Without code it runs in an
// empty folder.
func (c *policyChecker) program(at []string, command []string, code string, env map[string]string) {
	c.command(below(at, "command"), command, "./itest.sh")
	if code != "" {
		c.digest(below(at, "code"), code)
	}
	c.env(below(at, "env"), env)
}

func (c *policyChecker) request(at []string, r Request) {
	if r.Method != "" && (!tokenPattern.MatchString(r.Method) || r.Method != strings.ToUpper(r.Method)) {
		c.addf(below(at, "method"), "%q is not a method; write it in capitals, such as POST", r.Method)
	}
	switch {
	case !strings.HasPrefix(r.Path, "/"):
		c.addf(below(at, "path"), "%q does not start with /", r.Path)
	case strings.ContainsFunc(placeholderPattern.ReplaceAllString(r.Path, ""), notInPath):
		c.addf(below(at, "path"), "%q holds a character that a request's path cannot hold; percent-encode it", r.Path)
	}
	if err := checkRequestHost(r.Host); err != nil {
		c.addf(below(at, "host"), "%s", err)
	}
	c.requestHeaders(below(at, "headers"), r.Headers)
}

// reservedHeader reports whether a header decides which version is asked, or
// where a request ends.
func reservedHeader(name string) bool {
	switch strings.ToLower(name) {
	case "host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "teal-version", "teal-alias":
		return true
	}
	return false
}

func (c *policyChecker) expect(at []string, e Expect) {
	if e.Status != 0 {
		c.whole(below(at, "status"), e.Status, 100, 599)
	}
	c.headers(below(at, "headers"), e.Headers)
	for _, path := range slices.Sorted(maps.Keys(e.JSON)) {
		c.jsonPath(below(at, "json"), path)
	}
	c.duration(below(at, "within"), e.Within, 0, MaxCheckTimeout)
}

func (c *policyChecker) jsonPath(at []string, path string) {
	if !jsonPathPattern.MatchString(path) {
		c.addf(at, "%q is not a path; write keys and numbers joined by dots, such as items.0.name", path)
	}
}

func (c *policyChecker) transaction(at []string, list []Exchange) {
	c.count(at, "requests", len(list), MaxExchanges)
	known := map[string]bool{}
	for i, x := range list {
		here := below(at, strconv.Itoa(i))
		c.request(below(here, "request"), x.Request)
		c.expect(below(here, "expect"), x.Expect)
		c.placeholders(below(here, "request"), x.Request, known)
		for _, name := range slices.Sorted(maps.Keys(x.Capture)) {
			c.capture(below(here, "capture"), name, x.Capture[name])
			known[name] = true
		}
	}
}

// placeholders refuses values that no earlier request has captured.
func (c *policyChecker) placeholders(at []string, r Request, known map[string]bool) {
	look := func(key, text string) {
		for _, m := range placeholderPattern.FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				c.addf(below(at, key), "${%s} has not been captured by an earlier request", m[1])
			}
		}
	}
	look("path", r.Path)
	look("body", r.Body)
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		look("headers", r.Headers[name])
	}
}

func (c *policyChecker) capture(at []string, name, from string) {
	if !identifierPattern.MatchString(name) {
		c.addf(at, "%q is not a name for a value; use letters, digits and underscores", name)
	}
	sort, what, _ := strings.Cut(from, ":")
	switch sort {
	case "json":
		c.jsonPath(below(at, name), what)
	case "header":
		c.headerName(below(at, name), what)
	case "regexp":
		switch re, err := regexp.Compile(what); {
		case err != nil:
			c.addf(below(at, name), "%q is not a regular expression: %s", what, err)
		case re.NumSubexp() == 0:
			c.addf(below(at, name), "%q has no group; put what is to be captured in parentheses", what)
		}
	default:
		c.addf(below(at, name), "%q does not say where the value is; write json:PATH, header:NAME or regexp:EXPRESSION", from)
	}
}

func (c *policyChecker) hooks(list []Hook) {
	index := map[HookPoint]int{}
	seen := map[[2]string]bool{}
	for _, h := range list {
		if !slices.Contains(HookPoints, h.Point) {
			c.addf(c.at("hooks", string(h.Point)), "is not a point at which hooks run; there are %s", joined(HookPoints))
			continue
		}
		at := c.at("hooks", string(h.Point), strconv.Itoa(index[h.Point]))
		index[h.Point]++
		c.name("hook", h.Name, below(at, "name")...)
		key := [2]string{string(h.Point), h.Name}
		if seen[key] {
			c.addf(below(at, "name"), "repeats the name %q", h.Name)
		}
		seen[key] = true
		c.hook(at, h)
	}
	for _, point := range HookPoints {
		c.count(c.at("hooks", string(point)), "hooks", index[point], MaxHooks)
	}
}

func joined(points []HookPoint) string {
	words := make([]string, len(points))
	for i, p := range points {
		words[i] = string(p)
	}
	return strings.Join(words, ", ")
}

func (c *policyChecker) hook(at []string, h Hook) {
	switch n := set(len(h.Command) > 0, h.URL != "", h.Function != ""); {
	case n == 0:
		c.addf(at, "does nothing; add command, url or function")
		return
	case n > 1:
		c.addf(at, "is more than one of command, url and function; make it several hooks")
		return
	}
	c.duration(below(at, "timeout"), h.Timeout, 1, MaxHookTimeout)
	switch {
	case len(h.Command) > 0:
		c.program(at, h.Command, h.Code, h.Env)
		c.secrets(below(at, "env"), h.Secrets, h.Env)
		return
	case h.URL != "":
		c.url(below(at, "url"), h.URL)
	default:
		c.hookFunction(below(at, "function"), h)
	}
	if h.Code != "" || len(h.Env)+len(h.Secrets) > 0 {
		c.addf(at, "has code or env, which only a command has")
	}
}

func (c *policyChecker) hookFunction(at []string, h Hook) {
	if h.Point == BeforeInstall {
		c.addf(at, "is a function of the new version, which does not run yet at BeforeInstall; use a command or a url")
	}
	if c.spec == nil || c.spec.Components[h.Function].Function != nil {
		return
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.spec.Components)) {
		if c.spec.Components[name].Function != nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	c.addf(at, "%q is not a function of the app; it has %s", h.Function, strings.Join(names, ", "))
}

func (c *policyChecker) judging(j Judging) {
	at := func(keys ...string) []string { return c.at(append([]string{"watch"}, keys...)...) }
	if j.ErrorRate != nil && (*j.ErrorRate < 0 || *j.ErrorRate > All) {
		c.addf(at("error_rate", "max"), "is %s; expected 0 to 100", *j.ErrorRate)
	}
	c.percentiles(at("latency"), j.Latency)
	if j.Compare != "" && j.Compare != AliasLive {
		c.addf(at("compare"), "%q is neither live nor none", j.Compare)
	}
	if j.Alpha < 0 || j.Alpha > MaxAlpha || math.IsNaN(j.Alpha) {
		c.addf(at("alpha"), "is %v; expected more than 0 and at most %v, such as 0.01", j.Alpha, MaxAlpha)
	}
	if j.Tolerance != nil && (*j.Tolerance < 0 || *j.Tolerance > All) {
		c.addf(at("tolerance"), "is %s; expected 0 to 100", *j.Tolerance)
	}
	c.whole(at("min_requests"), j.MinRequests, 0, MaxMinRequests)
	c.word(at("on_error"), string(j.OnError), string(DoubtHold), string(DoubtRollback), string(DoubtPromote))
	c.word(at("on_inconclusive"), string(j.OnInconclusive), string(DoubtHold), string(DoubtRollback), string(DoubtPromote))
	c.duration(at("doubt_after"), j.DoubtAfter, 0, MaxHold)
	c.word(at("new_errors"), string(j.NewErrors), string(NewErrorsNote), string(NewErrorsFail), string(NewErrorsIgnore))
	c.outside(at, j)
}

func (c *policyChecker) percentiles(at []string, p Percentiles) {
	lower, name := Duration(0), ""
	for _, one := range []struct {
		name  string
		limit Duration
	}{{"p50", p.P50}, {"p90", p.P90}, {"p95", p.P95}, {"p99", p.P99}} {
		c.duration(below(at, one.name), one.limit, 0, MaxCheckTimeout)
		if one.limit == 0 {
			continue
		}
		if one.limit < lower {
			c.addf(below(at, one.name), "is %s, less than %s (%s); a higher percentile is never faster", one.limit, name, lower)
		}
		lower, name = max(lower, one.limit), one.name
	}
}

func (c *policyChecker) outside(at func(...string) []string, j Judging) {
	c.count(at("queries"), "queries", len(j.Queries), MaxOutside)
	c.count(at("webhooks"), "webhooks", len(j.Webhooks), MaxOutside)
	queries, webhooks := map[string]bool{}, map[string]bool{}
	for i, q := range j.Queries {
		here := at("queries", strconv.Itoa(i))
		c.source(here, "query", q.Name, q.URL, q.Every, q.Timeout, queries)
		if strings.TrimSpace(q.Query) == "" {
			c.addf(below(here, "query"), "is empty; write PromQL that gives one number")
		}
		switch {
		case q.Min == nil && q.Max == nil:
			c.addf(here, "has no limit; add min, max or both")
		case notNumber(q.Min) || notNumber(q.Max):
			c.addf(here, "has a limit that is not a number")
		case q.Min != nil && q.Max != nil && *q.Min > *q.Max:
			c.addf(below(here, "min"), "is %v, more than max (%v)", *q.Min, *q.Max)
		}
	}
	for i, w := range j.Webhooks {
		c.source(at("webhooks", strconv.Itoa(i)), "webhook", w.Name, w.URL, w.Every, w.Timeout, webhooks)
	}
}

func notNumber(f *float64) bool { return f != nil && (math.IsNaN(*f) || math.IsInf(*f, 0)) }

// source looks at a judge outside of Teal.
func (c *policyChecker) source(at []string, sort, name, url string, every, timeout Duration, seen map[string]bool) {
	c.name(sort, name, below(at, "name")...)
	if seen[name] {
		c.addf(below(at, "name"), "repeats the name %q", name)
	}
	seen[name] = true
	c.ask(below(at, "name"), sort, name)
	c.url(below(at, "url"), url)
	c.duration(below(at, "every"), every, MinEvery, MaxHold)
	c.duration(below(at, "timeout"), timeout, 1, MaxCheckTimeout)
}

func (c *policyChecker) url(path []string, raw string) {
	if err := CheckURL(raw); err != nil {
		c.addf(path, "%s", err)
	}
}

// CheckURL returns an error that says what an address that Teal calls must look
// like, or nil: http or https, a host, and then whatever but a fragment.
func CheckURL(raw string) error {
	rest, ok := strings.CutPrefix(raw, "http://")
	if !ok {
		rest, ok = strings.CutPrefix(raw, "https://")
	}
	host := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host = rest[:i]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:] // what is before it is a user with a password
	}
	if !ok || len(raw) > 2048 || !validHostPort(host) || strings.ContainsAny(host, `%\`) || strings.ContainsFunc(rest, notInPath) || strings.Contains(rest, `\`) {
		return Errorf(CodeInvalidInput, "%q is not an address; write http://HOST:PORT/PATH or https://HOST/PATH, without a fragment", raw)
	}
	return nil
}

func (c *policyChecker) freezes(list []Freeze) {
	c.count(c.at("freeze"), "windows", len(list), MaxFreezes)
	for i, f := range list {
		at := c.at("freeze", strconv.Itoa(i))
		if err := c.cron(f.Cron); err != nil {
			c.addf(below(at, "cron"), "%s", err)
		}
		c.duration(below(at, "for"), f.For, 1, MaxFreeze)
		if _, err := f.Zone(); err != nil {
			c.addf(below(at, "time_zone"), "%s", err)
		}
	}
}

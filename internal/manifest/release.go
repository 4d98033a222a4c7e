package manifest

import (
	"cmp"
	"slices"
	"strconv"

	"teal"
	"teal/internal/cron"
)

// program is a command of a check or a hook.
type program struct {
	key     string   // in Manifest.Code
	at      []string // where the check or hook is
	command []string
}

// policy returns the release policy that the section stands for, and reports
// what the domain could not tell any more: it takes zero for a default.
func (r *reading) policy(rel release) teal.Policy {
	p := teal.Policy{
		Strategy: teal.Strategy(rel.Strategy), Steps: r.steps(rel.Steps),
		ReadyWithin: rel.ReadyWithin, Confidence: rel.Watch.Confidence, Drain: rel.Drain,
		Deadline: rel.Deadline, MaxPause: rel.MaxPause, OnNewVersion: teal.OnNewVersion(rel.OnNewVersion),
		Warm:   r.warm(rel.Warm),
		Checks: r.checks([]string{"release", "checks"}, rel.Checks, 0),
		Hooks:  r.hooks(rel.Hooks),
		Judge:  r.judging(rel.Watch),
		Keep:   rel.Keep,
	}
	for _, f := range rel.Freeze {
		p.Freeze = append(p.Freeze, teal.Freeze{Cron: f.Cron, For: f.For, TimeZone: cmp.Or(f.TimeZone, "UTC"), Reason: f.Reason})
	}
	for _, n := range rel.Notify {
		p.Notify = append(p.Notify, teal.Notify{URL: n.URL, Slack: n.Slack})
	}
	r.manifest.Stepped = len(p.Steps) > 0
	compiled, err := p.Compiled()
	if err != nil {
		return p // Policy.Check says why
	}
	return compiled
}

// atLeast reports a number that was written and is too small.
func atLeast[T int | float64](r *reading, n *T, low T, path ...string) T {
	if n == nil {
		return 0
	}
	if *n < low || *n == 0 {
		what := "at least " + strconv.FormatFloat(float64(low), 'g', -1, 64)
		if low == 0 {
			what = "more than 0"
		}
		r.at(path, "is %v; expected %s", *n, what)
	}
	return *n
}

// orStandard returns a duration that was written, or the standard one.
func orStandard(d *teal.Duration, std teal.Duration) teal.Duration {
	if d == nil {
		return std
	}
	return *d
}

func (r *reading) steps(list []step) []teal.Step {
	var steps []teal.Step
	for i, s := range list {
		at := []string{"release", "steps", strconv.Itoa(i), "checks"}
		steps = append(steps, teal.Step{Weight: teal.Weight(s.Weight), Hold: s.Hold, Approval: s.Approval, Checks: r.checks(at, s.Checks, i+1)})
	}
	return steps
}

// checks returns the checks of the release (step 0) or of a step.
func (r *reading) checks(path []string, list []check, step int) []teal.Check {
	var checks []teal.Check
	for i, c := range list {
		at := append(slices.Clone(path), strconv.Itoa(i))
		k := teal.Check{
			Name: c.Name, To: c.To, Expect: c.Expect.domain(), Command: texts(c.Command),
			Timeout: orStandard(c.Timeout, teal.DefaultCheckTimeout), Retries: c.Retries, Repeat: c.Repeat, Every: c.Every,
		}
		k.Env, k.Masked = r.programEnvironment(append(slices.Clone(at), "env"), c.Env)
		k.Secrets = secretsOf(c.Env)
		if c.Request != nil {
			request := r.request(append(slices.Clone(at), "request"), *c.Request)
			k.Request = &request
		}
		for j, x := range c.Transaction {
			in := append(slices.Clone(at), "transaction", strconv.Itoa(j), "request")
			k.Transaction = append(k.Transaction, teal.Exchange{Request: r.request(in, x.Request), Expect: x.Expect.domain(), Capture: textMap(x.Capture)})
		}
		if len(c.Command) > 0 {
			k.Timeout = orStandard(c.Timeout, teal.DefaultTestTimeout)
		}
		r.program(teal.TaskKey{Kind: teal.TaskCheck, Step: step, Name: c.Name}, at, k.Command, c.Code)
		checks = append(checks, k)
	}
	return checks
}

// program notes a command, which runs in code.
func (r *reading) program(key teal.TaskKey, at, command []string, code string) {
	switch {
	case len(command) > 0:
		r.manifest.Code[key.String()] = cmp.Or(code, ".")
		r.programs = append(r.programs, program{key: key.String(), at: at, command: command})
	case code != "":
		r.at(append(slices.Clone(at), "code"), "is for a command, of which there is none")
	}
}

func (r *reading) request(at []string, q request) teal.Request {
	host := r.host(append(slices.Clone(at), "host"), q.Host)
	return teal.Request{Method: q.Method, Path: q.Path, Host: host, Headers: textMap(q.Headers), Body: q.Body}
}

func (e expect) domain() teal.Expect {
	return teal.Expect{Status: e.Status, Body: e.Body, Headers: textMap(e.Headers), JSON: textMap(e.JSON), Within: e.Within}
}

func (r *reading) hooks(all hooks) []teal.Hook {
	var list []teal.Hook
	for i, at := range [][]hook{all.BeforeInstall, all.AfterInstall, all.AfterAllowTestTraffic, all.BeforeAllowTraffic, all.AfterAllowTraffic} {
		point := teal.HookPoints[i]
		for j, h := range at {
			name := cmp.Or(h.Name, "hook-"+strconv.Itoa(j+1))
			env, masked := r.programEnvironment([]string{"release", "hooks", string(point), strconv.Itoa(j), "env"}, h.Env)
			list = append(list, teal.Hook{
				Point: point, Name: name, Command: texts(h.Command), Env: env, Masked: masked, Secrets: secretsOf(h.Env),
				URL: h.URL, Function: h.Function, Timeout: orStandard(h.Timeout, teal.DefaultHookTimeout),
			})
			key := teal.TaskKey{Kind: teal.TaskHook, Name: string(point) + "/" + name}
			r.program(key, []string{"release", "hooks", string(point), strconv.Itoa(j)}, texts(h.Command), h.Code)
		}
	}
	return list
}

func (r *reading) warm(w warm) teal.Warm {
	at := []string{"release", "warm"}
	out := teal.Warm{
		Replay:  w.Replay,
		Rounds:  atLeast(r, w.Rounds, 1, append(at, "rounds")...),
		Within:  atLeast(r, w.Within, 0, append(at, "within")...),
		Timeout: orStandard(w.Timeout, 0),
	}
	if w.Timeout != nil && *w.Timeout == 0 {
		r.at(append(at, "timeout"), "must be more than 0s")
	}
	for i, q := range w.Requests {
		out.Requests = append(out.Requests, r.request(append(slices.Clone(at), "requests", strconv.Itoa(i)), q))
	}
	return out
}

func (r *reading) judging(w watch) teal.Judging {
	at := func(keys ...string) []string { return append([]string{"release", "watch"}, keys...) }
	j := teal.Judging{
		ErrorRate:      (*teal.Weight)(w.ErrorRate.Max),
		Compare:        cmp.Or(w.Compare, teal.AliasLive),
		Alpha:          atLeast(r, w.Alpha, 0, at("alpha")...),
		Tolerance:      (*teal.Weight)(w.Tolerance),
		MinRequests:    atLeast(r, w.MinRequests, 1, at("min_requests")...),
		OnInconclusive: teal.OnDoubt(w.OnInconclusive), OnError: teal.OnDoubt(w.OnError), DoubtAfter: w.DoubtAfter,
		NewErrors: teal.NewErrors(w.NewErrors),
	}
	if w.Compare == "none" {
		j.Compare = ""
	}
	for _, p := range []struct {
		key   string
		limit *teal.Duration
		to    *teal.Duration
	}{{"p50", w.Latency.P50, &j.Latency.P50}, {"p90", w.Latency.P90, &j.Latency.P90}, {"p95", w.Latency.P95, &j.Latency.P95}, {"p99", w.Latency.P99, &j.Latency.P99}} {
		if *p.to = orStandard(p.limit, 0); p.limit != nil && *p.limit == 0 {
			r.at(at("latency", p.key), "must be more than 0s")
		}
	}
	for _, q := range w.Queries {
		j.Queries = append(j.Queries, teal.Query{Name: q.Name, URL: q.URL, Query: q.Query, Min: q.Min, Max: q.Max, Every: q.Every, Timeout: q.Timeout})
	}
	for _, h := range w.Webhooks {
		j.Webhooks = append(j.Webhooks, teal.Webhook{Name: h.Name, URL: h.URL, Every: h.Every, Timeout: h.Timeout})
	}
	return j
}

// policyWithCode returns a copy of a policy whose commands have the code that
// digest names.
func policyWithCode(p teal.Policy, digest func(key string) string) teal.Policy {
	checks := func(list []teal.Check, step int) []teal.Check {
		list = slices.Clone(list)
		for i, c := range list {
			if len(c.Command) > 0 {
				list[i].Code = digest(teal.TaskKey{Kind: teal.TaskCheck, Step: step, Name: c.Name}.String())
			}
		}
		return list
	}
	p.Checks = checks(p.Checks, 0)
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		p.Steps[i].Checks = checks(p.Steps[i].Checks, i+1)
	}
	p.Hooks = slices.Clone(p.Hooks)
	for i, h := range p.Hooks {
		if len(h.Command) > 0 {
			p.Hooks[i].Code = digest(teal.TaskKey{Kind: teal.TaskHook, Name: string(h.Point) + "/" + h.Name}.String())
		}
	}
	return p
}

// checkPolicy reports what the domain finds wrong, where the file says it.
func (r *reading) checkPolicy() {
	code := func(string) string { return anyDigest }
	problems := policyWithCode(r.manifest.Policy, code).Check(withCode(r.manifest.Spec, code), cron.Check)
	problems = slices.DeleteFunc(problems, func(p teal.Problem) bool {
		return r.covers(p.Path) || r.policyNoise(p)
	})
	for _, p := range problems {
		r.at(p.Path, "%s", p.Message)
	}
}

// policyNoise reports whether p may only repeat that something could not be
// read: a key of what it is about, or the components and routes that it names.
func (r *reading) policyNoise(p teal.Problem) bool {
	last := p.Path[len(p.Path)-1]
	if last == "to" || last == "function" {
		return r.coversSection()
	}
	_, err := strconv.Atoi(last)
	if err != nil {
		return false
	}
	return r.covers([]string{"routes"}) || slices.ContainsFunc(r.errors, func(e *Error) bool {
		return len(e.Path) > len(p.Path) && slices.Equal(e.Path[:len(p.Path)], p.Path)
	})
}

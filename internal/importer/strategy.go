package importer

import (
	"slices"

	"teal"
)

// preference says how a function's traffic is moved.
type preference struct {
	function string
	kind     string
	from     place
}

// release takes the slowest of the strategies that functions have: everything switches
// together. Hooks whose functions are not in the plan are listed.
func (p *plan) release(r *report, preferences []preference) {
	p.hooks = slices.DeleteFunc(p.hooks, func(h hook) bool {
		gone := p.function(h.function) == nil
		if gone {
			r.leave(h.from, "its function %s is left out", h.function)
		}
		return gone
	})
	for _, h := range p.hooks {
		r.change(h.from, `%s runs at %s: it says by its result whether it has passed, {"hookStatus": "SUCCEEDED"} or "FAILED"; calls of CodeDeploy's API tell Teal nothing`, h.function, h.point)
	}
	best, chosen := teal.Duration(-1), preference{}
	for i, one := range preferences {
		steps, err := teal.Strategy(one.kind).Compile()
		if err != nil {
			r.leave(one.from, "%q is a deployment configuration of your own; write its steps under release", one.kind)
			preferences[i].kind = ""
			continue
		}
		length := teal.Duration(0)
		for _, step := range steps {
			length += step.Hold
		}
		if length > best {
			best, chosen = length, one
		}
	}
	if chosen.kind == "" {
		return
	}
	p.strategy = leaf{chosen.kind, chosen.from}
	for _, one := range preferences {
		if one.kind != "" && one.kind != chosen.kind {
			r.leave(one.from, "%s: the functions of an app are released together in Teal, as %s is (%s)", one.kind, chosen.function, chosen.kind)
		}
	}
}

// hook adds a hook, unless it is there already.
func (p *plan) hook(h hook) {
	for _, other := range p.hooks {
		if other.point == h.point && other.function == h.function {
			return
		}
	}
	p.hooks = append(p.hooks, h)
}

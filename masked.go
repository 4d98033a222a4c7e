package teal

import (
	"maps"
	"slices"
)

// MaskedValue stands in every output where a masked value is.
const MaskedValue = "***"

// MaskEnv returns env with MaskedValue in place of the values of the names that
// are masked.
func MaskEnv(env map[string]string, masked []string) map[string]string {
	if len(masked) == 0 {
		return env
	}
	shown := maps.Clone(env)
	for _, name := range masked {
		if _, has := shown[name]; has {
			shown[name] = MaskedValue
		}
	}
	return shown
}

// Shown returns the version as output may show it: without masked values.
func (v Version) Shown() Version {
	v.Spec.Components = maps.Clone(v.Spec.Components)
	for name, c := range v.Spec.Components {
		v.Spec.Components[name] = c.Shown()
	}
	return v
}

// Shown returns the policy as output may show it: without masked values.
func (p Policy) Shown() Policy {
	p.Checks = shownChecks(p.Checks)
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		p.Steps[i].Checks = shownChecks(p.Steps[i].Checks)
	}
	p.Hooks = slices.Clone(p.Hooks)
	for i, h := range p.Hooks {
		p.Hooks[i].Env = maskProgram(h.Env, h.Masked)
	}
	return p
}

func shownChecks(list []Check) []Check {
	shown := slices.Clone(list)
	for i, c := range shown {
		shown[i].Env = maskProgram(c.Env, c.Masked)
	}
	return shown
}

// maskProgram is MaskEnv for the command of a check or hook, of which it may not be
// known which names are masked: then all are.
func maskProgram(env map[string]string, masked []string) map[string]string {
	if masked == nil {
		masked = slices.Collect(maps.Keys(env))
	}
	return MaskEnv(env, masked)
}

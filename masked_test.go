package teal

import "testing"

func TestShownHidesMaskedValues(t *testing.T) {
	t.Parallel()
	env := map[string]string{"KEY": "s3cret", "STAGE": "prod"}
	v := Version{Spec: Spec{Components: map[string]Component{
		"f": {Function: &Function{Env: env, Masked: []string{"KEY", "GONE"}}},
		"s": {Service: &Service{Env: env, Masked: []string{"KEY"}}},
		"p": {Service: &Service{Env: env}},
	}}}
	shown := v.Shown()
	for name, want := range map[string]string{"f": MaskedValue, "s": MaskedValue, "p": "s3cret"} {
		c := shown.Spec.Components[name]
		var got map[string]string
		if c.Function != nil {
			got = c.Function.Env
		} else {
			got = c.Service.Env
		}
		if got["KEY"] != want || got["STAGE"] != "prod" || len(got) != 2 {
			t.Errorf("%s shows %v", name, got)
		}
	}
	if env["KEY"] != "s3cret" || v.Spec.Components["f"].Function.Env["KEY"] != "s3cret" { // seen red with the map changed in place
		t.Error("the version itself was changed")
	}
}

// What is masked of the commands of checks and hooks is not shown; of a policy that
// does not say what is, nothing is. Seen red without the steps, without the hooks,
// and without maskProgram's answer to nil: KEY was shown.
func TestShownPolicyHidesMaskedValues(t *testing.T) {
	t.Parallel()
	env := map[string]string{"KEY": "s3cret", "STAGE": "prod"}
	check := func(masked []string) []Check {
		return []Check{{Name: "c", Command: []string{"x"}, Env: env, Masked: masked}}
	}
	for _, c := range []struct {
		masked []string
		key    string
		stage  string
	}{{[]string{"KEY"}, MaskedValue, "prod"}, {nil, MaskedValue, MaskedValue}, {[]string{}, "s3cret", "prod"}} {
		p := Policy{
			Checks: check(c.masked), Steps: []Step{{Checks: check(c.masked)}},
			Hooks: []Hook{{Name: "h", Command: []string{"x"}, Env: env, Masked: c.masked}},
		}
		shown := p.Shown()
		for name, got := range map[string]map[string]string{"check": shown.Checks[0].Env, "step": shown.Steps[0].Checks[0].Env, "hook": shown.Hooks[0].Env} {
			if got["KEY"] != c.key || got["STAGE"] != c.stage || len(got) != 2 {
				t.Errorf("%v masked: the %s shows %v", c.masked, name, got)
			}
		}
		if env["KEY"] != "s3cret" || p.Hooks[0].Env["KEY"] != "s3cret" || p.Steps[0].Checks[0].Env["KEY"] != "s3cret" {
			t.Error("the policy itself was changed")
		}
	}
}

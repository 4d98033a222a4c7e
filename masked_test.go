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

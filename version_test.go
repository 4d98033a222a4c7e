package teal_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

// goldenDigest is part of every stored version: when it changes, a deploy of
// what is there already makes a new version.
const goldenDigest = "sha256:6bfd2b960e39faef5ea948881e6a17ca64128b2a12bbf7513eca19e1f5c36ded"

func TestDigestIsStable(t *testing.T) {
	t.Parallel()
	if got := validSpec().Digest(); got != goldenDigest {
		t.Errorf("%s, want %s", got, goldenDigest)
	}
}

func TestDigestDoesNotDependOnTheOrderOfMaps(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	build := func(order []string) teal.Spec {
		s := validSpec()
		for _, name := range order {
			f := *s.Components["hello"].Function
			f.Env = map[string]string{}
			for _, key := range order {
				f.Env[key] = key
			}
			s.Components[name] = teal.Component{Function: &f}
		}
		return s
	}
	want := build(names).Digest()
	slices.Reverse(names)
	for range 20 {
		if got := build(names).Digest(); got != want {
			t.Fatalf("%s, then %s", want, got)
		}
	}
}

// Seen to fail: no route as null and as [] had two digests.
func TestEqualContentHasEqualDigests(t *testing.T) {
	t.Parallel()
	none, empty := validSpec(), validSpec()
	none.Routes, empty.Routes = nil, []teal.Route{}
	none.Components["hello"].Function.Env, empty.Components["hello"].Function.Env = nil, map[string]string{}
	if none.Digest() != empty.Digest() {
		t.Error("nothing and an empty list differ")
	}
	if none.Routes != nil {
		t.Error("Digest changed the spec")
	}
	data, err := json.Marshal(validSpec())
	if err != nil {
		t.Fatal(err)
	}
	var back teal.Spec
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(validSpec(), back); diff != "" {
		t.Error(diff)
	}
	if back.Digest() != validSpec().Digest() {
		t.Error("the digest does not survive JSON")
	}
}

func TestEveryChangeChangesTheDigest(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*teal.Spec){
		"nothing":     func(*teal.Spec) {},
		"app":         func(s *teal.Spec) { s.App = "shop2" },
		"runtime":     func(s *teal.Spec) { s.Components["hello"].Function.Runtime = "python3.12" },
		"handler":     func(s *teal.Spec) { s.Components["hello"].Function.Handler = "app.other" },
		"code":        func(s *teal.Spec) { s.Components["hello"].Function.Code = someDigest[:70] + "0" },
		"memory":      func(s *teal.Spec) { s.Components["hello"].Function.Memory++ },
		"timeout":     func(s *teal.Spec) { s.Components["hello"].Function.Timeout++ },
		"init":        func(s *teal.Spec) { s.Components["hello"].Function.Init++ },
		"idle":        func(s *teal.Spec) { s.Components["hello"].Function.Idle++ },
		"min":         func(s *teal.Spec) { s.Components["hello"].Function.Concurrency.Min++ },
		"max":         func(s *teal.Spec) { s.Components["hello"].Function.Concurrency.Max++ },
		"payload":     func(s *teal.Spec) { s.Components["hello"].Function.Payload = "1.0" },
		"env":         func(s *teal.Spec) { s.Components["hello"].Function.Env["STAGE"] = "test" },
		"env name":    func(s *teal.Spec) { s.Components["hello"].Function.Env["STAGE2"] = "" },
		"command":     func(s *teal.Spec) { s.Components["web"].Service.Command = []string{"./web", ""} },
		"instances":   func(s *teal.Spec) { s.Components["web"].Service.Instances++ },
		"service mem": func(s *teal.Spec) { s.Components["web"].Service.Memory = teal.MinMemory },
		"grace":       func(s *teal.Spec) { s.Components["web"].Service.Grace++ },
		"health":      func(s *teal.Spec) { s.Components["web"].Service.Health.Failures++ },
		"url":         func(s *teal.Spec) { s.Components["legacy"].Upstream.URLs[0] += "1" },
		"interval":    func(s *teal.Spec) { s.Components["legacy"].Upstream.Health.Interval++ },
		"name":        func(s *teal.Spec) { s.Components["web2"] = s.Components["web"]; delete(s.Components, "web") },
		"route order": func(s *teal.Spec) { slices.Reverse(s.Routes) },
		"route host":  func(s *teal.Spec) { s.Routes[0].Host = "" },
		"fewer":       func(s *teal.Spec) { s.Routes = s.Routes[:1] },
	}
	seen := map[string]string{}
	for name, change := range changes {
		s := validSpec()
		change(&s)
		digest := s.Digest()
		if other, dup := seen[digest]; dup {
			t.Errorf("%q and %q have the same digest", name, other)
		}
		seen[digest] = name
	}
}

func TestBundlesAreNamedOnce(t *testing.T) {
	t.Parallel()
	s := validSpec()
	if got := s.Bundles(); !slices.Equal(got, []string{someDigest}) {
		t.Errorf("%v", got)
	}
	other := someDigest[:70] + "0"
	s.Components["web"].Service.Code = other
	s.Components["broken"] = teal.Component{}
	got := s.Bundles()
	slices.Sort(got)
	want := []string{someDigest, other}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

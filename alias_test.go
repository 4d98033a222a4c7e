package teal_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"teal"
)

func someTargets(t *rapid.T) []teal.Target {
	first := rapid.IntRange(1, 1000).Draw(t, "first")
	if rapid.Bool().Draw(t, "alone") {
		return teal.Only(first)
	}
	second := rapid.IntRange(1, 1000).Filter(func(v int) bool { return v != first }).Draw(t, "second")
	w := rapid.Int32Range(0, int32(teal.All)).Draw(t, "weight")
	return []teal.Target{{Version: teal.VersionRef(first), Weight: teal.All - teal.Weight(w)}, {Version: teal.VersionRef(second), Weight: teal.Weight(w)}}
}

func TestTargetsSurviveTheCommandLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		targets := someTargets(t)
		args := make([]string, len(targets))
		for i, target := range targets {
			args[i] = fmt.Sprintf("%d=%s", target.Version, target.Weight)
		}
		got, err := teal.ParseTargets(args)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		if diff := cmp.Diff(targets, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestCheckTargetsWantsExactlyEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		targets := someTargets(t)
		if err := teal.CheckTargets(targets); err != nil {
			t.Fatalf("%v: %v", targets, err)
		}
		off := rapid.Int32Range(-20_000, 20_000).Filter(func(n int32) bool { return n != 0 }).Draw(t, "off")
		targets[len(targets)-1].Weight += teal.Weight(off)
		if err := teal.CheckTargets(targets); !teal.IsCode(err, teal.CodeInvalidWeights) {
			t.Fatalf("%v: %v", targets, err)
		}
	})
}

func TestTargetsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"1", "2"}, {"1=50"}, {"1=50", "2=49"}, {"1=50", "2=51"}, {"1=50", "1=50"}, {"1=100", "1=0"},
		{"1=20", "2=30", "3=50"}, {"0"}, {"-1"}, {"x"}, {""}, {"=100"}, {"1="}, {"1=x"}, {"1=101", "2=-1"},
		{"1=33.333", "2=66.667"}, {"1=NaN"}, {"1=Inf", "2=-Inf"}, {"1.5"}, {"99999999999999999999"},
	} {
		if targets, err := teal.ParseTargets(args); !teal.IsCode(err, teal.CodeInvalidWeights) {
			t.Errorf("%q: %v, %v", args, targets, err)
		}
	}
}

func TestTargetsThatAreAccepted(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"v2":                          {"2"},
		"v1 at 90 %, v2 at 10 %":      {"1=90", "2=10"},
		"v1 at 12.5 %, v2 at 87.5 %":  {"1=12.5%", "2=87.5"},
		"v3 at 100 %, v1 at 0 %":      {"3=100", "1=0"},
		"v1 at 99.99 %, v2 at 0.01 %": {"1=99.99", "2=0.01"},
	} {
		targets, err := teal.ParseTargets(args)
		if err != nil {
			t.Errorf("%q: %v", args, err)
		}
		if got := teal.FormatTargets(targets); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
	if got := teal.FormatTargets(nil); got != "no version" {
		t.Errorf("no targets: %q", got)
	}
}

func TestAliasAnswers(t *testing.T) {
	t.Parallel()
	none := teal.Alias{}
	only := teal.Alias{Targets: teal.Only(2)}
	split := teal.Alias{Targets: []teal.Target{{Version: 1, Weight: teal.All}, {Version: 2, Weight: 0}}}
	if none.Primary() != 0 || none.PointsTo(0) || none.IsOnly(0) || none.Weight(0) != 0 {
		t.Error("an alias without targets points somewhere")
	}
	if only.Primary() != 2 || !only.IsOnly(2) || only.IsOnly(1) || only.Weight(2) != teal.All || only.Weight(1) != 0 {
		t.Error("an alias of one version")
	}
	if split.Primary() != 1 || split.IsOnly(1) || !split.PointsTo(2) || split.PointsTo(3) || split.Weight(2) != 0 {
		t.Error("an alias of two versions")
	}
}

func TestWeightsAreNumbersInJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		targets := someTargets(t)
		data, err := json.Marshal(targets)
		if err != nil {
			t.Fatal(err)
		}
		var back []teal.Target
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if diff := cmp.Diff(targets, back); diff != "" {
			t.Fatal(diff)
		}
	})
	for _, bad := range []string{`{"weight":"x"}`, `{"weight":101}`, `{"weight":-1}`, `{"weight":1.001}`} {
		var target teal.Target
		if err := json.Unmarshal([]byte(bad), &target); !teal.IsCode(err, teal.CodeInvalidWeights) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func FuzzParseTargets(f *testing.F) {
	for _, seed := range []string{"2", "1=90", "1=12.5%", "=", "1=1e1", "0x1=5", "1=0x1p3"} {
		f.Add(seed, "2=10")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, args := range [][]string{{a}, {a, b}} {
			targets, err := teal.ParseTargets(args)
			if err != nil {
				if !teal.IsCode(err, teal.CodeInvalidWeights) {
					t.Fatalf("%q: %v", args, err)
				}
				continue
			}
			if err := teal.CheckTargets(targets); err != nil {
				t.Fatalf("%q was accepted: %v", args, err)
			}
		}
	})
}

package teal_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"teal"
	"teal/internal/cron"
)

func minutes(n int) teal.Duration { return teal.Duration(time.Duration(n) * time.Minute) }

// canary is one share for so many minutes.
func canary(percent, hold int) []teal.Step {
	return []teal.Step{{Weight: teal.Percent(percent), Hold: minutes(hold)}}
}

// linear is shares of so many percent, each for so many minutes.
func linear(percent, hold int) []teal.Step {
	var steps []teal.Step
	for p := percent; p < 100; p += percent {
		steps = append(steps, canary(p, hold)...)
	}
	return steps
}

func TestStrategies(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]teal.Step{
		"all-at-once":                       nil,
		"canary":                            {{Weight: 1000, Hold: minutes(5)}, {Weight: 5000, Hold: minutes(5)}},
		"linear":                            linear(10, 1),
		"AllAtOnce":                         nil,
		"CodeDeployDefault.AllAtOnce":       nil,
		"LambdaAllAtOnce":                   nil,
		"CodeDeployDefault.LambdaAllAtOnce": nil,
		"CodeDeployDefault.LambdaCanary10Percent5Minutes":       canary(10, 5),
		"CodeDeployDefault.LambdaCanary10Percent10Minutes":      canary(10, 10),
		"CodeDeployDefault.LambdaCanary10Percent15Minutes":      canary(10, 15),
		"CodeDeployDefault.LambdaCanary10Percent30Minutes":      canary(10, 30),
		"CodeDeployDefault.LambdaLinear10PercentEvery1Minute":   linear(10, 1),
		"CodeDeployDefault.LambdaLinear10PercentEvery2Minutes":  linear(10, 2),
		"CodeDeployDefault.LambdaLinear10PercentEvery3Minutes":  linear(10, 3),
		"CodeDeployDefault.LambdaLinear10PercentEvery10Minutes": linear(10, 10),
		"ECSAllAtOnce":                                      nil,
		"CodeDeployDefault.ECSAllAtOnce":                    nil,
		"CodeDeployDefault.ECSCanary10Percent5Minutes":      canary(10, 5),
		"CodeDeployDefault.ECSCanary10Percent15Minutes":     canary(10, 15),
		"CodeDeployDefault.ECSLinear10PercentEvery1Minutes": linear(10, 1),
		"CodeDeployDefault.ECSLinear10PercentEvery3Minutes": linear(10, 3),
		"LambdaCanary10Percent5Minutes":                     canary(10, 5),
		"ECSLinear10PercentEvery3Minutes":                   linear(10, 3),
		"Canary10Percent5Minutes":                           canary(10, 5),
		"Linear10PercentEvery1Minute":                       linear(10, 1),
		"Canary1Percent1Minute":                             canary(1, 1),
		"Canary99Percent43200Minutes":                       canary(99, 43200),
		"Linear30PercentEvery7Minutes":                      {{Weight: 3000, Hold: minutes(7)}, {Weight: 6000, Hold: minutes(7)}, {Weight: 9000, Hold: minutes(7)}},
		"Linear60PercentEvery1Minutes":                      {{Weight: 6000, Hold: minutes(1)}},
	} {
		got, err := teal.Strategy(name).Compile()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// A prefix promises a configuration that AWS has.
	for _, name := range []string{
		"", "blue-green", "Canary", "canary ", "CANARY", "allatonce", "LambdaAllatonce", "OneAtATime", "CodeDeployDefault.HalfAtATime",
		"Canary0Percent5Minutes", "Canary100Percent5Minutes", "Canary10Percent0Minutes", "Canary10Percent43201Minutes", "Canary10Percent5", "Canary10PercentEvery5Minutes",
		"Linear10Percent1Minute", "Linear0PercentEvery1Minute", "Linear10PercentEvery1Hour", "Canary10.5Percent5Minutes", "Canary-1Percent5Minutes",
		"LambdaCanary5Percent5Minutes", "ECSCanary10Percent10Minutes", "ECSLinear10PercentEvery1Minute", "LambdaLinear10PercentEvery1Minutes", "CodeDeployDefault.Canary10Percent5Minutes",
		"codedeploydefault.LambdaAllAtOnce", "LambdaCanary10Percent5Minutes\n", "Lambda", "ECS",
	} {
		if got, err := teal.Strategy(name).Compile(); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
}

// Every strategy of CodeDeploy's form gives shares that rise to less than
// everything.
func TestEveryStrategyRises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		percent, hold := rapid.IntRange(1, 99).Draw(t, "percent"), rapid.IntRange(1, 43200).Draw(t, "minutes")
		name := "Canary" + strconv.Itoa(percent) + "Percent" + strconv.Itoa(hold) + "Minutes"
		if rapid.Bool().Draw(t, "linear") {
			name = "Linear" + strconv.Itoa(percent) + "PercentEvery" + strconv.Itoa(hold) + "Minutes"
		}
		policy := teal.DefaultPolicy()
		policy.Strategy = teal.Strategy(name)
		policy, err := policy.Compiled()
		if err != nil || len(policy.Steps) == 0 {
			t.Fatalf("%s: %v, %v", name, policy.Steps, err)
		}
		if err := policy.Validate(cron.Check); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again, err := policy.Compiled(); err != nil || !cmp.Equal(again, policy) {
			t.Fatalf("%s compiled twice is another one: %v, %v", name, again, err)
		}
		if gap := teal.All - policy.Steps[len(policy.Steps)-1].Weight; gap <= 0 || name[0] == 'L' && gap > teal.Percent(percent) {
			t.Fatalf("%s ends with %v", name, policy.Steps)
		}
	})
}

func TestCompiledPolicies(t *testing.T) {
	t.Parallel()
	own := []teal.Step{{Weight: 500, Hold: minutes(1)}}
	for _, tt := range []struct {
		strategy, want teal.Strategy
		steps          []teal.Step
		compiled       []teal.Step
		refused        bool
	}{
		{strategy: "", want: "all-at-once"},
		{strategy: "", steps: own, want: "canary", compiled: own},
		{strategy: "canary", steps: own, want: "canary", compiled: own},
		{strategy: "linear", steps: own, want: "linear", compiled: own},
		{strategy: "canary", want: "canary", compiled: []teal.Step{{Weight: 1000, Hold: minutes(5)}, {Weight: 5000, Hold: minutes(5)}}},
		{strategy: "Canary5Percent1Minute", steps: own, want: "Canary5Percent1Minute", compiled: own},
		{strategy: "Canary5Percent2Minutes", steps: own, refused: true},
		{strategy: "Canary5Percent1Minute", steps: []teal.Step{{Weight: 500, Hold: minutes(1), Approval: true}}, refused: true},
		{strategy: "all-at-once", steps: own, refused: true},
		{strategy: "nope", refused: true},
	} {
		got, err := teal.Policy{Strategy: tt.strategy, Steps: tt.steps}.Compiled()
		if tt.refused {
			if !teal.IsCode(err, teal.CodeInvalidInput) {
				t.Errorf("%q with %v: %v", tt.strategy, tt.steps, err)
			}
			continue
		}
		if err != nil || got.Strategy != tt.want || !cmp.Equal(got.Steps, tt.compiled) {
			t.Errorf("%q with %v: %+v, %v", tt.strategy, tt.steps, got, err)
		}
	}
}

package teal

import (
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Strategy names how the traffic moves: all-at-once, canary, linear, or one of
// CodeDeploy's names.
type Strategy string

// The strategies with names of Teal's own.
const (
	StrategyAllAtOnce Strategy = "all-at-once" // everything in one atomic step
	StrategyCanary    Strategy = "canary"      // a small share, then more, then everything
	StrategyLinear    Strategy = "linear"      // equal shares at equal intervals
)

// presets are CodeDeploy's predefined configurations for Lambda and ECS
// (docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html).
var presets = map[string]bool{
	"LambdaAllAtOnce":                     true,
	"LambdaCanary10Percent5Minutes":       true,
	"LambdaCanary10Percent10Minutes":      true,
	"LambdaCanary10Percent15Minutes":      true,
	"LambdaCanary10Percent30Minutes":      true,
	"LambdaLinear10PercentEvery1Minute":   true,
	"LambdaLinear10PercentEvery2Minutes":  true,
	"LambdaLinear10PercentEvery3Minutes":  true,
	"LambdaLinear10PercentEvery10Minutes": true,
	"ECSAllAtOnce":                        true,
	"ECSCanary10Percent5Minutes":          true,
	"ECSCanary10Percent15Minutes":         true,
	"ECSLinear10PercentEvery1Minutes":     true,
	"ECSLinear10PercentEvery3Minutes":     true,
}

var (
	presetName    = regexp.MustCompile(`^(?:CodeDeployDefault\.)?((?:Lambda|ECS).*)$`)
	allAtOnceName = regexp.MustCompile(`^(?:CodeDeployDefault\.)?(?:Lambda|ECS)?AllAtOnce$`)
	canaryName    = regexp.MustCompile(`^(?:Lambda|ECS)?Canary(\d{1,2})Percent(\d{1,5})Minutes?$`)
	linearName    = regexp.MustCompile(`^(?:Lambda|ECS)?Linear(\d{1,2})PercentEvery(\d{1,5})Minutes?$`)
)

// Compile returns the steps that the strategy's name stands for; none for
// all-at-once. The move to everything comes after the last one. An error with
// CodeInvalidInput says which names there are.
func (s Strategy) Compile() ([]Step, error) {
	switch s {
	case StrategyAllAtOnce:
		return nil, nil
	case StrategyCanary:
		return []Step{{Weight: Percent(10), Hold: Duration(5 * time.Minute)}, {Weight: Percent(50), Hold: Duration(5 * time.Minute)}}, nil
	case StrategyLinear:
		return linear(10, time.Minute), nil
	}
	name := string(s)
	if allAtOnceName.MatchString(name) {
		return nil, nil
	}
	if m := presetName.FindStringSubmatch(name); m != nil {
		if name = m[1]; !presets[name] {
			return nil, s.unknown()
		}
	}
	if percent, every, ok := figures(canaryName, name); ok {
		return []Step{{Weight: Percent(percent), Hold: Duration(every)}}, nil
	}
	if percent, every, ok := figures(linearName, name); ok {
		return linear(percent, every), nil
	}
	return nil, s.unknown()
}

func (s Strategy) unknown() error {
	return Errorf(CodeInvalidInput, "%q is not a strategy; use all-at-once, canary or linear, a list of steps, or a name of CodeDeploy's such as Canary10Percent5Minutes, Linear10PercentEvery1Minute or LambdaCanary10Percent5Minutes", string(s))
}

// figures reads the share and the time out of a name; 0 is neither, and a time
// beyond MaxHold is no time.
func figures(form *regexp.Regexp, name string) (percent int, every time.Duration, ok bool) {
	m := form.FindStringSubmatch(name)
	if m == nil {
		return 0, 0, false
	}
	percent, errPercent := strconv.Atoi(m[1])
	minutes, errMinutes := strconv.Atoi(m[2])
	every = time.Duration(minutes) * time.Minute
	return percent, every, errPercent == nil && errMinutes == nil && percent > 0 && every > 0 && every <= MaxHold.Std()
}

func linear(percent int, every time.Duration) []Step {
	var steps []Step
	for p := percent; p < 100; p += percent {
		steps = append(steps, Step{Weight: Percent(p), Hold: Duration(every)})
	}
	return steps
}

// Compiled returns the policy with the steps that its strategy stands for. Steps
// of its own stand beside canary and linear, which then say no more than what
// the steps look like, and beside no strategy, which becomes canary. Beside any
// other name they are an error with CodeInvalidInput, unless they are the ones
// that the name stands for.
func (p Policy) Compiled() (Policy, error) {
	if p.Strategy == "" {
		p.Strategy = StrategyAllAtOnce
		if len(p.Steps) > 0 {
			p.Strategy = StrategyCanary
		}
	}
	steps, err := p.Strategy.Compile()
	switch {
	case err != nil:
		return p, err
	case len(p.Steps) == 0:
		p.Steps = steps
	case p.Strategy != StrategyCanary && p.Strategy != StrategyLinear && !slices.EqualFunc(p.Steps, steps, sameStep):
		return p, Errorf(CodeInvalidInput, "%q moves the traffic in its own way; leave either the strategy or the steps out", string(p.Strategy))
	}
	return p, nil
}

func sameStep(a, b Step) bool {
	return a.Weight == b.Weight && a.Hold == b.Hold && a.Approval == b.Approval && len(a.Checks) == 0 && len(b.Checks) == 0
}

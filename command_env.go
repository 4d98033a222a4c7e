package teal

import (
	"maps"
	"slices"
)

// CommandEnv returns the variables that the command of a check or hook takes over from
// the version's components, and the names of those whose values no output shows. They
// are those of the components that have the command's code, a digest; where none has
// it, or it is "", those of all. What two of them set differently is left out.
// CommandSecrets has those whose values are secrets.
func (s Spec) CommandEnv(code string) (env map[string]string, masked []string) {
	env, odd, hidden := map[string]string{}, map[string]bool{}, map[string]bool{}
	for _, c := range s.withCode(code) {
		more, secret := c.Env()
		for name, value := range more {
			if known, has := env[name]; has && known != value {
				odd[name] = true
			}
			env[name] = value
		}
		for _, name := range secret {
			hidden[name] = true
		}
	}
	secrets, oddSecrets := s.commandSecrets(code)
	maps.DeleteFunc(env, func(name, _ string) bool {
		_, secret := secrets[name]
		return odd[name] || secret || oddSecrets[name]
	})
	for name := range env {
		if hidden[name] {
			masked = append(masked, name)
		}
	}
	slices.Sort(masked)
	return env, masked
}

// CommandSecrets returns the variables of CommandEnv whose values are secrets. One that
// has a value in another component is left out.
func (s Spec) CommandSecrets(code string) map[string]SecretRef {
	secrets, odd := s.commandSecrets(code)
	for _, c := range s.withCode(code) {
		env, _ := c.Env()
		for name := range env {
			odd[name] = true
		}
	}
	maps.DeleteFunc(secrets, func(name string, _ SecretRef) bool { return odd[name] })
	return secrets
}

func (s Spec) commandSecrets(code string) (secrets map[string]SecretRef, odd map[string]bool) {
	secrets, odd = map[string]SecretRef{}, map[string]bool{}
	for _, c := range s.withCode(code) {
		for name, ref := range c.Secrets() {
			if known, has := secrets[name]; has && known != ref {
				odd[name] = true
			}
			secrets[name] = ref
		}
	}
	return secrets, odd
}

// withCode returns the components that run the code; all where none does.
func (s Spec) withCode(code string) []Component {
	var list []Component
	for _, c := range s.Components {
		if own, has := c.Code(); has && own == code && c.runs() {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		list = slices.Collect(maps.Values(s.Components))
	}
	return list
}

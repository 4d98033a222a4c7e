package teal

import (
	"maps"
	"slices"
	"time"
)

// Secret is one revision of a secret of an app, as it is recorded: the value is nowhere
// but in Sealed, encrypted. A revision never changes; a new value is a new revision.
type Secret struct {
	App      string    `json:"app"`
	Name     string    `json:"name"`
	Revision int       `json:"revision"` // 1, 2, 3 …
	SetAt    time.Time `json:"set_at"`
	SetBy    string    `json:"set_by"`
	Key      string    `json:"key"`              // the public half of the key that Sealed can be read with
	Binary   bool      `json:"binary,omitempty"` // it has a NUL byte, so no variable can hold it
	Sealed   []byte    `json:"sealed"`           // ciphertext, in the format of age
}

// SecretRef is a secret that a variable of a program refers to.
type SecretRef struct {
	Name string `json:"secret"`
	// Revision is the one that the program gets; 0 before a deploy has been accepted,
	// which binds it to the newest. What a client says of it is not looked at.
	Revision int `json:"revision,omitempty"`
	// File gives the variable the path of a file that holds the value, not the value.
	File bool `json:"file,omitempty"`
}

// Limits of secrets.
const (
	MaxSecret       = 64 * KiB  // a value
	MaxSecrets      = 1000      // of one app
	MaxSecretRefs   = 100       // of one component, check or hook
	MaxBoundSecrets = 512 * KiB // the values of all secrets that a version refers to
)

// withRevisions returns the references, each with the revision of its secret. A secret
// of which revision knows nothing keeps what it has.
func withRevisions(refs map[string]SecretRef, revision map[string]int) map[string]SecretRef {
	if len(refs) == 0 {
		return refs
	}
	bound := maps.Clone(refs)
	for variable, ref := range bound {
		if n, known := revision[ref.Name]; known {
			ref.Revision = n
			bound[variable] = ref
		}
	}
	return bound
}

// Secrets returns what the component's variables refer to, by the name of the variable.
// It must not be changed.
func (c Component) Secrets() map[string]SecretRef {
	k, _ := c.kind()
	if k.secrets == nil {
		return nil
	}
	return *k.secrets(&c)
}

// withSecrets returns a copy of the component with other references.
func (c Component) withSecrets(refs map[string]SecretRef) Component {
	k, _ := c.kind()
	if k.secrets == nil || len(refs) == 0 {
		return c
	}
	c = k.copy(c)
	*k.secrets(&c) = refs
	return c
}

// SecretRefs returns all that the components refer to, without repetition, in no
// particular order.
func (s Spec) SecretRefs() []SecretRef {
	var list refList
	for _, c := range s.Components {
		list.add(c.Secrets())
	}
	return list.refs
}

// SecretRefs returns all that the commands of checks and hooks refer to, as those of a
// Spec.
func (p Policy) SecretRefs() []SecretRef {
	var list refList
	for _, checks := range p.checkLists() {
		for _, k := range checks {
			list.add(k.Secrets)
		}
	}
	for _, h := range p.Hooks {
		list.add(h.Secrets)
	}
	return list.refs
}

type refList struct{ refs []SecretRef }

func (l *refList) add(refs map[string]SecretRef) {
	for _, ref := range refs {
		if !slices.Contains(l.refs, ref) {
			l.refs = append(l.refs, ref)
		}
	}
}

func (p Policy) checkLists() [][]Check {
	lists := [][]Check{p.Checks}
	for _, step := range p.Steps {
		lists = append(lists, step.Checks)
	}
	return lists
}

// WithRevisions returns a copy of the spec that refers to the given revisions of its
// secrets, by name.
func (s Spec) WithRevisions(revisions map[string]int) Spec {
	s.Components = maps.Clone(s.Components)
	for name, c := range s.Components {
		s.Components[name] = c.withSecrets(withRevisions(c.Secrets(), revisions))
	}
	return s
}

// Unbound returns a copy of the spec whose secrets have no revisions: what two specs have
// in common that differ in these alone.
func (s Spec) Unbound() Spec {
	none := map[string]int{}
	for _, ref := range s.SecretRefs() {
		none[ref.Name] = 0
	}
	return s.WithRevisions(none)
}

// WithRevisions returns a copy of the policy whose checks and hooks refer to the given
// revisions of their secrets, by name.
func (p Policy) WithRevisions(revisions map[string]int) Policy {
	bind := func(checks []Check) []Check {
		checks = slices.Clone(checks)
		for i := range checks {
			checks[i].Secrets = withRevisions(checks[i].Secrets, revisions)
		}
		return checks
	}
	p.Checks = bind(p.Checks)
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		p.Steps[i].Checks = bind(p.Steps[i].Checks)
	}
	p.Hooks = slices.Clone(p.Hooks)
	for i := range p.Hooks {
		p.Hooks[i].Secrets = withRevisions(p.Hooks[i].Secrets, revisions)
	}
	return p
}

// secrets looks at the variables that refer to secrets, beside those that have values.
func (c *checker) secrets(path []string, refs map[string]SecretRef, env map[string]string) {
	if len(refs) > MaxSecretRefs {
		c.addf(path, "refers to %d secrets; at most %d are allowed", len(refs), MaxSecretRefs)
	}
	for _, variable := range slices.Sorted(maps.Keys(refs)) {
		at := append(slices.Clone(path), variable)
		if !envPattern.MatchString(variable) {
			c.addf(at, "%q is not the name of an environment variable", variable)
		}
		if ReservedEnv(variable) {
			c.addf(at, "%s is set by Teal and cannot be changed", variable)
		}
		if variable == "HOST" {
			c.addf(at, "HOST stands for its value in the arguments of commands, which everybody on the machine can see; give the secret another variable")
		}
		if _, twice := env[variable]; twice {
			c.addf(at, "has a value and refers to a secret; write one of them")
		}
		c.name("secret", refs[variable].Name, append(at, "secret")...)
	}
}

// SecretsFolder is the variable in which a program finds the folder with the files of
// its secrets.
const SecretsFolder = "TEAL_SECRETS"

// CheckSecretValue returns an error that says why a value can be none of a variable, or
// nil. Its message does not repeat it.
func CheckSecretValue(value []byte) error {
	switch {
	case len(value) == 0:
		return Errorf(CodeInvalidInput, "the value is empty; send it on the standard input, or name a file with --file")
	case Bytes(len(value)) > MaxSecret:
		return Errorf(CodeTooLarge, "the value has %d bytes; a secret may have at most %s", len(value), MaxSecret)
	}
	return nil
}

// ErrBinary says that a value cannot be that of a variable.
func (r SecretRef) ErrBinary() error {
	return Errorf(CodeInvalidInput, "the secret %s contains a NUL byte, which no variable can hold; take it as a file: {secret: %s, as: file}", r.Name, r.Name)
}

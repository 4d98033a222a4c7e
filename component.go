package teal

// componentKind is all that the domain knows of one kind of component. A further kind is an
// entry of componentKinds, a field of Component, and its type with its checks.
type componentKind struct {
	name    ComponentKind
	section string // of the manifest
	is      func(Component) bool
	check   func(c *checker, path []string, comp Component)
	// withCode returns the component with other code, and code the digest that it has
	// now; nil: it has none.
	withCode func(comp Component, digest string) Component
	code     func(Component) string
	layers   func(Component) []string // nil: it has none
	// states are those that its instances can be in; nil: it has none.
	states    []InstanceState
	processes bool // the instances are processes of Teal's own
	// env returns the variables that the manifest gives its program, and which of them
	// are masked; nil: it has none.
	env func(Component) (env map[string]string, masked []string)
	// secrets returns where the component refers to secrets, in what copy returned;
	// nil: it cannot.
	secrets func(*Component) *map[string]SecretRef
	copy    func(Component) Component
	// shown returns the component without masked values; nil: it has none.
	shown func(Component) Component
}

// componentKinds is every kind of component.
var componentKinds = []componentKind{
	{
		name: KindFunction, section: "functions",
		states: []InstanceState{InstanceStarting, InstanceIdle, InstanceBusy}, processes: true,
		is:    func(c Component) bool { return c.Function != nil },
		check: func(c *checker, path []string, comp Component) { c.function(path, comp.Function) },
		code:  func(c Component) string { return c.Function.Code },
		withCode: func(c Component, digest string) Component {
			f := *c.Function
			f.Code = digest
			return Component{Function: &f}
		},
		layers:  func(c Component) []string { return c.Function.Layers },
		env:     func(c Component) (map[string]string, []string) { return c.Function.Env, c.Function.Masked },
		secrets: func(c *Component) *map[string]SecretRef { return &c.Function.Secrets },
		copy:    func(c Component) Component { f := *c.Function; return Component{Function: &f} },
		shown: func(c Component) Component {
			f := *c.Function
			f.Env = MaskEnv(f.Env, f.Masked)
			return Component{Function: &f}
		},
	},
	{
		name: KindService, section: "services",
		states: []InstanceState{InstanceStarting, InstanceHealthy, InstanceUnhealthy, InstanceDown}, processes: true,
		is:    func(c Component) bool { return c.Service != nil },
		check: func(c *checker, path []string, comp Component) { c.service(path, comp.Service) },
		code:  func(c Component) string { return c.Service.Code },
		withCode: func(c Component, digest string) Component {
			s := *c.Service
			s.Code = digest
			return Component{Service: &s}
		},
		env:     func(c Component) (map[string]string, []string) { return c.Service.Env, c.Service.Masked },
		secrets: func(c *Component) *map[string]SecretRef { return &c.Service.Secrets },
		copy:    func(c Component) Component { s := *c.Service; return Component{Service: &s} },
		shown: func(c Component) Component {
			s := *c.Service
			s.Env = MaskEnv(s.Env, s.Masked)
			return Component{Service: &s}
		},
	},
	{
		name: KindUpstream, section: "upstreams",
		states: []InstanceState{InstanceStarting, InstanceHealthy, InstanceUnhealthy},
		is:     func(c Component) bool { return c.Upstream != nil },
		check:  func(c *checker, path []string, comp Component) { c.upstream(path, comp.Upstream) },
	},
	{
		name: KindStatic, section: "static",
		is:    func(c Component) bool { return c.Static != nil },
		check: func(c *checker, path []string, comp Component) { c.static(path, comp.Static) },
		code:  func(c Component) string { return c.Static.Code },
		withCode: func(c Component, digest string) Component {
			s := *c.Static
			s.Code = digest
			return Component{Static: &s}
		},
	},
}

// ComponentKinds returns every kind of component.
func ComponentKinds() []ComponentKind {
	names := make([]ComponentKind, len(componentKinds))
	for i, k := range componentKinds {
		names[i] = k.name
	}
	return names
}

// kind returns what is known of the kind of c; false when no field of c is set.
func (c Component) kind() (componentKind, bool) {
	for _, k := range componentKinds {
		if k.is(c) {
			return k, true
		}
	}
	return componentKind{}, false
}

// Kind returns which field of c is set, or "" when none is.
func (c Component) Kind() ComponentKind {
	k, _ := c.kind()
	return k.name
}

// fields returns how many fields of c are set.
func (c Component) fields() int {
	n := 0
	for _, k := range componentKinds {
		if k.is(c) {
			n++
		}
	}
	return n
}

// Section returns the key of the manifest under which components of the kind stand.
func (k ComponentKind) Section() string {
	for _, kind := range componentKinds {
		if kind.name == k {
			return kind.section
		}
	}
	return ""
}

// Code returns the digest of the component's own code; false for one that has none.
func (c Component) Code() (digest string, has bool) {
	k, _ := c.kind()
	if k.code == nil {
		return "", false
	}
	return k.code(c), true
}

// Layers returns the digests of what is laid over each other beside the code.
func (c Component) Layers() []string {
	k, _ := c.kind()
	if k.layers == nil {
		return nil
	}
	return k.layers(c)
}

// runs reports whether the component is a program, which has variables.
func (c Component) runs() bool {
	k, _ := c.kind()
	return k.env != nil
}

// Env returns the variables that the manifest gives the component's program, and the
// names of those whose values no output shows. They must not be changed.
func (c Component) Env() (env map[string]string, masked []string) {
	k, _ := c.kind()
	if k.env == nil {
		return nil, nil
	}
	return k.env(c)
}

// WithCode returns a copy of the component with other code; one that has none stays as
// it is.
func (c Component) WithCode(digest string) Component {
	k, _ := c.kind()
	if k.withCode == nil {
		return c
	}
	return k.withCode(c, digest)
}

// Shown returns the component as output may show it: without masked values.
func (c Component) Shown() Component {
	k, _ := c.kind()
	if k.shown == nil {
		return c
	}
	return k.shown(c)
}

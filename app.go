package teal

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// App is the unit of release: everything that must switch together. The record
// holds only what changes from release to release; the content is in versions.
type App struct {
	Name        string    `json:"name"`
	CreatedAt   time.Time `json:"created_at"`
	LastVersion int       `json:"last_version"` // the highest version number ever given out
	LastRelease int       `json:"last_release"` // the highest release number ever given out
	Policy      Policy    `json:"policy"`       // of the last deploy; promote and rollback use it
	// Active is the ID of the one release that may change the app's aliases,
	// or "". Claimed and cleared by compare-and-swap: this field is what makes
	// two releases of one app impossible.
	Active string `json:"active,omitempty"`
	// Deleting says that the app has been deleted, but for what is still being taken
	// down: nobody sees it, and nothing of it is begun any more. The record goes
	// last, so a server that starts again knows what is left to be done.
	Deleting bool `json:"deleting,omitempty"`
	// KeepState says of an app that is being deleted that what its components have
	// stored in their state directories stays.
	KeepState bool `json:"keep_state,omitempty"`
	// Queue holds the IDs of the releases that wait for their turn, in its order.
	Queue []string `json:"queue,omitempty"`
	// Stopped is the order by which nothing of the app runs; nil when it may run. Like
	// Active it is claimed by compare-and-swap: nothing is started of a stopped app.
	Stopped *AppOrder `json:"stopped,omitempty"`
	// Frozen is the newest freeze that somebody has ordered; see FrozenAt.
	Frozen *AppOrder `json:"frozen,omitempty"`
	// Orders are the last orders for the app, oldest first, at most MaxAppOrders.
	Orders []AppOrder `json:"app_orders,omitempty"`
	// RemovedAliases are the last changes of aliases that were deleted, oldest first, at
	// most MaxAliasChanges; those of the others are in their own records.
	RemovedAliases []RemovedAliasChange `json:"removed_aliases,omitempty"`
}

// ComponentKind says who runs a component.
type ComponentKind string

// The kinds of component.
const (
	KindFunction ComponentKind = "function" // code that Teal runs per invocation
	KindService  ComponentKind = "service"  // a long-running HTTP process that Teal runs
	KindUpstream ComponentKind = "upstream" // an HTTP address that somebody else runs
	KindStatic   ComponentKind = "static"   // files that Teal itself answers with
)

// Component is one part of an app. Exactly one field is set.
type Component struct {
	Function *Function `json:"function,omitempty"`
	Service  *Service  `json:"service,omitempty"`
	Upstream *Upstream `json:"upstream,omitempty"`
	Static   *Static   `json:"static,omitempty"`
}

// Function is code that Teal runs per invocation, as AWS Lambda does.
type Function struct {
	Runtime     string               `json:"runtime"`           // python3[.x], nodejs[NN.x], provided[.*]
	Handler     string               `json:"handler,omitempty"` // module.function; not used by provided
	Code        string               `json:"code"`              // digest of the bundle
	Memory      Bytes                `json:"memory"`
	Timeout     Duration             `json:"timeout"` // of one invocation
	Init        Duration             `json:"init"`    // of one initialisation
	Idle        Duration             `json:"idle"`    // how long an instance above Min is kept without work
	Concurrency Concurrency          `json:"concurrency"`
	Payload     string               `json:"payload"` // "2.0" or "1.0": the HTTP event format
	Env         map[string]string    `json:"env,omitempty"`
	Masked      []string             `json:"masked,omitempty"`  // names in Env whose values no output shows
	Secrets     map[string]SecretRef `json:"secrets,omitempty"` // further variables, whose values are secrets
	Layers      []string             `json:"layers,omitempty"`  // digests of bundles that are laid over each other beside the code
	Async       *Async               `json:"async,omitempty"`   // nil: all defaults
	// Attached is what an interface beside Teal's own keeps with a version of a
	// function: a JSON object whose form is that interface's, and which Teal carries
	// and compares as a part of the content, but does not read. See awslambda.
	Attached json.RawMessage `json:"lambda,omitempty"`
}

// Concurrency bounds the instances of a function; each serves one invocation at
// a time.
type Concurrency struct {
	Min int `json:"min"` // kept warm
	Max int `json:"max"` // more invocations than this at once wait, then get 429
}

// Service is a long-running HTTP process that listens on $PORT.
type Service struct {
	Command   []string             `json:"command"`
	Code      string               `json:"code"` // digest of the bundle; the working directory
	Health    Health               `json:"health"`
	Protocol  Protocol             `json:"protocol,omitempty"`
	Instances int                  `json:"instances"`
	Memory    Bytes                `json:"memory,omitempty"`   // 0: not limited
	Grace     Duration             `json:"grace"`              // between SIGTERM and SIGKILL
	Writable  bool                 `json:"writable,omitempty"` // every instance runs in a copy of the code of its own
	Env       map[string]string    `json:"env,omitempty"`
	Masked    []string             `json:"masked,omitempty"`  // names in Env whose values no output shows
	Secrets   map[string]SecretRef `json:"secrets,omitempty"` // as in a Function
}

// Upstream is a set of HTTP addresses that somebody else runs.
type Upstream struct {
	URLs     []string `json:"urls"`
	Health   Health   `json:"health"`
	Protocol Protocol `json:"protocol,omitempty"`
	Host     string   `json:"host,omitempty"` // the Host header of requests: "" is the client's, HostUpstream the address's
}

// HostUpstream gives the requests to an upstream the host of its own address.
const HostUpstream = "upstream"

// Protocol is what the instances of a service or upstream speak. The zero value
// is HTTP/1.1.
type Protocol string

// The protocols besides HTTP/1.1.
const (
	ProtocolH2C Protocol = "h2c" // HTTP/2 in cleartext, from the first byte
	ProtocolH2  Protocol = "h2"  // HTTP/2 over TLS
)

// ParseProtocol reads a protocol as people write it: "http1", "h2c" or "h2".
func ParseProtocol(s string) (Protocol, error) {
	switch p := Protocol(s); p {
	case "http1":
		return "", nil
	case ProtocolH2C, ProtocolH2:
		return p, nil
	}
	return "", Errorf(CodeInvalidInput, "%q is not a protocol; use http1, h2c or h2", s)
}

// Spec is the content of a version: what it is made of and which requests it
// answers. The release policy is not part of it: how to release changes nothing
// about what runs.
type Spec struct {
	App        string               `json:"app"`
	Components map[string]Component `json:"components"`
	Routes     []Route              `json:"routes"`
	Triggers   []Trigger            `json:"triggers,omitempty"`
}

// Defaults of what a manifest may leave out.
const (
	DefaultMemory         = 128 * MiB
	DefaultTimeout        = Duration(3 * time.Second)
	DefaultInit           = Duration(10 * time.Second)
	DefaultIdle           = Duration(5 * time.Minute)
	DefaultConcurrencyMin = 1
	DefaultConcurrencyMax = 10
	DefaultPayload        = "2.0"
	DefaultInstances      = 1
	DefaultGrace          = Duration(10 * time.Second)
	DefaultHealthPath     = "/"
	DefaultHealthInterval = Duration(time.Second)
	DefaultHealthTimeout  = Duration(5 * time.Second)
	DefaultHealthFailures = 3
)

// Limits on what a spec may ask for.
const (
	MaxNameLength   = 64 // of an app or a component
	MaxAliasLength  = 128
	MaxComponents   = 100
	MaxRoutes       = 1000
	MaxConcurrency  = 1000
	MaxInstances    = 100
	MaxUpstreamURLs = 100
	MaxMemory       = 64 * GiB
	MinMemory       = 16 * MiB
	MaxTimeout      = Duration(15 * time.Minute)
	MaxEnvironment  = 64 * KiB // all names and values of one component
	MaxQueue        = 20       // releases of one app that wait for their turn
	MaxLayers       = 5
	MaxAttached     = 64 * KiB // of Function.Attached
)

var (
	namePattern    = regexp.MustCompile(NamePattern)
	digitsPattern  = regexp.MustCompile(`^[0-9]+$`)
	envPattern     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	runtimePattern = regexp.MustCompile(`^(python3(\.\d+)?|nodejs(\d+\.x)?|provided(\.[a-z0-9]+)?)$`)
	handlerPattern = regexp.MustCompile(`^[^\s]+\.[^\s.]+$`)
	digestPattern  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// NamePattern is what every name matches: the alphabet of AWS Lambda's names,
// because a function there is an app here. A dash at the start would be a flag on
// a command line.
const NamePattern = `^[A-Za-z0-9_][A-Za-z0-9_-]*$`

// CheckName returns an error that says what a name of the given sort ("app",
// "component", "alias") must look like, or nil.
func CheckName(sort, name string) error {
	most := MaxNameLength
	if sort == "alias" {
		most = MaxAliasLength
	}
	if len(name) > most || !namePattern.MatchString(name) {
		return Errorf(CodeInvalidInput, "%q is not a valid %s name; use letters, digits, dashes and underscores, not starting with a dash, at most %d", name, sort, most)
	}
	if sort == "alias" && digitsPattern.MatchString(name) {
		return Errorf(CodeInvalidInput, "%q is not a valid alias name; a name of digits alone is a version", name)
	}
	return nil
}

// RuntimeFamily returns the family of a Lambda runtime identifier: "python3",
// "nodejs" or "provided"; "" for one that Teal does not know.
func RuntimeFamily(runtime string) string {
	if !runtimePattern.MatchString(runtime) {
		return ""
	}
	for _, family := range []string{"python3", "nodejs", "provided"} {
		if strings.HasPrefix(runtime, family) {
			return family
		}
	}
	return ""
}

// Problem is one thing wrong with a spec. Path leads to the field, in the
// manifest's own terms: "functions", "hello", "memory".
type Problem struct {
	Path    []string
	Message string
}

// String returns the problem as one line: "functions.hello.memory: …".
func (p Problem) String() string { return strings.Join(p.Path, ".") + ": " + p.Message }

// Check returns everything that is wrong with the spec, in a stable order; none
// means that it can be run. It does not look at code or at other apps.
func (s Spec) Check() []Problem {
	c := &checker{}
	c.name("app", s.App, "app")
	if len(s.Components) == 0 {
		c.addf([]string{"app"}, "has no component; add one under functions, services, static or upstreams")
	}
	if len(s.Components) > MaxComponents {
		c.addf([]string{"app"}, "has %d components; at most %d are allowed", len(s.Components), MaxComponents)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Components)) {
		c.component(name, s.Components[name])
	}
	c.variables(s.Components)
	c.selfDestinations(s)
	c.routes(s)
	c.triggers(s)
	return c.problems
}

// Validate returns Check's findings as one *Error with CodeInvalidInput, or nil.
func (s Spec) Validate() error {
	problems := s.Check()
	if len(problems) == 0 {
		return nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return Errorf(CodeInvalidInput, "%s", strings.Join(lines, "\n"))
}

type checker struct{ problems []Problem }

func (c *checker) addf(path []string, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: slices.Clone(path), Message: fmt.Sprintf(format, args...)})
}

func (c *checker) name(sort, name string, path ...string) {
	if err := CheckName(sort, name); err != nil {
		c.addf(path, "%s", err)
	}
}

// variables refuses names that one environment variable would have to serve.
func (c *checker) variables(components map[string]Component) {
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		variable := AddressVariable(name)
		if other, ok := taken[variable]; ok {
			c.addf([]string{"components", name}, "has the same address variable %s as %s; choose another name", variable, other)
		}
		taken[variable] = name
	}
}

// AddressVariable returns the environment variable in which a component finds
// the address of the sibling of that name.
func AddressVariable(component string) string {
	return "TEAL_URL_" + strings.ToUpper(strings.ReplaceAll(component, "-", "_"))
}

func (c *checker) component(name string, comp Component) {
	if comp.fields() > 1 {
		c.addf([]string{"components", name}, "is more than one of a function, a service, static files and an upstream")
		return
	}
	kind, ok := comp.kind()
	if !ok {
		c.addf([]string{"components", name}, "is neither a function, a service, static files nor an upstream")
		return
	}
	path := []string{kind.section, name}
	c.name("component", name, path...)
	kind.check(c, path, comp)
}

func (c *checker) function(path []string, f *Function) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	family := RuntimeFamily(f.Runtime)
	if family == "" {
		c.addf(at("runtime"), "%q is not a runtime; use python3, nodejs or provided, or one of AWS's names such as python3.12, nodejs22.x, provided.al2023", f.Runtime)
	}
	if strings.ContainsRune(f.Handler, 0) {
		c.addf(at("handler"), "contains a NUL byte")
	}
	if family != "provided" && family != "" && !handlerPattern.MatchString(f.Handler) {
		c.addf(at("handler"), "%q is not a handler; write file.function, such as app.lambda_handler", f.Handler)
	}
	c.digest(at("code"), f.Code)
	c.memory(at("memory"), f.Memory)
	if f.Timeout <= 0 || f.Timeout > MaxTimeout {
		c.addf(at("timeout"), "is %s; expected more than 0s and at most %s", f.Timeout, MaxTimeout)
	}
	if f.Init <= 0 || f.Init > MaxTimeout {
		c.addf(at("init"), "is %s; expected more than 0s and at most %s", f.Init, MaxTimeout)
	}
	if f.Concurrency.Max < 1 || f.Concurrency.Max > MaxConcurrency {
		c.addf(append(at("concurrency"), "max"), "is %d; expected 1 to %d", f.Concurrency.Max, MaxConcurrency)
	}
	if f.Concurrency.Min < 0 || f.Concurrency.Min > f.Concurrency.Max {
		c.addf(append(at("concurrency"), "min"), "is %d; expected 0 to max (%d)", f.Concurrency.Min, f.Concurrency.Max)
	}
	if f.Payload != "2.0" && f.Payload != "1.0" {
		c.addf(at("payload"), "%q is not an event format; use \"2.0\" or \"1.0\"", f.Payload)
	}
	c.env(at("env"), f.Env)
	c.secrets(at("env"), f.Secrets, f.Env)
	if len(f.Layers) > MaxLayers {
		c.addf(at("layers"), "holds %d layers; at most %d are allowed", len(f.Layers), MaxLayers)
	}
	for _, layer := range f.Layers {
		c.digest(at("layers"), layer)
	}
	if f.Async != nil {
		c.async(at("async"), f.Async)
	}
	if Bytes(len(f.Attached)) > MaxAttached || (len(f.Attached) > 0 && (f.Attached[0] != '{' || !json.Valid(f.Attached))) {
		c.addf(at("lambda"), "is not a JSON object of at most %s", MaxAttached)
	}
}

func (c *checker) service(path []string, s *Service) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	c.command(at("command"), s.Command, "./web")
	c.digest(at("code"), s.Code)
	c.health(at("health"), s.Health)
	if s.Instances < 1 || s.Instances > MaxInstances {
		c.addf(at("instances"), "is %d; expected 1 to %d", s.Instances, MaxInstances)
	}
	if s.Protocol != "" && s.Protocol != ProtocolH2C {
		c.addf(at("protocol"), "is %q; a service is reached without TLS, so use http1 or h2c", s.Protocol)
	}
	if s.Memory != 0 {
		c.memory(at("memory"), s.Memory)
	}
	if s.Grace > MaxTimeout {
		c.addf(at("grace"), "is %s; expected at most %s", s.Grace, MaxTimeout) // the server's own end waits for it
	}
	c.env(at("env"), s.Env)
	c.secrets(at("env"), s.Secrets, s.Env)
}

func (c *checker) upstream(path []string, u *Upstream) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	if len(u.URLs) == 0 || len(u.URLs) > MaxUpstreamURLs {
		c.addf(at("urls"), "has %d addresses; expected 1 to %d", len(u.URLs), MaxUpstreamURLs)
	}
	for _, raw := range u.URLs {
		if err := CheckUpstreamURL(raw); err != nil {
			c.addf(at("urls"), "%s", err)
		}
		switch secure := strings.HasPrefix(raw, "https:"); {
		case u.Protocol == ProtocolH2C && secure:
			c.addf(at("urls"), "%q is https, and h2c is HTTP/2 without TLS; write http, or h2 for the protocol", raw)
		case u.Protocol == ProtocolH2 && !secure:
			c.addf(at("urls"), "%q is not https, and h2 is HTTP/2 over TLS; write https, or h2c for the protocol", raw)
		}
	}
	if u.Protocol != "" && u.Protocol != ProtocolH2C && u.Protocol != ProtocolH2 {
		c.addf(at("protocol"), "is %q; use http1, h2c or h2", u.Protocol)
	}
	if u.Host != "" && u.Host != HostUpstream {
		c.addf(at("host"), "is %q; use client for the Host header of the client, or upstream for the name in urls", u.Host)
	}
	c.health(at("health"), u.Health)
}

// CheckUpstreamURL returns an error that says what an upstream's address must
// look like, or nil: http or https, a host, and nothing after the port but an
// optional path without query, fragment or dot segments.
func CheckUpstreamURL(raw string) error {
	rest, ok := strings.CutPrefix(raw, "http://")
	if !ok {
		rest, ok = strings.CutPrefix(raw, "https://")
	}
	host, _, _ := strings.Cut(rest, "/")
	if !ok || !validHostPort(host) || strings.ContainsAny(rest, "?#@\\ \t\r\n") || strings.Contains(rest+"/", "/../") {
		return Errorf(CodeInvalidInput, "%q is not an upstream address; write http://HOST:PORT or https://HOST, without user, query or fragment", raw)
	}
	return nil
}

// validHostPort reports whether s is HOST or HOST:PORT with a port from 1 to
// 65535; an IPv6 address stands in brackets.
func validHostPort(s string) bool {
	host := s
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		port, err := strconv.ParseUint(s[i+1:], 10, 16)
		if err != nil || port == 0 {
			return false
		}
		host = s[:i]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		return strings.HasSuffix(inner, "]") && strings.Contains(inner, ":")
	}
	return host != "" && !strings.ContainsAny(host, ":[]")
}

func notInPath(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }

func (c *checker) digest(path []string, digest string) {
	if !digestPattern.MatchString(digest) {
		c.addf(path, "%q is not the digest of a bundle; expected sha256: and 64 hexadecimal digits", digest)
	}
}

func (c *checker) memory(path []string, b Bytes) {
	if b < MinMemory || b > MaxMemory {
		c.addf(path, "is %s; expected %s to %s", b, MinMemory, MaxMemory)
	}
}

// command looks at a program and its arguments; such is an example of one.
func (c *checker) command(path []string, command []string, such string) {
	if len(command) == 0 || command[0] == "" {
		c.addf(path, "is empty; write the program and its arguments, such as [%q]", such)
	}
	if slices.ContainsFunc(command, func(arg string) bool { return strings.ContainsRune(arg, 0) }) {
		c.addf(path, "contains a NUL byte")
	}
}

func (c *checker) env(path []string, env map[string]string) {
	size := 0
	for _, name := range slices.Sorted(maps.Keys(env)) {
		size += len(name) + len(env[name])
		if !envPattern.MatchString(name) {
			c.addf(path, "%q is not the name of an environment variable", name)
		}
		if ReservedEnv(name) {
			c.addf(path, "%s is set by Teal and cannot be changed", name)
		}
		if strings.ContainsRune(env[name], 0) {
			c.addf(path, "%s contains a NUL byte", name)
		}
	}
	if Bytes(size) > MaxEnvironment {
		c.addf(path, "holds %d bytes; at most %s are allowed", size, MaxEnvironment)
	}
}

// ReservedEnv reports whether Teal itself sets the environment variable for
// the components that it runs.
func ReservedEnv(name string) bool {
	switch name {
	case "PORT", "_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR":
		return true
	}
	return strings.HasPrefix(name, "AWS_LAMBDA_") || strings.HasPrefix(name, "TEAL_")
}

package teal

import (
	"time"
)

// Policy says how to release. It belongs to the deploy, not to the version: a
// release keeps the policy that it started with.
type Policy struct {
	Strategy Strategy `json:"strategy"`
	// Steps are the shares that green takes on its way to everything, compiled
	// from the strategy; none moves everything at once. The move to All comes
	// after the last one and is not among them.
	Steps []Step `json:"steps,omitempty"`
	// ReadyWithin bounds provisioning: green must be healthy by then.
	ReadyWithin Duration `json:"ready_within"`
	// Confidence is how long blue stands by after the switch.
	Confidence Duration `json:"confidence"`
	// Drain is how long a retired environment may take to finish the requests
	// that it has.
	Drain Duration `json:"drain"`
	// Deadline bounds the whole way from the start to all traffic on green: a
	// release that takes longer goes back. 0 is none.
	Deadline Duration `json:"deadline,omitempty"`
	// MaxPause is how long a release may wait for a person, paused or for an
	// approval, before it goes back by itself. 0 is for ever.
	MaxPause Duration `json:"max_pause,omitempty"`
	// OnNewVersion says what becomes of a deploy while a release runs.
	OnNewVersion OnNewVersion `json:"on_new_version,omitempty"`

	Warm   Warm     `json:"warm,omitzero"`
	Checks []Check  `json:"checks,omitempty"`
	Hooks  []Hook   `json:"hooks,omitempty"`
	Judge  Judging  `json:"judge,omitzero"`
	Freeze []Freeze `json:"freeze,omitempty"`
	Notify []Notify `json:"notify,omitempty"`
	// Keep is how many versions are kept besides those in use. 0 keeps all.
	Keep int `json:"keep,omitempty"`
}

// Step is one share that green takes on the way, and what must be true before
// the next one.
type Step struct {
	Weight   Weight   `json:"weight"`
	Hold     Duration `json:"hold"`               // how long the step lasts at least
	Approval bool     `json:"approval,omitempty"` // a person must say go on
	Checks   []Check  `json:"checks,omitempty"`   // put to green while it has the weight
}

// OnNewVersion names what becomes of a deploy while a release of the app runs.
type OnNewVersion string

// The answers to a deploy while a release runs.
const (
	OnNewVersionReject  OnNewVersion = "reject"  // refuse it; the default
	OnNewVersionQueue   OnNewVersion = "queue"   // release it when its turn comes
	OnNewVersionReplace OnNewVersion = "replace" // roll the running release back first
)

// Check is a question put to green, by name. Exactly one of Request, Command
// and Transaction says which sort it is.
type Check struct {
	Name string `json:"name"`
	// To is the component that Request and Transaction ask; "" asks the app by
	// its own routes.
	To          string               `json:"to,omitempty"`
	Request     *Request             `json:"request,omitempty"` // a smoke check: one request
	Expect      Expect               `json:"expect,omitzero"`   // what its answer must be
	Command     []string             `json:"command,omitempty"` // an integration check: a program that must end with 0
	Code        string               `json:"code,omitempty"`    // digest of the bundle that the command runs in
	Env         map[string]string    `json:"env,omitempty"`
	Masked      []string             `json:"masked,omitzero"`       // names in Env whose values no output shows; nil is all of them
	Secrets     map[string]SecretRef `json:"secrets,omitempty"`     // as in a Function
	Transaction []Exchange           `json:"transaction,omitempty"` // a synthetic transaction: a journey of requests

	Timeout Duration `json:"timeout"`           // of one attempt
	Retries int      `json:"retries,omitempty"` // further attempts after one that failed
	Repeat  int      `json:"repeat,omitempty"`  // how often it must pass in a row; 0 is once
	// Every, where set, asks again this often while green is shifted and
	// watched. Only for Request and Transaction.
	Every Duration `json:"every,omitempty"`
}

// Request is an HTTP request that Teal itself makes. In a transaction
// "${name}" in Path, Headers and Body stands for a captured value.
type Request struct {
	Method  string            `json:"method,omitempty"` // "" is GET
	Path    string            `json:"path"`             // with its query
	Host    string            `json:"host,omitempty"`   // "" is the host of the first route
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
}

// Expect says what an answer must be; zero fields are not looked at.
type Expect struct {
	Status  int               `json:"status,omitempty"` // 0: 200 to 399
	Body    string            `json:"body,omitempty"`   // text that the body must contain
	Headers map[string]string `json:"headers,omitempty"`
	JSON    map[string]string `json:"json,omitempty"` // path, such as items.0.name, to the value as text
	Within  Duration          `json:"within,omitempty"`
}

// Exchange is one request of a transaction.
type Exchange struct {
	Request Request `json:"request"`
	Expect  Expect  `json:"expect,omitzero"`
	// Capture names values for later requests: name to "json:PATH",
	// "header:NAME" or "regexp:EXPRESSION" (its first group).
	Capture map[string]string `json:"capture,omitempty"`
}

// HookPoint names a moment of a release, by CodeDeploy's names.
type HookPoint string

// The moments at which hooks run.
const (
	BeforeInstall         HookPoint = "BeforeInstall"         // before green starts
	AfterInstall          HookPoint = "AfterInstall"          // when green is healthy
	AfterAllowTestTraffic HookPoint = "AfterAllowTestTraffic" // when green is warm and can be asked by header
	BeforeAllowTraffic    HookPoint = "BeforeAllowTraffic"    // when the checks have passed
	AfterAllowTraffic     HookPoint = "AfterAllowTraffic"     // when green has everything
)

// HookPoints lists the points in the order in which a release meets them.
var HookPoints = []HookPoint{BeforeInstall, AfterInstall, AfterAllowTestTraffic, BeforeAllowTraffic, AfterAllowTraffic}

// Hook is something of the user's that runs at a point and must succeed.
// Exactly one of Command, URL and Function is set. It may run twice after a
// crash of the server.
type Hook struct {
	Point    HookPoint            `json:"point"`
	Name     string               `json:"name"`
	Command  []string             `json:"command,omitempty"`
	Code     string               `json:"code,omitempty"` // digest of the bundle that the command runs in
	Env      map[string]string    `json:"env,omitempty"`
	Masked   []string             `json:"masked,omitzero"`    // as in a Check
	Secrets  map[string]SecretRef `json:"secrets,omitempty"`  // as in a Function
	URL      string               `json:"url,omitempty"`      // POSTed to; 202 means that the answer comes later
	Function string               `json:"function,omitempty"` // a function of green
	Timeout  Duration             `json:"timeout"`
}

// Warm says how green is made warm before it is checked. Warm-ups never count as
// users.
type Warm struct {
	Requests []Request `json:"requests,omitempty"`
	// Replay is how many of the most frequent safe requests (GET and HEAD) that
	// live has just served are sent to green.
	Replay int `json:"replay,omitempty"`
	// Rounds is how often the requests are sent; 0 is 3.
	Rounds int `json:"rounds,omitempty"`
	// Within gates the last round: green's 95th percentile must be at most so
	// many times live's. 0 is no gate.
	Within  float64  `json:"within,omitempty"`
	Timeout Duration `json:"timeout,omitempty"` // of the whole; 0 is 1m
}

// Judging says when green counts as worse.
type Judging struct {
	// ErrorRate is the largest share of failed requests; nil is no limit.
	ErrorRate *Weight `json:"error_rate,omitempty"`
	// Latency holds limits of percentiles; zero fields are no limit.
	Latency Percentiles `json:"latency,omitzero"`
	// Compare compares green with the version that live left: AliasLive, or ""
	// for not at all.
	Compare string `json:"compare,omitempty"`
	// Alpha bounds the probability that a release whose green is no worse is
	// rolled back by the judge, however often it looks. 0 is 0.01.
	Alpha float64 `json:"alpha,omitempty"`
	// Tolerance is how much worse than live green may be and still count as the
	// same: a share of live's own figure. Nil is 10 %.
	Tolerance *Weight `json:"tolerance,omitempty"`
	// MinRequests is how many requests green must have served before a pass. 0
	// is 100.
	MinRequests int `json:"min_requests,omitempty"`

	OnInconclusive OnDoubt `json:"on_inconclusive,omitempty"` // too little data; "" is hold
	OnError        OnDoubt `json:"on_error,omitempty"`        // a judge that cannot be asked; "" is hold
	// DoubtAfter is how long a doubt lasts before OnInconclusive or OnError is
	// followed, counted from the end of the step's hold. 0 is at once.
	DoubtAfter Duration `json:"doubt_after,omitempty"`
	// NewErrors says what an error that live never had means.
	NewErrors NewErrors `json:"new_errors,omitempty"`

	Queries  []Query   `json:"queries,omitempty"`
	Webhooks []Webhook `json:"webhooks,omitempty"`
}

// Percentiles holds one figure per percentile.
type Percentiles struct {
	P50 Duration `json:"p50,omitempty"`
	P90 Duration `json:"p90,omitempty"`
	P95 Duration `json:"p95,omitempty"`
	P99 Duration `json:"p99,omitempty"`
}

// OnDoubt names what to do without a verdict.
type OnDoubt string

// What to do without a verdict.
const (
	DoubtHold     OnDoubt = "hold"     // wait until there is one; the default
	DoubtRollback OnDoubt = "rollback" // go back
	DoubtPromote  OnDoubt = "promote"  // go on; the evidence says so
)

// NewErrors names what an error means that green has and live never had.
type NewErrors string

// What a new error means.
const (
	NewErrorsNote   NewErrors = "note"   // it is evidence, no more; the default
	NewErrorsFail   NewErrors = "fail"   // green is worse
	NewErrorsIgnore NewErrors = "ignore" // it is not looked at
)

// Query asks a Prometheus server. The first value of the answer must lie between
// the limits; "${version}", "${app}" and "${live}" in Query are filled in.
type Query struct {
	Name    string   `json:"name"`
	URL     string   `json:"url"`
	Query   string   `json:"query"`
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Every   Duration `json:"every"`
	Timeout Duration `json:"timeout"`
}

// Webhook asks an HTTP address for a verdict: a POST answered with a JSON
// document {"verdict": "pass"|"fail"|"inconclusive", "reason": "…"}.
type Webhook struct {
	Name    string   `json:"name"`
	URL     string   `json:"url"`
	Every   Duration `json:"every"`
	Timeout Duration `json:"timeout"`
}

// Freeze is a window in which nothing is released: it begins whenever Cron
// matches and lasts For.
type Freeze struct {
	Cron     string   `json:"cron"` // five fields: minute hour day month weekday
	For      Duration `json:"for"`
	TimeZone string   `json:"time_zone"` // such as Europe/Berlin
	Reason   string   `json:"reason,omitempty"`
}

// Zone returns the time zone; "" is UTC. "Local" is refused, with
// CodeInvalidInput: it would depend on the server.
func (f Freeze) Zone() (*time.Location, error) {
	return ParseZone(f.TimeZone)
}

// Notify is an address that is told when a release changes.
type Notify struct {
	URL   string `json:"url"`
	Slack bool   `json:"slack,omitempty"` // in the form that Slack's incoming webhooks take
}

// Defaults of a policy.
const (
	DefaultReadyWithin  = Duration(2 * time.Minute)
	DefaultConfidence   = Duration(10 * time.Minute)
	DefaultDrain        = Duration(30 * time.Second)
	DefaultMaxPause     = Duration(24 * time.Hour)
	DefaultKeep         = 10
	DefaultAlpha        = 0.01
	DefaultTolerance    = Weight(1000)
	DefaultMinRequests  = 100
	DefaultHookTimeout  = Duration(time.Hour)
	DefaultCheckTimeout = Duration(10 * time.Second)
	DefaultTestTimeout  = Duration(5 * time.Minute) // of a check that is a command
	DefaultWarmTimeout  = Duration(time.Minute)
	DefaultWarmRounds   = 3
	DefaultAskEvery     = Duration(10 * time.Second) // between two questions to an outside judge
)

// DefaultPolicy returns the policy of an app that says nothing about releases.
func DefaultPolicy() Policy {
	return Policy{
		Strategy:    StrategyAllAtOnce,
		ReadyWithin: DefaultReadyWithin,
		Confidence:  DefaultConfidence,
		Drain:       DefaultDrain,
		MaxPause:    DefaultMaxPause,
		Keep:        DefaultKeep,
		Judge:       Judging{Compare: AliasLive},
	}
}

// Judges reports whether the policy asks for any measurement of green.
func (j Judging) Judges() bool {
	return j.ErrorRate != nil || j.Latency != (Percentiles{}) || j.Compare != "" ||
		j.NewErrors == NewErrorsFail || len(j.Queries) > 0 || len(j.Webhooks) > 0
}

// AlphaOrDefault returns the bound on false rollbacks.
func (j Judging) AlphaOrDefault() float64 {
	if j.Alpha == 0 {
		return DefaultAlpha
	}
	return j.Alpha
}

// ToleranceOrDefault returns how much worse green may be.
func (j Judging) ToleranceOrDefault() Weight {
	if j.Tolerance == nil {
		return DefaultTolerance
	}
	return *j.Tolerance
}

// MinRequestsOrDefault returns how many requests a pass needs.
func (j Judging) MinRequestsOrDefault() int {
	if j.MinRequests == 0 {
		return DefaultMinRequests
	}
	return j.MinRequests
}

// HooksAt returns the hooks of a point, in their order.
func (p Policy) HooksAt(point HookPoint) []Hook {
	var list []Hook
	for _, h := range p.Hooks {
		if h.Point == point {
			list = append(list, h)
		}
	}
	return list
}

// Bundles returns the digests of the code that checks and hooks run in, without
// repetition.
func (p Policy) Bundles() []string {
	seen := map[string]bool{"": true}
	var digests []string
	add := func(digest string) {
		if !seen[digest] {
			seen[digest] = true
			digests = append(digests, digest)
		}
	}
	for _, c := range p.Checks {
		add(c.Code)
	}
	for _, s := range p.Steps {
		for _, c := range s.Checks {
			add(c.Code)
		}
	}
	for _, h := range p.Hooks {
		add(h.Code)
	}
	return digests
}

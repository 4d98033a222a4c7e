package manifest

import "teal"

type release struct {
	Strategy     string        `yaml:"strategy" desc:"How the traffic moves: all-at-once, canary, linear, or a name of CodeDeploy's such as Canary10Percent5Minutes." pattern:"^(all-at-once|canary|linear|(CodeDeployDefault\\.)?(Lambda|ECS)?(AllAtOnce|Canary[0-9]{1,2}Percent[0-9]{1,5}Minutes?|Linear[0-9]{1,2}PercentEvery[0-9]{1,5}Minutes?))$" std:"all-at-once"`
	Steps        []step        `yaml:"steps" desc:"The shares that the new version takes, one after the other; everything comes after the last one."`
	Checks       []check       `yaml:"checks" desc:"Questions put to the new version before it takes traffic."`
	Hooks        hooks         `yaml:"hooks" desc:"What of yours runs at which point of the release, and must succeed."`
	Warm         warm          `yaml:"warm" desc:"How the new version is made warm before it is checked."`
	Watch        watch         `yaml:"watch" desc:"When the new version counts as worse, and how long it is monitored after the switch."`
	Deadline     teal.Duration `yaml:"deadline" zero:"no limit" desc:"The new version must have all traffic by then, or the release is rolled back; such as 2h. Left out: no limit."`
	MaxPause     teal.Duration `yaml:"max_pause" desc:"How long a release may wait for a person before it is rolled back, such as 24h; 0s is for ever."`
	OnNewVersion string        `yaml:"on_new_version" desc:"What becomes of a deploy while a release runs." enum:"reject,queue,replace" std:"reject"`
	Freeze       []freeze      `yaml:"freeze" desc:"Windows in which nothing is released."`
	Notify       []notify      `yaml:"notify" desc:"Addresses that are told when a release changes."`
	Keep         int           `yaml:"keep" desc:"How many versions are kept besides those in use; 0 keeps all." min:"0" max:"10000"`
	ReadyWithin  teal.Duration `yaml:"ready_within" desc:"The new version must be healthy by then, or the release fails; such as 2m."`
	Drain        teal.Duration `yaml:"drain" desc:"How long a retired version may take to finish its requests, such as 30s."`
}

func (r *release) setDefaults() {
	p := teal.DefaultPolicy()
	*r = release{ReadyWithin: p.ReadyWithin, Drain: p.Drain, MaxPause: p.MaxPause, Keep: p.Keep}
	r.Watch.setDefaults()
}

type step struct {
	Weight   percent       `yaml:"weight" need:"yes" desc:"The share of the new version in percent, more than the step before and less than 100."`
	Hold     teal.Duration `yaml:"hold" desc:"How long the step lasts at least, such as 5m."`
	Approval bool          `yaml:"approval" desc:"A person must say go on: teal approve APP."`
	Checks   []check       `yaml:"checks" desc:"Questions put to the new version while it has this share."`
}

type check struct {
	Name        string              `yaml:"name" need:"yes" desc:"The name of the check." pattern:"^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	To          string              `yaml:"to" desc:"The component that is asked. Left out: the app, by its routes."`
	Request     *request            `yaml:"request" desc:"A smoke check: the request that is sent."`
	Expect      expect              `yaml:"expect" desc:"What the answer to the request must be."`
	Command     []text              `yaml:"command" desc:"An integration check: a program and its arguments; it must end with 0. TEAL_PREVIEW_URL says where the new version is."`
	Code        string              `yaml:"code" desc:"A folder or a .zip file that the command runs in, relative to this file." std:"."`
	Env         map[string]variable `yaml:"env" desc:"Environment variables of the command, beside those of the components; ${NAME} is the variable of whoever deploys. {secret: NAME} is the value of a secret of the app."`
	Transaction []exchange          `yaml:"transaction" desc:"A synthetic transaction: requests one after the other; cookies are kept."`
	Timeout     *teal.Duration      `yaml:"timeout" desc:"How long one attempt may take; 10s, of a command 5m."`
	Retries     int                 `yaml:"retries" desc:"Further attempts after one that failed." min:"0" max:"100"`
	Repeat      int                 `yaml:"repeat" desc:"How often it must pass in a row." min:"0" max:"1000"`
	Every       teal.Duration       `yaml:"every" zero:"once" desc:"Ask again this often while the new version is shifted and watched, such as 30s. Not for a command."`
}

type request struct {
	Method  string          `yaml:"method" desc:"The HTTP method." std:"GET"`
	Path    string          `yaml:"path" need:"yes" desc:"The path, with its query." pattern:"^/"`
	Host    string          `yaml:"host" desc:"The host name that is asked for. Left out: that of the first route."`
	Headers map[string]text `yaml:"headers" desc:"Headers to send."`
	Body    string          `yaml:"body" zero:"yes" desc:"The body to send."`
}

type expect struct {
	Status  int             `yaml:"status" zero:"200 to 399" desc:"The HTTP status. Left out: 200 to 399." min:"100" max:"599"`
	Body    string          `yaml:"body" desc:"Text that the body must contain."`
	Headers map[string]text `yaml:"headers" desc:"Headers that the answer must have, with these values."`
	JSON    map[string]text `yaml:"json" desc:"Values that the body must have, by path, such as items.0.name."`
	Within  teal.Duration   `yaml:"within" zero:"no limit" desc:"How long the answer may take, such as 500ms."`
}

type exchange struct {
	Request request         `yaml:"request" need:"yes" desc:"The request that is sent; ${name} stands for a captured value."`
	Expect  expect          `yaml:"expect" desc:"What the answer must be."`
	Capture map[string]text `yaml:"capture" desc:"Values for later requests, by name: json:PATH, header:NAME or regexp:EXPRESSION."`
}

type hooks struct {
	BeforeInstall         []hook `yaml:"BeforeInstall" desc:"Before the new version starts."`
	AfterInstall          []hook `yaml:"AfterInstall" desc:"When the new version is healthy."`
	AfterAllowTestTraffic []hook `yaml:"AfterAllowTestTraffic" desc:"When the new version is warm and can be asked by header."`
	BeforeAllowTraffic    []hook `yaml:"BeforeAllowTraffic" desc:"When the checks have passed."`
	AfterAllowTraffic     []hook `yaml:"AfterAllowTraffic" desc:"When the new version has all traffic."`
}

type hook struct {
	Name     string              `yaml:"name" desc:"The name of the hook. Left out: hook-1, hook-2 and so on." pattern:"^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	Command  []text              `yaml:"command" desc:"A program and its arguments; it must end with 0."`
	Code     string              `yaml:"code" desc:"A folder or a .zip file that the command runs in, relative to this file." std:"."`
	Env      map[string]variable `yaml:"env" desc:"Environment variables of the command, beside those of the components; ${NAME} is the variable of whoever deploys. {secret: NAME} is the value of a secret of the app."`
	URL      string              `yaml:"url" desc:"An address that is POSTed to. A status of 202 says that the answer comes later."`
	Function string              `yaml:"function" desc:"A function of the new version that is invoked."`
	Timeout  *teal.Duration      `yaml:"timeout" desc:"How long it may take, a later answer included." std:"1h"`
}

type warm struct {
	Requests []request      `yaml:"requests" desc:"Requests that are sent to the new version."`
	Replay   int            `yaml:"replay" desc:"How many of the most frequent GET and HEAD requests that the current version has just served are sent to the new version." min:"0" max:"1000"`
	Rounds   *int           `yaml:"rounds" desc:"How often the requests are sent." min:"1" max:"100" std:"3"`
	Within   *float64       `yaml:"within" desc:"In the last round the new version's 95th percentile must be at most so many times the current one's, such as 1.5. Left out: no matter."`
	Timeout  *teal.Duration `yaml:"timeout" desc:"How long warming may take, such as 1m." std:"1m"`
}

type watch struct {
	Confidence     teal.Duration `yaml:"confidence" desc:"How long the new version is monitored after the switch, with the version before on standby, such as 10m; 0s retires that at once, and then nothing is monitored."`
	ErrorRate      errorRate     `yaml:"error_rate" desc:"The share of failed requests that the new version may have."`
	Latency        latency       `yaml:"latency" desc:"How slow the new version may be."`
	Compare        string        `yaml:"compare" desc:"What the new version is compared with: live, or none." enum:"live,none" std:"live"`
	Alpha          *float64      `yaml:"alpha" desc:"The probability that a new version that is no worse is rolled back by the comparison, at most, however often it looks." std:"0.01"`
	Tolerance      *percent      `yaml:"tolerance" desc:"How much worse than the current version the new one may be and still count as the same, in percent of the current one's figure." std:"10%"`
	MinRequests    *int          `yaml:"min_requests" desc:"How many requests the new version must have served before it can pass." min:"1" std:"100"`
	OnInconclusive string        `yaml:"on_inconclusive" desc:"What to do when there is too little data." enum:"hold,rollback,promote" std:"hold"`
	OnError        string        `yaml:"on_error" desc:"What to do when a judge cannot be asked." enum:"hold,rollback,promote" std:"hold"`
	DoubtAfter     teal.Duration `yaml:"doubt_after" desc:"How long to wait for a verdict after a step's hold before on_inconclusive or on_error is followed, such as 10m."`
	NewErrors      string        `yaml:"new_errors" desc:"What an error means that the new version has and the current one never had." enum:"note,fail,ignore" std:"note"`
	Queries        []query       `yaml:"queries" desc:"Questions to Prometheus servers."`
	Webhooks       []webhook     `yaml:"webhooks" desc:"Addresses that are asked for a verdict."`
}

func (w *watch) setDefaults() { w.Confidence = teal.DefaultPolicy().Confidence }

type errorRate struct {
	Max *percent `yaml:"max" desc:"The limit, such as 1%."`
}

type latency struct {
	P50 *teal.Duration `yaml:"p50" desc:"The limit of the median, such as 50ms."`
	P90 *teal.Duration `yaml:"p90" desc:"The limit of the 90th percentile, such as 100ms."`
	P95 *teal.Duration `yaml:"p95" desc:"The limit of the 95th percentile, such as 200ms."`
	P99 *teal.Duration `yaml:"p99" desc:"The limit of the 99th percentile, such as 300ms."`
}

type query struct {
	Name    string        `yaml:"name" need:"yes" desc:"The name of the query." pattern:"^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	URL     string        `yaml:"url" need:"yes" desc:"The address of the Prometheus server, such as http://prometheus:9090."`
	Query   string        `yaml:"query" need:"yes" desc:"PromQL that gives one number; ${app}, ${version} and ${live} are filled in."`
	Min     *float64      `yaml:"min" desc:"The least that it may be."`
	Max     *float64      `yaml:"max" desc:"The most that it may be."`
	Every   teal.Duration `yaml:"every" desc:"How often it is asked, such as 10s."`
	Timeout teal.Duration `yaml:"timeout" desc:"How long an answer may take, such as 10s."`
}

func (q *query) setDefaults() {
	*q = query{Every: teal.DefaultAskEvery, Timeout: teal.DefaultCheckTimeout}
}

type webhook struct {
	Name    string        `yaml:"name" need:"yes" desc:"The name of the webhook." pattern:"^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	URL     string        `yaml:"url" need:"yes" desc:"The address that is POSTed to; it answers {\"verdict\": \"pass\", \"reason\": \"…\"}."`
	Every   teal.Duration `yaml:"every" desc:"How often it is asked, such as 10s."`
	Timeout teal.Duration `yaml:"timeout" desc:"How long an answer may take, such as 10s."`
}

func (w *webhook) setDefaults() {
	*w = webhook{Every: teal.DefaultAskEvery, Timeout: teal.DefaultCheckTimeout}
}

type freeze struct {
	Cron     string        `yaml:"cron" need:"yes" desc:"When a window begins: minute hour day month weekday, such as \"0 18 * * FRI\"."`
	For      teal.Duration `yaml:"for" need:"yes" desc:"How long it lasts, such as 62h."`
	TimeZone string        `yaml:"time_zone" desc:"Whose clock counts, such as Europe/Berlin." std:"UTC"`
	Reason   string        `yaml:"reason" desc:"Why, for those who are refused."`
}

type notify struct {
	URL   string `yaml:"url" need:"yes" desc:"The address that is POSTed to."`
	Slack bool   `yaml:"slack" desc:"The address is an incoming webhook of Slack or of something that takes the same form."`
}

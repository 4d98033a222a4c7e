package manifest

import (
	"encoding/json"

	"teal"
)

// The types below are the manifest. The decoder and the JSON Schema are both
// made from them and their tags:
//
//	yaml      the key
//	need      "yes": the key must be there; "one": one of the keys that say so
//	desc      what it means, for editors
//	pattern   of text, for editors; the domain checks the value
//	enum      allowed values, for editors
//	min, max  of a number, for editors
//	std       the default of a field that is left out as nil or ""
//	zero      what leaving the key out means, where writing nothing or 0 would silently
//	          mean that too: then it is refused. Of text it always is; "yes" takes it

type document struct {
	App       string               `yaml:"app" need:"yes" desc:"The name of the app." pattern:"^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	Functions map[string]*function `yaml:"functions" desc:"Code that Teal runs per invocation, by name."`
	Services  map[string]*service  `yaml:"services" desc:"Long-running HTTP processes that Teal runs, by name."`
	Static    map[string]*static   `yaml:"static" desc:"Files that Teal itself answers with, such as a built front end, by name."`
	Upstreams map[string]*upstream `yaml:"upstreams" desc:"HTTP addresses that somebody else runs, by name."`
	Routes    []route              `yaml:"routes" desc:"Which requests lead to which component. The longest path prefix wins."`
	Triggers  []trigger            `yaml:"triggers" desc:"What invokes components without a request of a client."`
	Release   release              `yaml:"release" desc:"How to release the app."`
}

type function struct {
	Runtime     string              `yaml:"runtime" need:"yes" desc:"python3, nodejs or provided, or one of AWS's names such as python3.12, nodejs22.x, provided.al2023." pattern:"^(python3(\\.\\d+)?|nodejs(\\d+\\.x)?|provided(\\.[a-z0-9]+)?)$"`
	Handler     string              `yaml:"handler" desc:"file.function, such as app.lambda_handler. Not used by provided, which runs the executable bootstrap."`
	Code        string              `yaml:"code" desc:"A folder or a .zip file with the code, relative to this file."`
	Memory      teal.Bytes          `yaml:"memory" desc:"The memory of one instance, such as 128MiB."`
	Timeout     teal.Duration       `yaml:"timeout" desc:"How long one invocation may take, such as 3s."`
	Init        teal.Duration       `yaml:"init" desc:"How long an instance may take to start, such as 10s."`
	Idle        teal.Duration       `yaml:"idle" desc:"How long an instance above concurrency.min is kept without work, such as 5m."`
	Concurrency concurrency         `yaml:"concurrency" desc:"How many instances there are; each serves one invocation at a time."`
	Payload     text                `yaml:"payload" desc:"The format of the HTTP event." enum:"2.0,1.0"`
	Env         map[string]variable `yaml:"env" desc:"Environment variables. Numbers, true and false are taken as they are written; ${NAME} is the variable of whoever deploys. {secret: NAME} is the value of a secret of the app, see teal secret."`
	EnvFile     string              `yaml:"env_file" desc:"A file of NAME=value lines, relative to this file, that is read when the app is deployed. env goes before it."`
	Layers      []string            `yaml:"layers" desc:"Folders or .zip files with what the code needs beside it, relative to this file. They are laid over each other, the last one on top, in the folder that stands for /opt: $LAMBDA_LAYERS."`
	Async       *async              `yaml:"async" desc:"What becomes of asynchronous invocations."`
}

type async struct {
	Retries   *int          `yaml:"retries" desc:"How often an invocation that has failed is tried again: 0, 1 or 2, which it is when left out." min:"0" max:"2"`
	MaxAge    teal.Duration `yaml:"max_age" desc:"How old an invocation may be that is still run, from 1m to 6h, which it is when left out."`
	OnSuccess string        `yaml:"on_success" desc:"Who is told of an invocation that has succeeded: a URL, a function of this app, or one of this server as AWS's tools name it, such as APP-FUNCTION or APP-FUNCTION:ALIAS."`
	OnFailure string        `yaml:"on_failure" desc:"Who is told of an invocation that has failed for good; written as on_success is."`
}

func (f *function) setDefaults() {
	*f = function{
		Code: ".", Memory: teal.DefaultMemory, Timeout: teal.DefaultTimeout,
		Init: teal.DefaultInit, Idle: teal.DefaultIdle, Payload: teal.DefaultPayload,
	}
	f.Concurrency.setDefaults()
}

type concurrency struct {
	Min int `yaml:"min" desc:"Instances that are kept warm." min:"0" max:"1000"`
	Max int `yaml:"max" desc:"Instances at most; invocations beyond wait, then get 429." min:"1" max:"1000"`
}

func (c *concurrency) setDefaults() {
	*c = concurrency{Min: teal.DefaultConcurrencyMin, Max: teal.DefaultConcurrencyMax}
}

type service struct {
	Command   []text              `yaml:"command" need:"yes" desc:"The program and its arguments. It must listen on $PORT, which may be written as an argument. A path with a slash is looked for in the code folder."`
	Code      string              `yaml:"code" desc:"A folder or a .zip file with the code, relative to this file. It is the working directory."`
	Health    health              `yaml:"health" desc:"How to ask an instance whether it can take requests."`
	Protocol  string              `yaml:"protocol" desc:"What it speaks: http1, or h2c, which is HTTP/2 without TLS and what gRPC needs." enum:"http1,h2c"`
	Instances int                 `yaml:"instances" desc:"How many processes run." min:"1" max:"100"`
	Memory    teal.Bytes          `yaml:"memory" zero:"no limit" desc:"The memory of one instance, such as 512MiB. Left out: not limited."`
	Grace     teal.Duration       `yaml:"grace" desc:"How long an instance may take to stop, such as 10s."`
	Writable  bool                `yaml:"writable" desc:"true gives every instance a copy of the code that it may write to, and that goes with it. Without it the code is read-only; $TMPDIR and $TEAL_STATE_DIR are there to be written to."`
	Env       map[string]variable `yaml:"env" desc:"Environment variables. Numbers, true and false are taken as they are written; ${NAME} is the variable of whoever deploys. {secret: NAME} is the value of a secret of the app, see teal secret."`
	EnvFile   string              `yaml:"env_file" desc:"A file of NAME=value lines, relative to this file, that is read when the app is deployed. env goes before it."`
}

func (s *service) setDefaults() {
	*s = service{Code: ".", Protocol: "http1", Instances: teal.DefaultInstances, Grace: teal.DefaultGrace}
	s.Health.setDefaults()
}

type static struct {
	Folder   string                     `yaml:"folder" need:"yes" desc:"The folder with the files, relative to this file, such as dist; or a .zip file."`
	Index    string                     `yaml:"index" desc:"The file that a folder is answered with."`
	Fallback string                     `yaml:"fallback" desc:"The file that a page which is not there is answered with, such as index.html, for applications that find their pages in the browser."`
	NotFound string                     `yaml:"404" desc:"The file that comes with status 404, such as 404.html."`
	Cache    map[string]text            `yaml:"cache" desc:"How long files may be cached, by pattern, such as *.svg or /assets/**: immutable, no-cache, no-store, or a time such as 1h. Left out: names with a hash are immutable, all else is no-cache."`
	Headers  map[string]map[string]text `yaml:"headers" desc:"Further header fields, by pattern and name."`
}

func (s *static) setDefaults() { *s = static{Index: teal.DefaultIndex} }

func (s *static) domain() *teal.Static {
	out := &teal.Static{Index: s.Index, Fallback: s.Fallback, NotFound: s.NotFound, Cache: textMap(s.Cache)}
	for pattern, fields := range s.Headers {
		if out.Headers == nil {
			out.Headers = map[string]map[string]string{}
		}
		out.Headers[pattern] = textMap(fields)
	}
	return out
}

type upstream struct {
	URLs     []string `yaml:"urls" need:"yes" desc:"Addresses such as http://10.0.0.7:9000."`
	Health   health   `yaml:"health" desc:"How to ask an address whether it can take requests."`
	Protocol string   `yaml:"protocol" desc:"What it speaks: http1, h2c for HTTP/2 without TLS, or h2 for HTTP/2 over TLS." enum:"http1,h2c,h2"`
	Host     string   `yaml:"host" desc:"Which Host header it gets: client for that of the request, upstream for the name in urls." enum:"client,upstream"`
}

func (u *upstream) setDefaults() {
	*u = upstream{Protocol: "http1", Host: "client"}
	u.Health.setDefaults()
}

type health struct {
	Path     string          `yaml:"path" desc:"A GET of this path must be answered with a status from 200 to 399, or one that expect has." pattern:"^/"`
	Interval teal.Duration   `yaml:"interval" desc:"The time between two checks, such as 1s."`
	Timeout  teal.Duration   `yaml:"timeout" desc:"How long one check may take until the head of its answer is there, such as 5s."`
	Failures int             `yaml:"failures" desc:"How many checks in a row must fail before an instance gets no more requests." min:"1"`
	Host     string          `yaml:"host" desc:"The Host header of the checks. Left out: the address that is asked."`
	Headers  map[string]text `yaml:"headers" desc:"Header fields of the checks."`
	Expect   statuses        `yaml:"expect" zero:"200 to 399" desc:"Which status is healthy: one such as 200, a class such as 2xx, or a list of them. Left out: 200 to 399."`
}

func (h *health) setDefaults() {
	*h = health{
		Path: teal.DefaultHealthPath, Interval: teal.DefaultHealthInterval,
		Timeout: teal.DefaultHealthTimeout, Failures: teal.DefaultHealthFailures,
	}
}

type route struct {
	Host     string   `yaml:"host" desc:"A host name, or *.example.com for every one with one label more than example.com. Left out: any host."`
	Path     string   `yaml:"path" need:"yes" desc:"A path prefix; /a matches /a and /a/b, not /ab. It may be written with or without percent-encoding." pattern:"^/"`
	Methods  []string `yaml:"methods" zero:"all methods" desc:"The methods that the route is for, such as [GET, POST]; GET is HEAD, too. Left out: all."`
	To       string   `yaml:"to" need:"one" desc:"The name of a component."`
	Strip    bool     `yaml:"strip" desc:"true leaves path out of what the component is asked for; X-Forwarded-Prefix says so."`
	Redirect string   `yaml:"redirect" need:"one" desc:"In place of to: where clients are sent, https://… or a path."`
	Status   int      `yaml:"status" zero:"302" desc:"Of a redirect: 301, 302 (which it is when left out), 303, 307 or 308."`
	KeepPath *bool    `yaml:"keep_path" desc:"Of a redirect: whether what the request has below path, and its query, are added. Left out: true."`
}

// statuses is a list of statuses, or one of them.
type statuses []text

// trigger has the keys of every kind of trigger; triggerSections says which belong to
// which.
type trigger struct {
	Name string `yaml:"name" desc:"The name of the trigger, by which it is the same one in the next version. Left out: that of its component." pattern:"^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	To   string `yaml:"to" need:"yes" desc:"The component that does the work."`

	Schedule string         `yaml:"schedule" need:"one" desc:"Fires by the clock: minute hour day month weekday, such as \"0 3 * * MON-FRI\"."`
	TimeZone string         `yaml:"time_zone" desc:"Whose clock counts, such as Europe/Berlin." std:"UTC"`
	Path     string         `yaml:"path" desc:"Where a service gets the POST." pattern:"^/"`
	Command  []text         `yaml:"command" zero:"no command" desc:"A program and its arguments, which run in the code of the component and with its variables, in place of a POST or an invocation."`
	Payload  anything       `yaml:"payload" desc:"What the function is invoked with, or the body of the POST: any value, which is handed over as JSON. A command finds it in TEAL_PAYLOAD."`
	Overlap  string         `yaml:"overlap" desc:"What becomes of a firing while the one before has not ended: it is left out (skip), waits (queue), or runs beside it (allow)." enum:"skip,queue,allow" std:"skip"`
	Missed   string         `yaml:"missed" desc:"What becomes of times that have passed while the server did not run: nothing (skip), or the latest is fired late (once)." enum:"skip,once" std:"skip"`
	Timeout  *teal.Duration `yaml:"timeout" desc:"How long a POST or a command may take." std:"5m"`
	Retries  int            `yaml:"retries" desc:"How often a POST or a command that failed is tried again, at most 10 times; of a queue how often a message that failed is, before it is a dead letter: 3 times where nothing is said." min:"0" max:"100"`

	Queue       string         `yaml:"queue" need:"one" desc:"Works on the messages of this queue of the server's; the first message makes it, or the trigger." pattern:"^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	Batch       *int           `yaml:"batch" desc:"How many messages a function is invoked with, or a service gets in a POST, at most." min:"1" max:"1000" std:"10"`
	Window      *teal.Duration `yaml:"window" desc:"How long to wait for so many messages, from the first one on. Left out: not at all."`
	Visibility  *teal.Duration `yaml:"visibility" desc:"How long after it was given out a message that failed is tried again." std:"30s"`
	Concurrency *int           `yaml:"concurrency" desc:"How many batches each version works on at a time." min:"1" max:"1000" std:"5"`
}

// anything is any value, as JSON.
type anything json.RawMessage

// text is a scalar whose source text is taken, whatever YAML makes of it.
type text string

// variable is the value of an environment variable: a scalar, or a secret.
type variable struct {
	text
	secret *secretRef
}

type secretRef struct {
	Secret string `yaml:"secret" need:"yes" desc:"The name of a secret of the app: teal secret set APP NAME." pattern:"^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	As     string `yaml:"as" desc:"file gives the variable the path of a file that holds the value. Left out: the value." enum:"file"`
}

// percent is a share written as 10, 12.5 or "1%".
type percent teal.Weight

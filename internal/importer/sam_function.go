package importer

import (
	"slices"
	"strconv"
	"strings"

	"teal"
	"teal/internal/yamltree"
)

// samFunction is one function of a template while it is being read.
type samFunction struct {
	*sam
	*function
	id         string
	properties []property
	endpoints  []endpoint
	preference preference
}

// property is one property of a function, its own or of Globals.
type property struct {
	key   string
	value *yamltree.Node
	at    place
}

// merge puts a function's own properties over those of all functions, as SAM does: lists
// are added, mappings are merged, all else is replaced.
func (f *samFunction) merge(own *yamltree.Node, ownAt place) {
	if f.global != nil {
		for _, p := range f.pairs(f.global, f.globalAt) {
			f.properties = append(f.properties, property{p.Key, p.Value, f.globalAt.below(p.Key, p.At)})
		}
	}
	if own == nil {
		return
	}
	for _, p := range f.pairs(own, ownAt) {
		at := ownAt.below(p.Key, p.At)
		i := slices.IndexFunc(f.properties, func(g property) bool { return g.key == p.Key })
		if i < 0 {
			f.properties = append(f.properties, property{p.Key, p.Value, at})
			continue
		}
		f.properties[i] = property{p.Key, merged(f.properties[i].value, p.Value), at}
	}
}

// merged returns what two values of one key come to.
func merged(global, own *yamltree.Node) *yamltree.Node {
	nameGlobal, _ := call(global)
	nameOwn, _ := call(own)
	switch {
	case nameGlobal != "" || nameOwn != "" || global.Kind != own.Kind:
		return own
	case own.Kind == yamltree.List:
		out := *own
		out.Items = slices.Concat(global.Items, own.Items)
		return &out
	case own.Kind == yamltree.Mapping:
		out := *own
		out.Pairs = mergedPairs(global, own)
		return &out
	}
	return own
}

func mergedPairs(global, own *yamltree.Node) (pairs []yamltree.Pair) {
	for _, p := range global.Pairs {
		if value, at := own.Child(p.Key); value != nil {
			p = yamltree.Pair{Key: p.Key, At: at, Value: merged(p.Value, value)}
		}
		pairs = append(pairs, p)
	}
	for _, p := range own.Pairs {
		if !global.Has(p.Key) {
			pairs = append(pairs, p)
		}
	}
	return pairs
}

// read takes the function into the plan, unless Teal cannot run it.
func (f *samFunction) read() {
	f.code = leaf{".", f.function.from}
	reason := f.impossible()
	if reason == "" {
		for _, p := range f.properties {
			f.property(p)
		}
		reason = f.complete()
	}
	if reason != "" {
		f.leave(f.function.from, "%s", reason)
		return
	}
	f.plan.functions = append(f.plan.functions, f.function)
	f.sam.endpoints = append(f.sam.endpoints, f.endpoints...)
	if f.preference.kind != "" {
		f.preferences = append(f.preferences, f.preference)
	}
}

// complete says why what has been read is not enough for Teal; "" when it is.
func (f *samFunction) complete() (reason string) {
	if f.code.text, reason = codeAt(f.source.Base, f.code.text); reason != "" {
		return reason
	}
	for _, needed := range []struct{ key, value string }{{"Runtime", f.runtime.text}, {"Handler", f.handler.text}} {
		if needed.value != "" || needed.key == "Handler" && teal.RuntimeFamily(f.runtime.text) == "provided" {
			continue
		}
		if slices.ContainsFunc(f.properties, func(p property) bool { return p.key == needed.key }) {
			return "its " + needed.key + " is not known"
		}
		f.fail(f.function.from, "has no %s; expected one such as %s, here or under Globals", needed.key, map[string]string{"Runtime": "python3.12", "Handler": "app.lambda_handler"}[needed.key])
	}
	if teal.RuntimeFamily(f.runtime.text) == "provided" {
		f.handler = leaf{} // the program bootstrap is run
	}
	f.function.enoughInstances()
	return unsupported(f.runtime.text)
}

// enoughInstances raises the bound of instances to what is kept warm.
func (f *function) enoughInstances() {
	if n, err := strconv.Atoi(f.min.text); err == nil && f.max.text == "" && n > teal.DefaultConcurrencyMax {
		f.max = f.min
	}
}

// impossible says why Teal cannot run the function at all; "" when it can.
func (f *samFunction) impossible() string {
	for _, p := range f.properties {
		switch {
		case p.key == "InlineCode":
			return "its code is in the template (InlineCode); put it into a file, with CodeUri and Handler"
		case p.key == "PackageType" && p.value.Text == "Image", p.key == "ImageUri":
			return "it is a container image; a program that serves HTTP can be a service"
		}
	}
	return ""
}

// property reads one property.
func (f *samFunction) property(p property) {
	if read, known := samProperties[p.key]; known {
		if value := f.shape(p.value); value != nil && value.Kind != yamltree.Broken {
			read(f, property{p.key, value, p.at})
		}
		return
	}
	if strings.HasPrefix(p.key, "Fn::") {
		f.leave(p.at, "is put together while a stack is deployed; write it out")
		return
	}
	reason, known := samReasons[p.key]
	if !known {
		reason = "teal.yaml has nothing for it"
	}
	f.leave(p.at, "%s", reason)
}

// samProperties are the properties that Teal has a counterpart for.
var samProperties = map[string]func(f *samFunction, p property){
	"Handler":                      func(f *samFunction, p property) { f.handler = f.leaf(p) },
	"Runtime":                      func(f *samFunction, p property) { f.runtime = f.leaf(p) },
	"CodeUri":                      (*samFunction).codeURI,
	"MemorySize":                   func(f *samFunction, p property) { f.memory = number(f, p, f.report.memory) },
	"Timeout":                      func(f *samFunction, p property) { f.timeout = number(f, p, f.report.timeout) },
	"ReservedConcurrentExecutions": func(f *samFunction, p property) { f.max = number(f, p, f.count) },
	"ProvisionedConcurrencyConfig": (*samFunction).provisioned,
	"Environment":                  (*samFunction).environment,
	"Events":                       (*samFunction).events,
	"EventInvokeConfig":            (*samFunction).eventInvokeConfig,
	"Layers":                       (*samFunction).layers,
	"FunctionUrlConfig":            (*samFunction).functionURL,
	"AutoPublishAlias":             (*samFunction).autoPublishAlias,
	"DeploymentPreference":         (*samFunction).deploymentPreference,
	"PackageType":                  func(*samFunction, property) {},
	"InlineCode":                   func(*samFunction, property) {},
	"FunctionName": func(f *samFunction, p property) {
		f.leave(p.at, "AWS's tools call it %s", f.functions[f.id])
	},
}

// samReasons say why a property is left out, where there is more to say than that
// teal.yaml has nothing for it.
var samReasons = map[string]string{
	"Policies":                 credentials,
	"Role":                     credentials,
	"RolePath":                 credentials,
	"PermissionsBoundary":      credentials,
	"AssumeRolePolicyDocument": credentials,
	"VpcConfig":                "functions run in the network of the server",
	"FileSystemConfigs":        "functions see the server's file system; $TEAL_STATE_DIR is theirs",
	"EphemeralStorage":         "/tmp is as large as the server's disk",
	"Architectures":            "the server's own architecture is what runs",
	"Tracing":                  "Teal exports OpenTelemetry traces, for the server as a whole",
	"LoggingConfig":            "`teal logs` has what functions print",
	"Tags":                     "Teal has no tags",
	"PropagateTags":            "Teal has no tags",
	"Description":              "Teal keeps no descriptions",
	"VersionDescription":       "Teal keeps no descriptions",
	"KmsKeyArn":                "variables are kept as they are, in the server's data directory",
	"DeadLetterQueue":          "Teal has no dead letter queues; an on-failure destination does that",
	"SnapStart":                "Teal keeps instances warm instead: concurrency.min",
	"RuntimeManagementConfig":  "the server's own interpreters are what runs",
}

const (
	alarms       = "Teal compares the errors and latencies of both versions itself; what else counts can be asked of Prometheus (release.watch.queries)"
	signedURL    = "signed function URLs are made with `aws lambda create-function-url-config` against Teal; a route would be open to everybody"
	credentials  = "functions run as the server does; credentials for AWS are given to them in env"
	destinations = "name a URL or a function as on_success or on_failure of async in teal.yaml"
	layers       = "fetch the layer and name its folder or .zip under layers in teal.yaml, or add it with AWS's tools against Teal"
)

// leaf reads a text that has to be known here and now.
func (f *samFunction) leaf(p property) leaf {
	text, ok := f.literal(p.value, p.at)
	if !ok {
		return leaf{}
	}
	return leaf{text, p.at}
}

// number reads a number by one of the report's ways.
func number(f *samFunction, p property, read func(text string, at place) leaf) leaf {
	text, ok := f.literal(p.value, p.at)
	if !ok {
		return leaf{}
	}
	return read(text, p.at)
}

func (f *samFunction) codeURI(p property) {
	if name, _ := call(p.value); name == "" && p.value.Kind == yamltree.Mapping {
		f.code = leaf{"s3://", p.at} // a bucket and a key
		return
	}
	if l := f.leaf(p); l.text != "" {
		f.code = l
	}
}

func (f *samFunction) provisioned(p property) {
	value, at := child(p.value, "ProvisionedConcurrentExecutions", p.at)
	if len(f.pairs(p.value, p.at)) > 0 && value != nil {
		f.min = number(f, property{value: value, at: at}, f.count)
	}
}

func (f *samFunction) environment(p property) {
	for _, pair := range f.pairs(p.value, p.at) {
		at := p.at.below(pair.Key, pair.At)
		if pair.Key != "Variables" {
			f.fail(at, "is not known; expected Variables")
			continue
		}
		value := f.shape(pair.Value)
		if value == nil {
			continue
		}
		if name, _ := call(value); name != "" {
			f.leave(at, "only a deploy of the stack knows which variables there are (%s); write them into teal.yaml", describeCall(value))
			continue
		}
		for _, v := range f.pairs(value, at) {
			f.variable(v.Key, v.Value, at.below(v.Key, v.At))
		}
	}
}

// variable reads one environment variable.
func (f *samFunction) variable(name string, value *yamltree.Node, at place) {
	if id := f.versionOf(value); id != "" {
		f.leave(at, "the number of the new version is in the event of a hook, as version")
		return
	}
	f.template.environmentVariable(f.function, name, value, at)
}

// environmentVariable adds one environment variable to a function.
func (t *template) environmentVariable(f *function, name string, value *yamltree.Node, at place) {
	w, ok := t.words(value, at, name)
	if !ok {
		return
	}
	text, ok := w.reference()
	if !ok { // a dollar sign before a reference
		text = "${" + t.report.variable(name, "the value on line "+lineOf(value), at) + "}"
	}
	f.env = append(f.env, variable{name, leaf{text, at}})
}

// versionOf returns the function whose newest version a node names.
func (f *samFunction) versionOf(n *yamltree.Node) string {
	name, argument := call(n)
	if id, ok := strings.CutSuffix(argument.Text, ".Version"); ok && name == "Ref" && f.components[id] != "" {
		return id
	}
	return ""
}

// autoPublishAlias notes that the function is released by an alias.
func (f *samFunction) autoPublishAlias(p property) {
	name := f.leaf(p).text
	if name != "" && name != teal.AliasLive {
		f.change(p.at, "routes use the alias live in Teal; make another one with `teal alias` when something asks for %s", name)
	}
}

func (f *samFunction) deploymentPreference(p property) {
	if name, _ := call(p.value); name != "" {
		f.leave(p.at, "only a deploy of the stack knows it (%s); write release into teal.yaml", describeCall(p.value))
		return
	}
	if f.isOff(p.value) {
		return
	}
	for _, pair := range f.pairs(p.value, p.at) {
		at := p.at.below(pair.Key, pair.At)
		value := f.shape(pair.Value)
		switch {
		case value == nil || pair.Key == "Enabled":
		case pair.Key == "Type":
			if kind, ok := f.literal(value, at); ok {
				f.preference = preference{f.function.name, kind, at}
			}
		case pair.Key == "Hooks":
			f.hooksOf(value, at)
		case pair.Key == "Alarms":
			f.leave(at, "%s", alarms)
		default:
			f.leave(at, "teal.yaml has nothing for it")
		}
	}
}

// isOff reports whether a property says that it is not enabled.
func (f *samFunction) isOff(n *yamltree.Node) bool {
	off, _ := n.Child("Enabled")
	if off == nil {
		return false
	}
	text, ok := f.silently(off)
	return ok && strings.EqualFold(text, "false")
}

func (f *samFunction) hooksOf(n *yamltree.Node, at place) {
	points := map[string]teal.HookPoint{"PreTraffic": teal.BeforeAllowTraffic, "PostTraffic": teal.AfterAllowTraffic}
	for _, pair := range f.pairs(n, at) {
		here := at.below(pair.Key, pair.At)
		point, ok := points[pair.Key]
		if !ok {
			f.fail(here, "is not a hook; expected PreTraffic or PostTraffic")
			continue
		}
		value := f.shape(pair.Value)
		if value == nil {
			continue
		}
		component := f.componentOf(value)
		if component == "" {
			f.leave(here, "%s is not a function of this template", describeCall(value))
			continue
		}
		f.plan.hook(hook{point, component, here})
	}
}

// componentOf returns the component that a reference names; "" for none.
func (f *samFunction) componentOf(n *yamltree.Node) string {
	switch name, argument := call(n); name {
	case "":
		return ""
	case "GetAtt":
		return f.components[strings.TrimSuffix(argument.Text, ".Arn")]
	default:
		return f.components[argument.Text]
	}
}

package importer

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"teal/internal/yamltree"
)

// Serverless reads a serverless.yml of the Serverless Framework, or of what takes the
// same file. The error has CodeInvalidManifest; what is wrong with the file is
// manifest.Errors.
func Serverless(source Source) (Result, error) {
	r := newReport(source.File)
	root := r.tree(source.Data, yamltree.Options{What: "a serverless.yml", Empty: "a serverless.yml with provider and functions", Tags: true})
	if root == nil {
		return Result{}, r.sorted()
	}
	r.reserved = environmentOf(source.Data)
	s := &serverless{source: source, root: root, template: newTemplate(r, &selfVariables{root})}
	s.plan = &plan{app: source.App, from: filepath.Base(source.File) + " (Serverless Framework)"}
	s.read()
	return r.result(s.plan)
}

var environmentReference = regexp.MustCompile(`\$\{env:([A-Za-z_][A-Za-z0-9_]*)`)

// environmentOf returns the variables of the environment that a serverless.yml refers to:
// these have a name already, which no other reference may take before them.
func environmentOf(data []byte) map[string]string {
	names := map[string]string{}
	for _, m := range environmentReference.FindAllSubmatch(data, -1) {
		name := string(m[1])
		names[variableName(name)] = "${env:" + name + "}"
	}
	return names
}

// serverless is a serverless.yml while it is being read.
type serverless struct {
	template
	source      Source
	root        *yamltree.Node
	plan        *plan
	provider    provider
	endpoints   []endpoint
	preferences []preference
	ids         map[string]string // the functions' names in the app, by their own
}

// provider is what all functions have.
type provider struct {
	runtime, memory, timeout leaf
	environment              property
	payload                  string // of HTTP APIs
}

func (s *serverless) read() {
	top := place{at: s.root.At}
	if !s.recognize(top) {
		return
	}
	s.nameApp(top)
	node, at := child(s.root, "provider", top)
	s.readProvider(node, at)
	for _, p := range s.root.Pairs {
		s.section(p, top.below(p.Key, p.At))
	}
	node, at = child(s.root, "package", top)
	s.packaging(node, at)
	node, at = child(s.root, "functions", top)
	s.functionList(node, at)
	s.plan.route(s.report, s.endpoints)
	s.plan.release(s.report, s.preferences)
}

// recognize reports a file that is no serverless.yml.
func (s *serverless) recognize(top place) bool {
	switch {
	case s.root.Has("Resources"):
		s.fail(top, "this is a template of CloudFormation; use `teal import sam %s`", s.source.File)
	case !s.root.Has("provider"):
		s.fail(top, "there is no provider; expected a serverless.yml, with provider and functions")
	case !s.root.Has("functions"):
		s.fail(top, "there are no functions; expected at least one")
	default:
		return true
	}
	return false
}

// nameApp takes the name of the service, unless another one is given.
func (s *serverless) nameApp(top place) {
	folder := or(s.source.Folder, "app")
	node, at := child(s.root, "service", top)
	if node != nil && node.Kind == yamltree.Mapping {
		node, at = child(node, "name", at)
	}
	if s.plan.app != "" {
		return
	}
	s.plan.app = folder
	if node == nil {
		return
	}
	text, known := s.literal(node, at)
	if name := appName(text); name != "" {
		s.plan.app = name
	} else if known {
		s.change(at, "%q is not a name for an app; it is called %s, or as --app says", text, folder)
	}
}

// section lists what stands at the top of the file and is not read.
func (s *serverless) section(p yamltree.Pair, at place) {
	switch p.Key {
	case "service", "frameworkVersion", "provider", "functions", "package", "custom", "params", "useDotenv",
		"variablesResolutionMode", "configValidationMode", "deprecationNotificationMode", "disabledDeprecations", "app", "org", "console":
	case "plugins":
		s.leave(at, "Teal has no plugins: what they build is built before `teal deploy`")
	case "build":
		s.leave(at, "build first: `teal deploy` takes what the folder holds")
	case "resources", "constructs":
		s.leave(at, "Teal runs code, and makes no resources of AWS; keep them in a stack of their own, and give functions their names in variables")
	case "layers":
		s.leave(at, "%s", layers)
	case "outputs", "stages":
		s.leave(at, "Teal has no %s", p.Key)
	default:
		s.leave(at, "teal.yaml has nothing for it")
	}
}

// providerReasons say why something of the provider is left out, where there is more to
// say than that teal.yaml has nothing for it.
var providerReasons = map[string]string{
	"iam": credentials, "iamRoleStatements": credentials, "role": credentials, "rolePermissionsBoundary": credentials,
	"vpc": "functions run in the network of the server", "tracing": "Teal exports OpenTelemetry traces, for the server as a whole",
	"architecture": "the server's own architecture is what runs", "tags": "Teal has no tags", "stackTags": "Teal has no tags",
	"layers": layers, "logs": "`teal logs` has what functions print", "logRetentionInDays": "`teal logs` has what functions print",
	"apiGateway": "Teal's gateway takes its place: routes are made of the functions' events", "ecr": "Teal runs no container images",
	"kmsKeyArn": "variables are kept as they are, in the server's data directory",
}

func (s *serverless) readProvider(n *yamltree.Node, at place) {
	s.provider.payload = "2.0"
	if n.Scalar() { // provider: aws
		n = &yamltree.Node{At: n.At, Kind: yamltree.Mapping, Pairs: []yamltree.Pair{{Key: "name", At: n.At, Value: n}}}
	}
	for _, p := range s.pairs(n, at) {
		here := at.below(p.Key, p.At)
		value := s.shape(p.Value)
		if value == nil {
			continue
		}
		switch p.Key {
		case "name":
			if name, ok := s.literal(value, here); ok && name != "aws" {
				s.fail(here, "is %q; only functions for aws are imported", name)
			}
		case "runtime":
			s.provider.runtime = s.leaf(value, here)
		case "memorySize":
			s.provider.memory = s.number(value, here, s.memory)
		case "timeout":
			s.provider.timeout = s.number(value, here, s.timeout)
		case "environment":
			s.provider.environment = property{p.Key, value, here}
		case "httpApi":
			s.httpAPI(value, here)
		case "stage", "region", "profile", "stackName", "deploymentMethod", "deploymentBucket", "versionFunctions", "lambdaHashingVersion", "endpointType":
		default:
			s.leave(here, "%s", or(providerReasons[p.Key], "teal.yaml has nothing for it"))
		}
	}
}

func (s *serverless) httpAPI(n *yamltree.Node, at place) {
	for _, p := range s.pairs(n, at) {
		here := at.below(p.Key, p.At)
		if p.Key != "payload" {
			s.leave(here, "Teal's gateway has nothing for it")
			continue
		}
		if payload, ok := s.literal(p.Value, here); ok {
			s.provider.payload = payload
		}
	}
}

// leaf reads a text that has to be known here and now.
func (s *serverless) leaf(n *yamltree.Node, at place) leaf {
	text, ok := s.literal(n, at)
	if !ok {
		return leaf{}
	}
	return leaf{text, at}
}

// number reads a number by one of the report's ways.
func (s *serverless) number(n *yamltree.Node, at place, read func(text string, at place) leaf) leaf {
	text, ok := s.literal(n, at)
	if !ok {
		return leaf{}
	}
	return read(text, at)
}

// functionList reads the functions, which are a mapping, or a list of mappings.
func (s *serverless) functionList(n *yamltree.Node, at place) {
	type named struct {
		yamltree.Pair
		at place
	}
	var all []named
	n = s.shape(n)
	lists := []*yamltree.Node{n}
	if n != nil && n.Kind == yamltree.List {
		lists = n.Items
	}
	for _, list := range lists {
		if list = s.shape(list); list == nil {
			continue
		}
		if list.Scalar() && strings.HasPrefix(list.Text, "${") {
			s.leave(at, "%s is not in this file; import what `serverless print` writes", list.Text)
			continue
		}
		for _, p := range s.pairs(list, at) {
			all = append(all, named{p, at.below(p.Key, p.At)})
		}
	}
	var given names
	s.ids = map[string]string{}
	for _, f := range all {
		s.ids[f.Key] = given.of(f.Key)
	}
	for id, name := range s.ids {
		s.functions[logicalID(id)] = callName(s.plan.app, name, len(s.ids))
	}
	for _, f := range all {
		if value := s.shape(f.Value); value != nil {
			s.function(f.Key, value, f.at)
		}
	}
}

// logicalID returns what CloudFormation calls a function of the framework's.
func logicalID(name string) string {
	if name == "" {
		return ""
	}
	name = strings.NewReplacer("-", "Dash", "_", "Underscore").Replace(name)
	return strings.ToUpper(name[:1]) + name[1:] + "LambdaFunction"
}

// packaging makes a .tealignore of what is left out of packages.
func (s *serverless) packaging(n *yamltree.Node, at place) {
	if n == nil {
		return
	}
	var lines []string
	for _, p := range s.pairs(n, at) {
		here := at.below(p.Key, p.At)
		switch p.Key {
		case "patterns", "include":
			lines = append(lines, s.patterns(p.Value, here, false)...)
		case "exclude":
			lines = append(lines, s.patterns(p.Value, here, true)...)
		case "individually", "excludeDevDependencies":
			s.leave(here, "every function has the whole folder, but for what .tealignore names")
		case "artifact":
			s.leave(here, "name it as code of the functions")
		default:
			s.leave(here, "teal.yaml has nothing for it")
		}
	}
	if len(lines) > 0 {
		lines = slices.Insert(lines, 0, "# What is not code, as "+comment(filepath.Base(s.source.File))+" has it under package.", ".serverless")
		s.plan.ignore = []byte(strings.Join(lines, "\n") + "\n")
	}
}

// patterns turns patterns of files that are packed into lines of a .tealignore, which
// names those that are not.
func (s *serverless) patterns(n *yamltree.Node, at place, exclude bool) (lines []string) {
	if n = s.shape(n); n == nil {
		return nil
	}
	if n.Kind != yamltree.List {
		s.fail(at, "is %s; expected a list", n.Kind)
		return nil
	}
	for _, item := range n.Items {
		text, ok := s.literal(item, place{at.path, item.At})
		if !ok {
			continue
		}
		pattern, out := patternOf(text)
		switch {
		case !isPattern(pattern):
			s.leave(place{at.path, item.At}, "%q is not a pattern of a .tealignore; write one", text)
		case out || exclude:
			lines = append(lines, pattern)
		default:
			lines = append(lines, "!"+pattern)
		}
	}
	return lines
}

// patternOf returns a pattern as a .tealignore has it, and whether it takes something out.
func patternOf(text string) (pattern string, out bool) {
	pattern, out = strings.CutPrefix(text, "!")
	return strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/"), out
}

// isPattern reports whether a .tealignore has such patterns.
func isPattern(text string) bool {
	return !strings.ContainsAny(text, "{}()\n\r\\") && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "../") &&
		strings.TrimSpace(text) != "" && strings.Count(text, "[") == strings.Count(text, "]")
}

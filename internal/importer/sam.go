package importer

import (
	"path/filepath"
	"slices"
	"strings"

	"teal/internal/yamltree"
)

// SAM reads a template of the AWS Serverless Application Model, in YAML or JSON. The
// error has CodeInvalidManifest; what is wrong with the file is manifest.Errors.
func SAM(source Source) (Result, error) {
	r := newReport(source.File)
	root := r.tree(source.Data, yamltree.Options{What: "a template", Empty: "a SAM template with Resources", Tags: true})
	if root == nil {
		return Result{}, r.sorted()
	}
	s := &sam{source: source, template: newTemplate(r, asWritten{})}
	s.plan = &plan{app: or(source.App, or(source.Folder, "app")), from: filepath.Base(source.File) + " (AWS SAM)"}
	s.read(root)
	return r.result(s.plan)
}

// sam is a template while it is being read.
type sam struct {
	template
	source    Source
	plan      *plan
	globals   *yamltree.Node
	global    *yamltree.Node // what all functions have
	globalAt  place
	resources *yamltree.Node
	// Of the functions that are taken, by logical ID.
	components  map[string]string
	endpoints   []endpoint
	preferences []preference
}

const functionType = "AWS::Serverless::Function"

func (s *sam) read(root *yamltree.Node) {
	top := place{at: root.At}
	if !s.recognize(root, top) {
		return
	}
	for _, p := range root.Pairs {
		s.section(p, top.below(p.Key, p.At))
	}
	at := place{path: []string{"Resources"}}
	s.nameFunctions(at)
	for _, p := range s.resources.Pairs {
		s.resource(p, at.below(p.Key, p.At))
	}
	s.plan.route(s.report, s.endpoints)
	s.plan.release(s.report, s.preferences)
}

// recognize reports a file that is no template with functions.
func (s *sam) recognize(root *yamltree.Node, top place) bool {
	resources, at := child(root, "Resources", top)
	switch {
	case root.Has("provider") && root.Has("functions"):
		s.fail(top, "this is a serverless.yml; use `teal import serverless %s`", s.source.File)
		return false
	case root.Has("app") && (root.Has("functions") || root.Has("services") || root.Has("upstreams")):
		s.fail(top, "this is a teal.yaml already; `teal deploy` releases it")
		return false
	case resources == nil:
		s.fail(top, "there are no Resources; expected a SAM template, with functions of the type %s", functionType)
		return false
	}
	s.resources = resources
	var others []string
	for _, p := range s.pairs(resources, at) {
		kind := typeOf(p.Value)
		if kind == functionType {
			return true
		}
		if kind != "" && !slices.Contains(others, kind) && len(others) < 5 {
			others = append(others, kind)
		}
	}
	if len(s.errors) > 0 {
		return false
	}
	s.fail(at, "there is no resource of the type %s; there is %s", functionType, or(strings.Join(others, ", "), "none at all"))
	return false
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func typeOf(resource *yamltree.Node) string {
	kind, _ := resource.Child("Type")
	if kind == nil {
		return ""
	}
	return kind.Text
}

// section reads what stands at the top of a template beside the resources.
func (s *sam) section(p yamltree.Pair, at place) {
	switch p.Key {
	case "Parameters":
		for _, parameter := range s.pairs(p.Value, at) {
			s.parameter(parameter, at.below(parameter.Key, parameter.At))
		}
	case "Mappings":
		s.mappings = p.Value
	case "Conditions":
		s.conditions = p.Value
	case "Globals":
		s.readGlobals(p.Value, at)
	case "Outputs":
		s.leave(at, "Teal has no outputs; `teal status` shows what is served")
	case "Resources", "AWSTemplateFormatVersion", "Transform", "Description", "Metadata":
	default:
		s.leave(at, "teal.yaml has nothing for it")
	}
}

func (s *sam) readGlobals(n *yamltree.Node, at place) {
	s.globals = n
	for _, kind := range s.pairs(n, at) {
		here := at.below(kind.Key, kind.At)
		if kind.Key == "Function" {
			s.global, s.globalAt = kind.Value, here
			continue
		}
		s.leave(here, "is about APIs, tables and state machines of AWS; routes are made of the functions' events")
	}
}

func (s *sam) parameter(p yamltree.Pair, at place) {
	s.parameters[p.Key] = parameter{}
	value, valueAt := child(p.Value, "Default", at)
	kind, _ := p.Value.Child("Type")
	secret, _ := p.Value.Child("NoEcho")
	switch {
	case len(s.pairs(p.Value, at)) == 0 || value == nil:
	case !value.Scalar() || value.Kind == yamltree.Null:
		s.fail(valueAt, "is %s; expected text or a number", value.Kind)
	case secret != nil && strings.EqualFold(secret.Text, "true"):
		// A secret does not belong into a file: whoever deploys sets it.
	case kind != nil && strings.HasPrefix(kind.Text, "AWS::SSM::Parameter::"):
		// The default is where the value is.
	default:
		s.parameters[p.Key] = parameter{value.Text, true}
	}
}

// nameFunctions gives every function the name that it will have.
func (s *sam) nameFunctions(at place) {
	s.components = map[string]string{}
	var given names
	for _, p := range s.pairs(s.resources, at) {
		if typeOf(p.Value) == functionType {
			s.components[p.Key] = given.of(p.Key)
		}
	}
	for id, name := range s.components {
		s.functions[id] = callName(s.plan.app, name, len(s.components))
	}
}

// callName is what AWS's tools call a function of an app in Teal.
func callName(app, component string, functions int) string {
	if functions == 1 && app == component {
		return app
	}
	return app + "-" + component
}

func (s *sam) resource(p yamltree.Pair, at place) {
	if strings.HasPrefix(p.Key, "Fn::") {
		s.leave(at, "makes resources while a stack is deployed; write them out, or import what `sam build` has made")
		return
	}
	kind := typeOf(p.Value)
	switch {
	case len(s.pairs(p.Value, at)) == 0:
	case kind == "":
		s.fail(at, "has no Type; expected one such as %s", functionType)
	case kind == functionType:
		s.functionResource(p, at)
	case kind == "AWS::Serverless::Api", kind == "AWS::Serverless::HttpApi":
		s.leave(at, "Teal's gateway takes its place: routes are made of the functions' events, and stages, authorizers, CORS and domains of the API are not taken")
	case kind == layerType: // taken with the functions that have it
	case kind == "AWS::Lambda::Function":
		s.leave(at, "only functions of the type %s are imported", functionType)
	default:
		s.leave(at, "Teal runs code, and makes no %s; keep it in a stack of its own, and give functions its name in a variable", kind)
	}
}

// functionResource reads one function.
func (s *sam) functionResource(p yamltree.Pair, at place) {
	if condition, conditionAt := child(p.Value, "Condition", at); condition != nil {
		switch s.condition(condition.Text) {
		case fails:
			s.leave(at, "its condition %s is false with the defaults of the parameters", condition.Text)
			return
		case undecided:
			s.change(conditionAt, "only a deploy of the stack knows this condition; the function is taken")
		case holds:
		}
	}
	if meta, metaAt := child(p.Value, "Metadata", at); meta != nil && meta.Has("BuildMethod") {
		s.change(metaAt, "`sam build` builds it: build first, and import .aws-sam/build/template.yaml with --out teal.yaml, or name the built folder in code")
	}
	f := &samFunction{sam: s, id: p.Key, function: &function{name: s.components[p.Key], from: at}}
	own, ownAt := child(p.Value, "Properties", at)
	f.merge(own, ownAt)
	f.read()
}

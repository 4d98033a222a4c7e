package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestSchemaGolden(t *testing.T) {
	t.Parallel()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/teal.schema.json", string(data))
}

// validator knows as much of JSON Schema as Schema uses.
type validator struct{ defs map[string]any }

func (v validator) check(s map[string]any, value any) error {
	for keyword, arg := range s {
		if err := v.keyword(s, keyword, arg, value); err != nil {
			return err
		}
	}
	return nil
}

func (v validator) keyword(s map[string]any, keyword string, arg, value any) error {
	switch keyword {
	case "$schema", "$defs", "title", "description", "default", "properties", "patternProperties":
		return nil
	case "$ref":
		return v.check(v.defs[strings.TrimPrefix(arg.(string), "#/$defs/")].(map[string]any), value)
	case "not":
		return fmt.Errorf("not allowed")
	case "type":
		return checkType(arg, value)
	case "enum":
		if !slices.ContainsFunc(arg.([]any), func(e any) bool { return fmt.Sprint(e) == fmt.Sprint(value) }) {
			return fmt.Errorf("%v is none of %v", value, arg)
		}
	case "anyOf":
		for _, one := range arg.([]any) {
			if v.check(one.(map[string]any), value) == nil {
				return nil
			}
		}
		return fmt.Errorf("%v matches nothing", value)
	case "pattern":
		if text, ok := value.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(text) {
			return fmt.Errorf("%q does not match %s", text, arg)
		}
	case "maxLength":
		if text, ok := value.(string); ok && float64(len(text)) > arg.(float64) {
			return fmt.Errorf("%q is too long", text)
		}
	case "minimum", "maximum":
		if n, ok := value.(float64); ok && (keyword == "minimum" && n < arg.(float64) || keyword == "maximum" && n > arg.(float64)) {
			return fmt.Errorf("%v breaks %s %v", n, keyword, arg)
		}
	case "items":
		return v.each(arg, value)
	case "required", "additionalProperties", "propertyNames":
		return v.object(s, keyword, arg, value)
	default:
		return fmt.Errorf("the test does not know the keyword %s", keyword)
	}
	return nil
}

func (v validator) each(arg, value any) error {
	list, ok := value.([]any)
	if !ok {
		return nil
	}
	for _, item := range list {
		if err := v.check(arg.(map[string]any), item); err != nil {
			return err
		}
	}
	return nil
}

func (v validator) object(s map[string]any, keyword string, arg, value any) error {
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	properties, _ := s["properties"].(map[string]any)
	switch keyword {
	case "required":
		for _, key := range arg.([]any) {
			if _, ok := object[key.(string)]; !ok {
				return fmt.Errorf("%s is missing", key)
			}
		}
		return nil
	case "propertyNames":
		for key := range object {
			if err := v.check(arg.(map[string]any), key); err != nil {
				return err
			}
		}
		return nil
	}
	patterns, _ := s["patternProperties"].(map[string]any)
	for key, inner := range object {
		schema, known := properties[key].(map[string]any)
		for pattern, of := range patterns {
			if !known && regexp.MustCompile(pattern).MatchString(key) {
				schema, known = of.(map[string]any)
			}
		}
		if !known {
			schema, known = arg.(map[string]any)
		}
		if !known {
			return fmt.Errorf("%s is not known", key)
		}
		if err := v.check(schema, inner); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func checkType(arg, value any) error {
	names, several := arg.([]any)
	if !several {
		names = []any{arg}
	}
	got := map[reflect.Kind]string{reflect.Map: "object", reflect.Slice: "array", reflect.String: "string", reflect.Float64: "number", reflect.Bool: "boolean"}[reflect.ValueOf(value).Kind()]
	n, isNumber := value.(float64)
	for _, name := range names {
		if name == got || name == "integer" && isNumber && n == float64(int64(n)) {
			return nil
		}
	}
	return fmt.Errorf("%v is not %v", value, arg)
}

func loadSchema(t testing.TB) (validator, map[string]any) {
	t.Helper()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	return validator{root["$defs"].(map[string]any)}, root
}

// asJSON reads YAML as an editor does.
func asJSON(t testing.TB, data []byte) any {
	t.Helper()
	converted, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(converted, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestSchemaAcceptsWhatParseAccepts(t *testing.T) {
	t.Parallel()
	v, root := loadSchema(t)
	files := glob(t, "testdata/good/*.y*ml")
	for _, file := range files {
		data := read1(t, file)
		data = []byte(strings.TrimPrefix(string(data), "%YAML 1.2\n---\n"))
		if err := v.check(root, asJSON(t, data)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchemaRejectsWhatParseRejects(t *testing.T) {
	t.Parallel()
	v, root := loadSchema(t)
	base := string(read1(t, "testdata/good/design.yaml"))
	for _, change := range [][2]string{
		{"app: shop", "app: 5"},
		{"app: shop", "app: -shop"},
		{"app: shop", "# no app"},
		{"memory: 128MiB", "memory: 128"},
		{"memory: 128MiB", "memry: 128MiB"},
		{"timeout: 3s", "timeout: 3"},
		{"timeout: 3s", "timeout: '3'"},
		{"min: 1,", "min: -1,"},
		{"min: 1,", "min: one,"},
		{"max: 20", "max: 1001"},
		{"runtime: python3,", ""},
		{"runtime: python3", "runtime: python4"},
		{"STAGE: prod", "STAGE: [prod]"},
		{`command: ["./web"]`, "command: ./web"},
		{"health: {path: /healthz}", "health: {path: ok}"},
		{"instances: 2", "instances: 0"},
		{"instances: 2", "instances: 1.5"},
		{`urls: ["http://10.0.0.7:9000"]`, "url: http://10.0.0.7:9000"},
		{", to: web", ""},
		{"path: /, to", "path: x, to"},
		{"strategy: canary", "strategy: canery"},
		{"strategy: canary", "strategy: Canary100Percent5Minutes"},
		{"weight: 10,", "wait: 10,"},
		{"weight: 10,", "weight: 110,"},
		{"hold: 5m", "hold: 5"},
		{"name: smoke, ", ""},
		{"name: smoke", "name: smoke test"},
		{"status: 200", "status: 20"},
		{"status: 200", "status: ok"},
		{"request: {path: /healthz}", "request: {url: /healthz}"},
		{"max: 1%", "max: -1"},
		{"compare: live", "compare: preview"},
		{"compare: live", "alpha: high"},
		{"compare: live", "min_requests: 0"},
		{"compare: live", "on_error: ignore"},
		{"p99: 300ms", "p98: 300ms"},
		{"release:", "release:\n  hooks: {BeforeBlockTraffic: []}"},
		{"release:", "release:\n  hooks: {BeforeInstall: [{command: x}]}"},
		{"release:", "release:\n  freeze: [{cron: '* * * * *'}]"},
		{"release:", "release:\n  warm: {rounds: 0}"},
		{"release:", "release:\n  on_new_version: wait"},
		{"release:", "release:\n  notify: [{url: 'http://x', slack: 1}]"},
		{"hello: {", "-hello: {"},
	} {
		bad := strings.Replace(base, change[0], change[1], 1)
		if bad == base {
			t.Fatalf("%q is not in the example", change[0])
		}
		if _, err := Parse("teal.yaml", []byte(bad)); err == nil {
			t.Errorf("%q: Parse accepts it", change[1])
		}
		if v.check(root, asJSON(t, []byte(bad))) == nil {
			t.Errorf("%q: the schema accepts it", change[1])
		}
	}
}

// Editors show the descriptions.
func TestSchemaIsComplete(t *testing.T) {
	t.Parallel()
	v, root := loadSchema(t)
	v.defs["document"] = root
	for name, s := range v.defs {
		for key, p := range s.(map[string]any)["properties"].(map[string]any) {
			if desc, ok := p.(map[string]any)["description"].(string); !ok || !strings.HasSuffix(desc, ".") {
				t.Errorf("%s.%s has no description that is a sentence", name, key)
			}
		}
	}
}

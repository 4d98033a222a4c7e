package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"teal"
)

// Schema returns the JSON Schema (2020-12) of the manifest, for editors. It is
// made from the types that the decoder fills. It knows shapes and not meanings:
// every manifest that Parse accepts is valid, not the other way round.
func Schema() ([]byte, error) {
	defs := map[string]any{}
	root := structSchema(reflect.TypeFor[document](), defs)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "teal.yaml"
	root["patternProperties"] = map[string]any{"^" + ownPrefix: map[string]any{}}
	root["$defs"] = defs
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("manifest schema: %w", err)
	}
	return append(data, '\n'), nil
}

// componentNames is the schema of the names of components.
func componentNames() map[string]any {
	return map[string]any{"pattern": teal.NamePattern, "maxLength": teal.MaxNameLength}
}

// schemaOf returns the schema of t. Structs go to defs and are referred to.
func schemaOf(t reflect.Type, defs map[string]any) map[string]any {
	switch {
	case t == textType:
		return map[string]any{"type": []string{"string", "number", "boolean"}}
	case t == percentType:
		return map[string]any{"anyOf": []any{
			map[string]any{"type": "number", "minimum": 0, "maximum": 100},
			map[string]any{"type": "string", "pattern": `^[0-9]+(\.[0-9]+)?%?$`},
		}}
	case t == variableType:
		return map[string]any{"anyOf": []any{schemaOf(textType, defs), schemaOf(reflect.TypeFor[secretRef](), defs)}}
	case t == anythingType:
		return map[string]any{}
	case t == statusesType:
		one := schemaOf(textType, defs)
		return map[string]any{"anyOf": []any{one, map[string]any{"type": "array", "items": one}}}
	case t == reflect.TypeFor[teal.Duration]():
		return map[string]any{"type": "string", "pattern": `^\+?([0-9]*\.?[0-9]*(w|d|ns|us|µs|μs|ms|s|m|h))+$`}
	case t == reflect.TypeFor[teal.Bytes]():
		return map[string]any{"type": "string", "pattern": `^.*[0-9.] *(KiB|MiB|GiB|kB|KB|MB|GB|B)$`}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), defs)
	case reflect.Struct:
		if _, done := defs[t.Name()]; !done {
			defs[t.Name()] = structSchema(t, defs)
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	case reflect.Map:
		s := map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem(), defs)}
		if t.Elem().Kind() == reflect.Pointer {
			s["propertyNames"] = componentNames()
		}
		return s
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), defs)}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	default:
		return map[string]any{"type": "string"}
	}
}

func structSchema(t reflect.Type, defs map[string]any) map[string]any {
	defaults := reflect.New(t).Elem()
	setDefaults(defaults)
	properties := map[string]any{}
	for i := range t.NumField() {
		field := t.Field(i)
		properties[field.Tag.Get("yaml")] = fieldSchema(field, defaults.Field(i), defs)
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	known := fieldsOf(t)
	if len(known.needed) > 0 {
		s["required"] = known.needed
	}
	if len(known.oneOf) > 0 {
		alternatives := make([]any, len(known.oneOf))
		for i, key := range known.oneOf {
			alternatives[i] = map[string]any{"required": []string{key}}
		}
		s["anyOf"] = alternatives
	}
	return s
}

func fieldSchema(field reflect.StructField, value reflect.Value, defs map[string]any) map[string]any {
	s := schemaOf(field.Type, defs)
	s["description"] = field.Tag.Get("desc")
	if pattern := field.Tag.Get("pattern"); pattern != "" {
		s["pattern"] = pattern
	}
	for tag, keyword := range map[string]string{"min": "minimum", "max": "maximum"} {
		if n, err := strconv.Atoi(field.Tag.Get(tag)); err == nil {
			s[keyword] = n
		}
	}
	if enum := field.Tag.Get("enum"); enum != "" {
		s["enum"] = enumValues(enum)
	}
	if std := field.Tag.Get("std"); std != "" {
		s["default"] = defaultValue(field.Type, std)
	} else if value.Kind() != reflect.Struct && !value.IsZero() {
		s["default"] = value.Interface()
	}
	return s
}

// defaultValue returns the default that a tag has, as JSON has it.
func defaultValue(t reflect.Type, tag string) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Int || t.Kind() == reflect.Float64 {
		return json.Number(tag)
	}
	return tag
}

// enumValues returns each value as text and, where it looks like one, as the
// number that YAML makes of it.
func enumValues(tag string) []any {
	var values []any
	for v := range strings.SplitSeq(tag, ",") {
		values = append(values, v)
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			values = append(values, n)
		}
	}
	return values
}

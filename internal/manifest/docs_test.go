package manifest

import (
	"reflect"
	"strings"
	"testing"
)

const reference = "../../docs/releases.md"

// The recipes of the reference are manifests.
func TestRecipesParse(t *testing.T) {
	t.Parallel()
	const app = "app: shop\nservices: {web: {command: [./web]}}\nroutes: [{path: /, to: web}]\n"
	blocks := strings.Split(string(read1(t, reference)), "```yaml\n")[1:]
	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		if _, err := Parse("recipe.yaml", []byte(app+text)); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
	if len(blocks) < 4 {
		t.Errorf("found only %d recipes", len(blocks))
	}
}

// Every key of the section is in the reference.
func TestReferenceIsComplete(t *testing.T) {
	t.Parallel()
	text := string(read1(t, reference))
	var look func(reflect.Type)
	seen := map[reflect.Type]bool{}
	look = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for _, key := range fieldsOf(typ).keys {
			if !strings.Contains(text, "`"+key) && !strings.Contains(text, "."+key+"`") && !strings.Contains(text, key+",") && !strings.Contains(text, key+"}") && !strings.Contains(text, "{"+key) {
				t.Errorf("%s.%s is not in %s", typ.Name(), key, reference)
			}
		}
		for i := range typ.NumField() {
			look(typ.Field(i).Type)
		}
	}
	look(reflect.TypeFor[release]())
}

package awslambda

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// model is the public service model of Lambda, as botocore has it.
type model struct {
	Operations map[string]struct {
		HTTP struct {
			Method, RequestURI string
			ResponseCode       int
		}
		Input, Output *struct{ Shape string }
	}
	Shapes map[string]shape
}

type shape struct {
	Type      string
	Min, Max  float64
	Pattern   string
	Exception bool
	Error     struct{ HTTPStatusCode int }
	Members   map[string]struct{ Shape, Location string }
}

// loadModel finds the model in an installed botocore, or skips the test.
func loadModel(t *testing.T) model {
	t.Helper()
	found, err := exec.Command("python3", "-c", "import botocore, os; print(os.path.dirname(botocore.__file__))").Output()
	if err != nil {
		t.Skip("no botocore is installed, so the service model is not here to compare with: pip install botocore")
	}
	file, err := os.Open(filepath.Join(strings.TrimSpace(string(found)), "data/lambda/2015-03-31/service-2.json.gz"))
	if err != nil {
		t.Skip("this botocore keeps the service model elsewhere: ", err)
	}
	defer file.Close()
	reader, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var m model
	if err := json.NewDecoder(reader).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Every operation of the model is in the table with the model's path, method and
// status, and docs/aws.md says what it does; nothing else is in either.
func TestOperationsAreTheModels(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	docs := documented(t)
	seen := map[string]bool{}
	for _, op := range operations {
		seen[op.name] = true
		want, ok := m.Operations[op.name]
		if op.name == operationDownload {
			continue
		}
		status := want.HTTP.ResponseCode
		if op.name == "DeleteFunction" {
			status = 204 // what AWS answers; the model has the status in a field
		}
		if !ok || want.HTTP.Method != op.method || want.HTTP.RequestURI != op.path || status != op.status {
			t.Errorf("%s: %s %s %d, the model has %s %s %d", op.name, op.method, op.path, op.status, want.HTTP.Method, want.HTTP.RequestURI, want.HTTP.ResponseCode)
		}
		if (op.run == nil) == (op.refused == "") {
			t.Errorf("%s neither runs nor is refused, or both", op.name)
		}
		word := "works"
		if op.run == nil {
			word = "refused"
		}
		if docs[op.name] != word {
			t.Errorf("docs/aws.md says %q of %s, which %s", docs[op.name], op.name, word)
		}
		delete(docs, op.name)
	}
	for name := range m.Operations {
		if !seen[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
	for name := range docs {
		t.Errorf("docs/aws.md speaks of %s, which does not exist", name)
	}
}

// Every operation reads a function's name by the model's rule for it.
//
// Seen red with an operation left out of nameRules: 256 for 140.
func TestNamesHaveTheModelsRules(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	for _, op := range operations {
		input := m.Operations[op.name].Input
		if input == nil || op.run == nil {
			continue
		}
		member, ok := m.Shapes[input.Shape].Members["FunctionName"]
		if !ok {
			continue
		}
		want, rule := m.Shapes[member.Shape], nameRule(op.name)
		// The model of this botocore may be from before the regions of eusc.
		if form := strings.ReplaceAll(rule.form, "((eusc-)?[a-z]{2}", "([a-z]{2}"); float64(rule.max) != want.Max || float64(rule.min) != want.Min || form != strings.ReplaceAll(want.Pattern, "((eusc-)?[a-z]{2}", "([a-z]{2}") {
			t.Errorf("%s: %d to %d %s, the model has %+v", op.name, rule.min, rule.max, rule.form, want)
		}
	}
}

var documentedLine = regexp.MustCompile(`(?m)^\| ([A-Za-z]+) \| (works|refused) \| (.+) \|$`)

// documented returns what docs/aws.md says of each operation, and checks that the
// tests it names exist.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := existingTests(t)
	said := map[string]string{}
	for _, match := range documentedLine.FindAllStringSubmatch(string(text), -1) {
		said[match[1]] = match[2]
		named := regexp.MustCompile(`Test[A-Za-z]+`).FindAllString(match[3], -1)
		if len(named) == 0 {
			t.Errorf("docs/aws.md names no test of %s", match[1])
		}
		for _, name := range named {
			if !tests[name] {
				t.Errorf("docs/aws.md names %s, which does not exist", name)
			}
		}
	}
	return said
}

func existingTests(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	for _, pattern := range []string{"*_test.go", "../sigv4/*_test.go", "../../daemon/*_test.go", "../../../test/e2e/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
				tests[match[1]] = true
			}
		}
	}
	return tests
}

// Every code has the status and the spelling of "message" that the model has.
func TestFaultsAreTheModels(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	for code, is := range faultShapes {
		want, ok := m.Shapes[code]
		if !ok {
			if !slices.Contains([]string{codeValidation, codeSerialization, codeUnknownOperation, codeAccessDenied, codeBodyTooLarge}, code) {
				t.Errorf("%s is not in the model", code)
			}
			continue
		}
		if _, spelled := want.Members[is.key]; !want.Exception || want.Error.HTTPStatusCode != is.status || !spelled {
			t.Errorf("%s: %d %s, the model has %+v", code, is.status, is.key, want)
		}
	}
}

// Every field of a shape here is one of the model's, and none of the model's is
// missing unless it is listed with the reason.
func TestShapesAreTheModels(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	shapes := maps.Clone(modelShapes)
	maps.Copy(shapes, settingShapes)
	for name, here := range shapes {
		want, ok := m.Shapes[name]
		if !ok {
			t.Errorf("the model has no shape %s", name)
			continue
		}
		has := fieldsOf(reflect.TypeOf(here))
		for field := range has {
			if _, ok := want.Members[field]; !ok {
				t.Errorf("%s has no %s in the model", name, field)
			}
		}
		for field, member := range want.Members {
			if member.Location == "" && !has[field] && !left(name, field) {
				t.Errorf("%s lacks %s", name, field)
			}
		}
	}
}

// fieldsOf returns the names that a struct has in JSON.
func fieldsOf(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for name := range fieldsOf(f.Type) {
				names[name] = true
			}
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		names[name] = true
	}
	return names
}

// leftOut are members of the model that this API never sends: they are about what
// does not exist here (the second column), or optional and always absent.
var leftOut = map[string]string{
	"FunctionConfiguration.DeadLetterConfig":             "no SQS or SNS",
	"FunctionConfiguration.MasterArn":                    "Lambda@Edge",
	"FunctionConfiguration.FileSystemConfigs":            "no EFS",
	"FunctionConfiguration.ImageConfigResponse":          "no images",
	"FunctionConfiguration.SigningProfileVersionArn":     "no code signing",
	"FunctionConfiguration.SigningJobArn":                "no code signing",
	"FunctionConfiguration.CapacityProviderConfig":       "no capacity providers",
	"FunctionConfiguration.ConfigSha256":                 "not sent",
	"FunctionConfiguration.DurableConfig":                "no durable executions",
	"FunctionConfiguration.TenancyConfig":                "no tenants",
	"GetFunctionResponse.TagsError":                      "tags are always known",
	"FunctionCodeLocation.ImageUri":                      "no images",
	"FunctionCodeLocation.ResolvedImageUri":              "no images",
	"FunctionCodeLocation.SourceKMSKeyArn":               "no keys",
	"VpcConfigResponse.Ipv6AllowedForDualStack":          "no VPC",
	"EnvironmentResponse.Error":                          "variables are always readable",
	"RuntimeVersionConfig.Error":                         "the runtime is always known",
	"Layer.SigningProfileVersionArn":                     "no code signing",
	"Layer.SigningJobArn":                                "no code signing",
	"LayerVersionContentOutput.SigningProfileVersionArn": "no code signing",
	"LayerVersionContentOutput.SigningJobArn":            "no code signing",
}

func left(shape, field string) bool { return leftOut[shape+"."+field] != "" }

// modelShapes pairs the model's shapes with the types here.
var modelShapes = map[string]any{
	"FunctionConfiguration":              FunctionConfiguration{},
	"CreateFunctionRequest":              createFunctionInput{},
	"UpdateFunctionCodeRequest":          updateCodeInput{},
	"UpdateFunctionConfigurationRequest": updateConfigurationInput{},
	"FunctionCode":                       codeInput{},
	"GetFunctionResponse":                GetFunctionOutput{},
	"FunctionCodeLocation":               CodeLocation{},
	"ListFunctionsResponse":              ListFunctionsOutput{},
	"PublishVersionRequest":              publishInput{},
	"ListVersionsByFunctionResponse":     ListVersionsOutput{},
	"AliasConfiguration":                 AliasConfiguration{},
	"AliasRoutingConfiguration":          RoutingConfig{},
	"ListAliasesResponse":                ListAliasesOutput{},
	"LoggingConfig":                      LoggingConfig{},
	"EphemeralStorage":                   SizeConfig{},
	"SnapStartResponse":                  SnapStartView{},
	"RuntimeVersionConfig":               RuntimeVersion{},
	"TracingConfigResponse":              ModeConfig{},
	"EnvironmentResponse":                EnvironmentView{},
	"VpcConfigResponse":                  VpcConfig{},
	"Layer":                              LayerItem{},
	"Concurrency":                        ConcurrencyView{},

	"InvokeWithResponseStreamCompleteEvent": completeEvent{},
	"PublishLayerVersionRequest":            publishLayerInput{},
	"PublishLayerVersionResponse":           LayerVersionView{},
	"GetLayerVersionResponse":               LayerVersionView{},
	"LayerVersionContentInput":              layerContentInput{},
	"LayerVersionContentOutput":             LayerContent{},
	"LayersListItem":                        LayersItem{},
	"ListLayersResponse":                    ListLayersOutput{},
	"ListLayerVersionsResponse":             ListLayerVersionsOutput{},
	"AddLayerVersionPermissionRequest":      layerPermissionInput{},
	"AddLayerVersionPermissionResponse":     LayerPermissionView{},
	"GetLayerVersionPolicyResponse":         PolicyView{},
}

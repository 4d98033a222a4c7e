package awslambda

import "testing"

// settingShapes are the shapes of what belongs to a function and not to its
// versions.
var settingShapes = map[string]any{
	"UpdateAliasRequest": aliasInput{},

	"PutFunctionConcurrencyRequest":             reservedInput{},
	"GetFunctionConcurrencyResponse":            ReservedView{},
	"PutProvisionedConcurrencyConfigRequest":    provisionedInput{},
	"PutProvisionedConcurrencyConfigResponse":   ProvisionedView{},
	"GetProvisionedConcurrencyConfigResponse":   ProvisionedView{},
	"ProvisionedConcurrencyConfigListItem":      ProvisionedItem{},
	"ListProvisionedConcurrencyConfigsResponse": ListProvisionedOutput{},

	"CreateFunctionUrlConfigRequest":  urlInput{},
	"UpdateFunctionUrlConfigRequest":  urlInput{},
	"GetFunctionUrlConfigResponse":    URLConfig{},
	"UpdateFunctionUrlConfigResponse": URLConfig{},
	"FunctionUrlConfig":               URLConfig{},
	"ListFunctionUrlConfigsResponse":  ListURLsOutput{},
	"Cors":                            Cors{},

	"PutFunctionEventInvokeConfigRequest":    eventConfigInput{},
	"UpdateFunctionEventInvokeConfigRequest": eventConfigInput{},
	"FunctionEventInvokeConfig":              EventInvokeConfig{},
	"ListFunctionEventInvokeConfigsResponse": ListEventsOutput{},
	"DestinationConfig":                      Destinations{},
	"OnSuccess":                              DestinationTarget{},
	"OnFailure":                              DestinationTarget{},

	"AddPermissionRequest": permissionInput{},
	"GetPolicyResponse":    PolicyView{},
	"ListTagsResponse":     TagsView{},
	"TagResourceRequest":   TagsView{},

	"GetAccountSettingsResponse":         AccountSettings{},
	"AccountLimit":                       AccountLimit{},
	"AccountUsage":                       AccountUsage{},
	"PutFunctionRecursionConfigRequest":  RecursionConfig{},
	"PutFunctionRecursionConfigResponse": RecursionConfig{},
	"GetFunctionRecursionConfigResponse": RecursionConfig{},
	"PutRuntimeManagementConfigRequest":  RuntimeManagement{},
	"PutRuntimeManagementConfigResponse": RuntimeManagementView{},
	"GetRuntimeManagementConfigResponse": RuntimeManagementView{},
}

// notCompared are shapes of requests and answers that no type here has alone.
var notCompared = map[string]string{
	"InvocationRequest":                    "the body is the event itself",
	"InvocationResponse":                   "the body is the answer itself",
	"InvokeAsyncRequest":                   "the body is the event itself",
	"InvokeWithResponseStreamRequest":      "the body is the event itself",
	"InvokeWithResponseStreamResponse":     "the body is a stream of the answer",
	"CreateAliasRequest":                   "what UpdateAlias asks for, without a revision",
	"CreateFunctionUrlConfigResponse":      "what GetFunctionUrlConfig answers without a time of change",
	"AddPermissionResponse":                "one statement, made where it is sent",
	"ListEventSourceMappingsResponse":      "always empty",
	"EventSourceMappingConfiguration":      "there is none",
	"UpdateEventSourceMappingRequest":      "there is none",
	"GetFunctionCodeSigningConfigResponse": "a function's name alone",
}

// Every request and answer with a body is compared with the model, or is listed
// with the reason.
func TestNoShapeIsForgotten(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	for _, op := range operations {
		if op.run == nil || op.name == operationDownload {
			continue
		}
		in, out := m.Operations[op.name].Input, m.Operations[op.name].Output
		for _, s := range []*struct{ Shape string }{in, out} {
			if s == nil || !hasBody(m.Shapes[s.Shape]) || notCompared[s.Shape] != "" {
				continue
			}
			if modelShapes[s.Shape] == nil && settingShapes[s.Shape] == nil {
				t.Errorf("%s: %s is not compared", op.name, s.Shape)
			}
		}
	}
}

func hasBody(s shape) bool {
	for _, member := range s.Members {
		if member.Location == "" {
			return true
		}
	}
	return false
}

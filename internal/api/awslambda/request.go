package awslambda

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"teal"
)

// configuration is what CreateFunction and UpdateFunctionConfiguration have in
// common. A field that is left out is nil.
type configuration struct {
	Role                   *string
	Handler                *string
	Description            *string
	Timeout                *int
	MemorySize             *int
	Runtime                *string
	KMSKeyArn              *string
	VpcConfig              *struct{ SubnetIds, SecurityGroupIds []string }
	Environment            *struct{ Variables map[string]string }
	DeadLetterConfig       *struct{ TargetArn string }
	TracingConfig          *struct{ Mode string }
	Layers                 *[]string
	FileSystemConfigs      []json.RawMessage
	ImageConfig            json.RawMessage
	EphemeralStorage       *struct{ Size int }
	SnapStart              *struct{ ApplyOn string }
	LoggingConfig          *LoggingConfig
	CapacityProviderConfig json.RawMessage
	DurableConfig          json.RawMessage
}

type createFunctionInput struct {
	configuration
	FunctionName         string
	Code                 *codeInput
	Publish              bool
	PackageType          string
	Tags                 map[string]string
	CodeSigningConfigArn string
	Architectures        []string
	PublishTo            string
	TenancyConfig        json.RawMessage
}

type codeInput struct {
	ZipFile         []byte
	S3Bucket        string
	S3Key           string
	S3ObjectVersion string
	ImageUri        string
	SourceKMSKeyArn string
}

type updateCodeInput struct {
	codeInput
	Publish       bool
	DryRun        bool
	RevisionId    string
	Architectures []string
	PublishTo     string
}

type updateConfigurationInput struct {
	configuration
	RevisionId string
}

var (
	roleRule        = newRule(0, 0, `arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`)
	handlerRule     = newRule(0, 128, `[^\s]+`)
	descriptionRule = textRule{max: maxDescription}
	variablePattern = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9_])+$`)
)

// Limits of AWS's.
const (
	maxDescription = 256
	maxVariables   = 4096
	maxFunctionMB  = 10240
	minFunctionMB  = 128
	maxTimeout     = 900
	maxLayers      = 5
)

// refused returns why what is asked for has no meaning here, or nil.
func (c *configuration) refused() error {
	switch {
	case c.VpcConfig != nil && len(c.VpcConfig.SubnetIds)+len(c.VpcConfig.SecurityGroupIds) > 0:
		return unavailablef("VpcConfig: functions have the network of the machine that they run on.")
	case len(c.FileSystemConfigs) > 0:
		return unavailablef("FileSystemConfigs: there is no EFS to mount.")
	case present(c.ImageConfig):
		return unavailablef("ImageConfig: functions are zips, not images.")
	case present(c.CapacityProviderConfig):
		return unavailablef("CapacityProviderConfig: functions run on this machine.")
	case present(c.DurableConfig):
		return unavailablef("DurableConfig: there are no durable executions.")
	case c.DeadLetterConfig != nil && c.DeadLetterConfig.TargetArn != "":
		return unavailablef("DeadLetterConfig: there is no SQS or SNS to send to; use an on-failure destination that is a function or an HTTP URL.")
	}
	return nil
}

func present(raw json.RawMessage) bool {
	text := strings.TrimSpace(string(raw))
	return text != "" && text != "null" && text != "{}"
}

// mistakes notes which values break the constraints of the model.
func (c *configuration) mistakes(v *violations) {
	roleRule.optional(v, "role", c.Role)
	handlerRule.optional(v, "handler", c.Handler)
	descriptionRule.optional(v, "description", c.Description)
	checkRange(v, "timeout", c.Timeout, 1, maxTimeout)
	checkRange(v, "memorySize", c.MemorySize, minFunctionMB, maxFunctionMB)
	if c.EphemeralStorage != nil {
		checkRange(v, "ephemeralStorage.size", &c.EphemeralStorage.Size, defaultStorage, 10240)
	}
	if c.TracingConfig != nil {
		checkEnum(v, "tracingConfig.mode", or(c.TracingConfig.Mode, "null"), "Active", "PassThrough")
	}
	if c.SnapStart != nil {
		checkEnum(v, "snapStart.applyOn", c.SnapStart.ApplyOn, "PublishedVersions", "None")
	}
	if c.LoggingConfig != nil {
		checkEnum(v, "loggingConfig.logFormat", c.LoggingConfig.LogFormat, "JSON", "Text")
	}
	if c.Environment == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment.Variables)) {
		if !variablePattern.MatchString(name) {
			v.add(name, "environment.variables", "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")
		}
	}
}

// check validates what is there beyond the constraints of the model, in AWS's words.
// A new function is asked for more than one that is changed.
func (c *configuration) check(isNew bool) error {
	if c.Runtime != nil {
		if err := checkRuntime(*c.Runtime, isNew); err != nil {
			return err
		}
	}
	if c.Environment != nil {
		if err := checkVariables(c.Environment.Variables); err != nil {
			return err
		}
	}
	return c.refused()
}

// Runtimes that AWS has and Teal has not, and those that AWS makes no new functions
// of. A function that has one of these is run, and can be given it.
var (
	elsewhere = regexp.MustCompile(`^(java\d+(\.al2)?|dotnet(core)?\d+(\.\d)?|ruby\d\.\d|go1\.x)$`)
	retired   = regexp.MustCompile(`^(nodejs|nodejs(4\.3|6\.10|8\.10|10\.x|12\.x|14\.x)|nodejs4\.3-edge|python2\.7|python3\.[67]|provided|java8|go1\.x|ruby2\.[57]|dotnetcore\d\.\d|dotnet[57])$`)
)

func checkRuntime(name string, isNew bool) error {
	family := teal.RuntimeFamily(name)
	switch {
	case retired.MatchString(name) && (isNew || family == ""):
		return invalidf("The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", name)
	case elsewhere.MatchString(name):
		return unavailablef("The runtime %s: use python3.x, nodejs18.x or later, or provided.al2023 with a bootstrap of your own.", name)
	case family == "":
		return invalidf("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", name, runtimesOfAWS)
	}
	return nil
}

// runtimesOfAWS are those that AWS names, in its order.
const runtimesOfAWS = "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2"

// runtimesEver are all that a layer can be asked for, in AWS's order.
const runtimesEver = "ruby3.5, ruby2.6, dotnetcore1.0, python3.7, nodejs8.10, nasa, ruby2.7, python2.7-greengrass, dotnetcore2.0, python3.8, java21, dotnet6, dotnetcore2.1, python3.9, java11, nodejs6.10, provided, dotnetcore3.1, dotnet8, java25, java17, nodejs, nodejs4.3, java8.al2, go1.x, dotnet10, nodejs20.x, go1.9, byol, nodejs10.x, provided.al2023, nodejs22.x, python3.10, java8, nodejs12.x, python3.11, nodejs24.x, nodejs8.x, python3.12, nodejs14.x, nodejs8.9, nodejs26.x, python3.13, python3.14, nodejs16.x, python3.15, provided.al2, nodejs4.3-edge, nodejs18.x, ruby3.2, python3.4, ruby3.3, ruby3.4, ruby2.5, python3.6, python2.7"

// checkVariables refuses what cannot be an environment.
func checkVariables(variables map[string]string) error {
	var reserved []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if teal.ReservedEnv(name) || reservedByAWS(name) {
			reserved = append(reserved, name)
		}
	}
	if len(reserved) > 0 {
		return invalidf("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	data, err := json.Marshal(variables)
	if err != nil || len(data) > maxVariables {
		return invalidf("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %d bytes", len(data))
	}
	return nil
}

func reservedByAWS(name string) bool {
	return slices.Contains([]string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_EXECUTION_ENV", "LAMBDA_LAYERS"}, name)
}

// apply returns f with what is there changed.
func (c *configuration) apply(f teal.Function) teal.Function {
	s := settingsOf(f)
	set(&s.Role, c.Role)
	set(&s.Description, c.Description)
	set(&s.KMSKeyArn, c.KMSKeyArn)
	set(&f.Handler, c.Handler)
	set(&f.Runtime, c.Runtime)
	if c.Timeout != nil {
		f.Timeout = teal.Duration(time.Duration(*c.Timeout) * time.Second)
	}
	if c.MemorySize != nil {
		f.Memory = teal.Bytes(*c.MemorySize) * teal.MiB
	}
	if c.Environment != nil {
		f.Env, f.Masked = changedEnv(f, c.Environment.Variables)
		f.Secrets = otherSecrets(f.Secrets, f.Env)
		s.EmptyEnvironment = len(f.Env) == 0
	}
	if c.TracingConfig != nil {
		s.Tracing = c.TracingConfig.Mode
	}
	if c.EphemeralStorage != nil {
		s.Storage = c.EphemeralStorage.Size
	}
	if c.SnapStart != nil {
		s.SnapStart = c.SnapStart.ApplyOn
	}
	if c.LoggingConfig != nil {
		logging := *c.LoggingConfig
		logging.LogFormat = or(logging.LogFormat, "Text")
		s.Logging = &logging
	}
	return s.with(f)
}

// changedEnv returns the variables that f is to have, and which are masked. A client
// that reads a function, changes one variable and writes all of them back was shown
// no masked value: one that comes back so is the one that there is.
func changedEnv(f teal.Function, sent map[string]string) (env map[string]string, masked []string) {
	env = maps.Clone(sent)
	for _, name := range f.Masked {
		if env[name] == teal.MaskedValue {
			env[name] = f.Env[name]
			masked = append(masked, name)
		}
	}
	return env, masked
}

// otherSecrets returns the secrets whose variables have got no value. The others stay: AWS's
// clients are not shown them, and so cannot leave them out on purpose.
func otherSecrets(secrets map[string]teal.SecretRef, env map[string]string) map[string]teal.SecretRef {
	secrets = maps.Clone(secrets)
	maps.DeleteFunc(secrets, func(name string, _ teal.SecretRef) bool { _, has := env[name]; return has })
	return secrets
}

func set(to, value *string) {
	if value != nil {
		*to = *value
	}
}

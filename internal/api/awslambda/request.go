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
	rolePattern     = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
	handlerPattern  = regexp.MustCompile(`^[^\s]+$`)
	variablePattern = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9_])+$`)
)

// Limits of AWS's.
const (
	maxDescription = 256
	maxHandler     = 128
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

// check validates what is there, in AWS's words.
func (c *configuration) check() error {
	switch {
	case c.Role != nil && !rolePattern.MatchString(*c.Role):
		return invalid(*c.Role, "role", `Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`)
	case c.Handler != nil && (len(*c.Handler) > maxHandler || !handlerPattern.MatchString(*c.Handler)):
		return invalid(*c.Handler, "handler", "Member must satisfy regular expression pattern: [^\\s]+")
	case c.Description != nil && len(*c.Description) > maxDescription:
		return invalid(*c.Description, "description", "Member must have length less than or equal to 256")
	case c.Timeout != nil && *c.Timeout < 1:
		return invalid(*c.Timeout, "timeout", "Member must have value greater than or equal to 1")
	case c.Timeout != nil && *c.Timeout > maxTimeout:
		return invalid(*c.Timeout, "timeout", "Member must have value less than or equal to 900")
	case c.MemorySize != nil && *c.MemorySize < minFunctionMB:
		return invalid(*c.MemorySize, "memorySize", "Member must have value greater than or equal to 128")
	case c.MemorySize != nil && *c.MemorySize > maxFunctionMB:
		return invalid(*c.MemorySize, "memorySize", "Member must have value less than or equal to 10240")
	case c.EphemeralStorage != nil && (c.EphemeralStorage.Size < 512 || c.EphemeralStorage.Size > 10240):
		return invalid(c.EphemeralStorage.Size, "ephemeralStorage.size", "Member must have value between 512 and 10240, inclusive")
	case c.TracingConfig != nil && !slices.Contains([]string{"Active", "PassThrough"}, c.TracingConfig.Mode):
		return invalid(c.TracingConfig.Mode, "tracingConfig.mode", "Member must satisfy enum value set: [Active, PassThrough]")
	case c.SnapStart != nil && !slices.Contains([]string{"", "PublishedVersions", "None"}, c.SnapStart.ApplyOn):
		return invalid(c.SnapStart.ApplyOn, "snapStart.applyOn", "Member must satisfy enum value set: [PublishedVersions, None]")
	case c.LoggingConfig != nil && !slices.Contains([]string{"", "JSON", "Text"}, c.LoggingConfig.LogFormat):
		return invalid(c.LoggingConfig.LogFormat, "loggingConfig.logFormat", "Member must satisfy enum value set: [JSON, Text]")
	}
	if c.Runtime != nil {
		if err := checkRuntime(*c.Runtime); err != nil {
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

// Runtimes that AWS has and Teal has not, and those that AWS has retired.
var (
	elsewhere = regexp.MustCompile(`^(java\d+(\.al2)?|dotnet(core)?\d+(\.\d)?|ruby\d\.\d|go1\.x)$`)
	retired   = regexp.MustCompile(`^(nodejs|nodejs(4\.3|6\.10|8\.10|10\.x|12\.x|14\.x|16\.x)|nodejs4\.3-edge|python2\.7|python3\.[678])$`)
)

func checkRuntime(name string) error {
	switch {
	case retired.MatchString(name):
		return invalidf("The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", name)
	case elsewhere.MatchString(name):
		return unavailablef("The runtime %s: use python3.x, nodejs18.x or later, or provided.al2023 with a bootstrap of your own.", name)
	case teal.RuntimeFamily(name) == "":
		return invalidf("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs18.x, nodejs20.x, nodejs22.x, nodejs24.x, python3.9, python3.10, python3.11, python3.12, python3.13, python3.14, provided, provided.al2, provided.al2023] or be a valid ARN", name)
	}
	return nil
}

// checkVariables refuses what cannot be an environment.
func checkVariables(variables map[string]string) error {
	var reserved []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if !variablePattern.MatchString(name) {
			return invalid(name, "environment.variables", "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")
		}
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

func set(to, value *string) {
	if value != nil {
		*to = *value
	}
}

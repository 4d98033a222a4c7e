package awslambda

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"runtime"
	"strings"
	"time"

	"teal"
)

// settings is what a version of a function has beyond what Teal runs. It is kept
// in teal.Function.Attached, in this form, and so belongs to the content.
type settings struct {
	Role          string         `json:",omitempty"`
	Description   string         `json:",omitempty"`
	CodeSha256    string         `json:",omitempty"` // of the zip that was sent, base64
	CodeSize      int64          `json:",omitempty"`
	KMSKeyArn     string         `json:",omitempty"`
	Tracing       string         `json:",omitempty"`
	Architectures []string       `json:",omitempty"`
	Storage       int            `json:",omitempty"` // MB of /tmp
	SnapStart     string         `json:",omitempty"`
	Logging       *LoggingConfig `json:",omitempty"`
	Layers        []LayerItem    `json:",omitempty"`
	// EmptyEnvironment says that there is one, without variables: that is shown.
	EmptyEnvironment bool `json:",omitempty"`

	// Draft is the hash of the draft that the version was published from: only a
	// draft that has changed since is published again.
	Draft string `json:",omitempty"`
	// After is the version before. It makes the content of a version that goes
	// back to an older one a new content, which gets a new number, as on AWS.
	After int `json:",omitempty"`
}

func settingsOf(f teal.Function) settings {
	var s settings
	if len(f.Attached) > 0 {
		_ = json.Unmarshal(f.Attached, &s) // what somebody else has put there is nothing to us
	}
	return s
}

// with returns f with other settings.
func (s settings) with(f teal.Function) teal.Function {
	data, err := json.Marshal(s)
	if err != nil {
		panic("awslambda: settings cannot be encoded: " + err.Error()) // strings and numbers alone
	}
	f.Attached = data
	return f
}

// draftHash returns what tells one content of a draft from another.
func draftHash(f teal.Function) string {
	s := settingsOf(f)
	s.Draft, s.After = "", 0
	data, err := json.Marshal(s.with(f))
	if err != nil {
		panic("awslambda: function cannot be encoded: " + err.Error()) // as Spec.Digest has it
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// FunctionConfiguration is the shape of that name.
type FunctionConfiguration struct {
	FunctionName  string
	FunctionArn   string
	Runtime       string `json:",omitempty"`
	Role          string
	Handler       string `json:",omitempty"`
	CodeSize      int64
	Description   string
	Timeout       int
	MemorySize    int
	LastModified  string
	CodeSha256    string
	Version       string
	VpcConfig     *VpcConfig       `json:",omitempty"`
	Environment   *EnvironmentView `json:",omitempty"`
	KMSKeyArn     string           `json:",omitempty"`
	TracingConfig ModeConfig
	RevisionId    string
	Layers        []LayerItem `json:",omitempty"`
	Status
	PackageType          string
	Architectures        []string
	EphemeralStorage     SizeConfig
	SnapStart            SnapStartView
	RuntimeVersionConfig *RuntimeVersion `json:",omitempty"`
	LoggingConfig        LoggingConfig
}

// Status says what a function is about to be: FunctionConfiguration has it where one
// function or version is asked for, and not in lists.
type Status struct {
	State                      string `json:",omitempty"`
	StateReason                string `json:",omitempty"`
	StateReasonCode            string `json:",omitempty"`
	LastUpdateStatus           string `json:",omitempty"`
	LastUpdateStatusReason     string `json:",omitempty"`
	LastUpdateStatusReasonCode string `json:",omitempty"`
}

// statusOfChange returns what AWS says while a function is changing, and after.
func statusOfChange(change Change) Status {
	const reason, code = "The function is being created.", "Creating" // of an update, too
	switch change {
	case Creating:
		return Status{State: "Pending", StateReason: reason, StateReasonCode: code}
	case Updating:
		return Status{State: "Active", LastUpdateStatus: "InProgress", LastUpdateStatusReason: reason, LastUpdateStatusReasonCode: code}
	}
	return Status{State: "Active", LastUpdateStatus: "Successful"}
}

// VpcConfig is an empty one: functions here have the machine's network.
type VpcConfig struct {
	SubnetIds        []string
	SecurityGroupIds []string
	VpcId            string
}

// EnvironmentView is the shape EnvironmentResponse.
type EnvironmentView struct{ Variables map[string]string }

// ModeConfig is the shape TracingConfig.
type ModeConfig struct{ Mode string }

// SizeConfig is the shape EphemeralStorage.
type SizeConfig struct{ Size int }

// SnapStartView is the shape SnapStartResponse.
type SnapStartView struct{ ApplyOn, OptimizationStatus string }

// RuntimeVersion is the shape RuntimeVersionConfig.
type RuntimeVersion struct{ RuntimeVersionArn string }

// LoggingConfig is the shape of that name.
type LoggingConfig struct {
	LogFormat           string
	ApplicationLogLevel string `json:",omitempty"`
	SystemLogLevel      string `json:",omitempty"`
	LogGroup            string
}

// LayerItem is the shape Layer.
type LayerItem struct {
	Arn      string
	CodeSize int64
}

// timeFormat is AWS's for LastModified.
const timeFormat = "2006-01-02T15:04:05.000-0700"

// Defaults of a function that AWS's tools make.
const (
	defaultMemory  = 128 * teal.MiB
	defaultTimeout = 3 // seconds
	defaultStorage = 512
	// maxInstances of a function that has no reserved concurrency: each is a
	// process on this machine.
	maxInstances = 100
)

// hostArchitecture is AWS's name of what this machine runs.
func hostArchitecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// describe returns a content in AWS's shape. qualifier is what its ARN ends in.
func (h *Handler) describe(name, qualifier string, c Content) FunctionConfiguration {
	f, s := c.Function, settingsOf(c.Function)
	view := FunctionConfiguration{
		FunctionName: name, FunctionArn: h.cfg.Place.arn(name, qualifier), Version: c.Version.String(),
		Runtime: f.Runtime, Handler: f.Handler, Role: s.Role, Description: s.Description,
		CodeSize: s.CodeSize, CodeSha256: s.CodeSha256, KMSKeyArn: s.KMSKeyArn,
		Timeout: int(f.Timeout.Std() / time.Second), MemorySize: int(f.Memory / teal.MiB),
		LastModified: c.ModifiedAt.UTC().Format(timeFormat), RevisionId: c.Revision,
		TracingConfig: ModeConfig{or(s.Tracing, "PassThrough")}, Layers: s.Layers,
		Status: statusOfChange(c.Change), PackageType: "Zip",
		Architectures: s.Architectures, EphemeralStorage: SizeConfig{s.Storage},
		SnapStart:            SnapStartView{or(s.SnapStart, "None"), "Off"},
		RuntimeVersionConfig: &RuntimeVersion{"arn:aws:lambda:" + h.cfg.Place.Region + "::runtime:" + runtimeID(f.Runtime)},
		LoggingConfig:        LoggingConfig{LogFormat: "Text", LogGroup: "/aws/lambda/" + name},
	}
	if view.Role == "" {
		view.Role = "arn:aws:iam::" + h.cfg.Place.Account + ":role/teal"
	}
	if view.CodeSha256 == "" { // deployed in Teal's own way: the bundle's digest stands for the zip's
		view.CodeSha256 = bundleSha(f.Code)
	}
	if len(view.Architectures) == 0 {
		view.Architectures = []string{hostArchitecture()}
	}
	if view.EphemeralStorage.Size == 0 {
		view.EphemeralStorage.Size = defaultStorage
	}
	if s.Logging != nil {
		view.LoggingConfig = *s.Logging
		view.LoggingConfig.LogGroup = or(s.Logging.LogGroup, "/aws/lambda/"+name)
		if s.Logging.LogFormat == "JSON" { // which alone has levels
			view.LoggingConfig.ApplicationLogLevel = or(s.Logging.ApplicationLogLevel, "INFO")
			view.LoggingConfig.SystemLogLevel = or(s.Logging.SystemLogLevel, "INFO")
		}
	}
	if len(f.Env) > 0 {
		view.Environment = &EnvironmentView{teal.MaskEnv(f.Env, f.Masked)}
	} else if s.EmptyEnvironment {
		view.Environment = &EnvironmentView{map[string]string{}}
	}
	return view
}

// listed returns a content as lists have it: without what is only known of one that
// is asked for by name.
func (h *Handler) listed(name, qualifier string, c Content) FunctionConfiguration {
	view := h.describe(name, qualifier, c)
	view.Status, view.RuntimeVersionConfig = Status{}, nil
	return view
}

// bundleSha returns a bundle's digest in the form of a CodeSha256.
func bundleSha(digest string) string {
	raw, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// runtimeID returns what stands for the version of a runtime: 64 hexadecimal
// digits, as AWS has it, that change with the runtime's name.
func runtimeID(name string) string {
	sum := sha256.Sum256([]byte("teal runtime " + name))
	return hex.EncodeToString(sum[:])
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

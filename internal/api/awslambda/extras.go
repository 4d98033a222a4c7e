package awslambda

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Extras is what AWS's interface keeps of a function beside its versions. The
// maps' keys are qualifiers: "" is the function itself.
type Extras struct {
	App       string
	Component string

	Tags        map[string]string            `json:",omitempty"`
	Reserved    *int                         `json:",omitempty"` // concurrency; 0 stops the function
	Provisioned map[string]Provisioned       `json:",omitempty"`
	URLs        map[string]URL               `json:",omitempty"`
	Events      map[string]EventConfig       `json:",omitempty"`
	Policies    map[string]Policy            `json:",omitempty"`
	Recursion   string                       `json:",omitempty"`
	Runtime     map[string]RuntimeManagement `json:",omitempty"`
}

// Ref returns the function that they are of.
func (x *Extras) Ref() Ref { return Ref{App: x.App, Component: x.Component} }

// Qualifiers returns the versions and aliases of which something is kept, sorted,
// some of them more than once.
func (x *Extras) Qualifiers() []string {
	list := slices.Collect(maps.Keys(x.Provisioned))
	list = slices.AppendSeq(list, maps.Keys(x.URLs))
	list = slices.AppendSeq(list, maps.Keys(x.Events))
	list = slices.AppendSeq(list, maps.Keys(x.Policies))
	list = slices.AppendSeq(list, maps.Keys(x.Runtime))
	slices.Sort(list)
	return list
}

// Has reports whether something is kept of a version or an alias.
func (x *Extras) Has(qualifier string) bool { return slices.Contains(x.Qualifiers(), qualifier) }

// Forget drops what is kept of a version or an alias. The maps are replaced: others
// may be reading them.
func (x *Extras) Forget(qualifier string) {
	x.Provisioned = without(x.Provisioned, qualifier)
	x.URLs = without(x.URLs, qualifier)
	x.Events = without(x.Events, qualifier)
	x.Policies = without(x.Policies, qualifier)
	x.Runtime = without(x.Runtime, qualifier)
}

func without[V any](m map[string]V, key string) map[string]V {
	m = maps.Clone(m)
	delete(m, key)
	return m
}

// Provisioned asks for instances of a version to stand ready.
type Provisioned struct {
	Requested  int
	ModifiedAt time.Time
}

// URL is a function URL.
type URL struct {
	ID         string // the first label of its host name
	AuthType   string // NONE or AWS_IAM
	Mode       string // Buffered or ResponseStream
	Cors       *Cors  `json:",omitempty"`
	CreatedAt  time.Time
	ModifiedAt time.Time
}

// The modes of a URL.
const (
	Buffered       = "BUFFERED"
	ResponseStream = "RESPONSE_STREAM"
)

// Cors is the shape of that name.
type Cors struct {
	AllowCredentials bool     `json:",omitempty"`
	AllowHeaders     []string `json:",omitempty"`
	AllowMethods     []string `json:",omitempty"`
	AllowOrigins     []string `json:",omitempty"`
	ExposeHeaders    []string `json:",omitempty"`
	MaxAge           int      `json:",omitempty"`
}

// EventConfig says what becomes of asynchronous invocations.
type EventConfig struct {
	Retries    *int   `json:",omitempty"` // nil: AWS's 2
	MaxAge     *int   `json:",omitempty"` // seconds; nil: AWS's six hours
	OnSuccess  string `json:",omitempty"` // a function's ARN or an HTTP URL
	OnFailure  string `json:",omitempty"`
	ModifiedAt time.Time
}

// Policy is a resource policy.
type Policy struct {
	Statements []Statement
	Revision   int
}

// RuntimeManagement is the shape RuntimeManagementConfig.
type RuntimeManagement struct {
	UpdateRuntimeOn   string
	RuntimeVersionArn string `json:",omitempty"`
}

// Limits on tags.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalidf("Number of tags exceeds resource tag limit.")
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case key == "" || len(key) > maxTagKey:
			return invalidf("The tag key %q has %d characters; 1 to %d are allowed.", key, len(key), maxTagKey)
		case len(tags[key]) > maxTagValue:
			return invalidf("The value of the tag %s has %d characters; at most %d are allowed.", key, len(tags[key]), maxTagValue)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalidf("The tag key %s starts with aws:, which is reserved.", key)
		}
	}
	return nil
}

// taggedRule is what names something that has tags on AWS.
var taggedRule = newRule(1, 256, `arn:(aws[a-zA-Z-]*):lambda:`+regionForm+`:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)`)

// tagged returns the function that a tag request's ARN names.
func (h *Handler) tagged(q *request, further violations) (Ref, error) {
	resource := q.params["Resource"]
	taggedRule.check(&further, "resource", resource)
	if err := further.err(); err != nil {
		return Ref{}, err
	}
	switch kind := strings.Split(resource, ":")[5]; kind {
	case "event-source-mapping":
		return Ref{}, faultf(codeNotFound, "Event source mapping not found: %s", resource)
	case "capacity-provider":
		return Ref{}, faultf(codeNotFound, "Capacity provider not found: %s", resource)
	case "layer", "code-signing-config":
		return Ref{}, unavailablef("Tags of %s: functions alone have tags.", resource)
	}
	t, err := h.cfg.Place.parseFunction(resource)
	if err != nil {
		return Ref{}, err
	}
	if t.qualifier != "" {
		return Ref{}, invalidf("Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return h.find(q.ctx, t)
}

// TagsView is the shape ListTagsResponse, and that of TagResourceRequest.
type TagsView struct{ Tags map[string]string }

func (h *Handler) listTags(q *request) (any, error) {
	ref, err := h.tagged(q, nil)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if x.Tags == nil {
		x.Tags = map[string]string{}
	}
	return TagsView{x.Tags}, err
}

func (h *Handler) tagResource(q *request) (any, error) {
	var in TagsView
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	ref, err := h.tagged(q, nil)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, invalidf("An error occurred and the request cannot be processed.")
	}
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		tags := map[string]string{}
		maps.Copy(tags, x.Tags)
		maps.Copy(tags, in.Tags)
		x.Tags = tags
		return checkTags(tags)
	})
	return nil, err
}

func (h *Handler) untagResource(q *request) (any, error) {
	var mistakes violations
	keys := q.query["tagKeys"]
	if len(keys) == 0 {
		mistakes.add(nil, "tagKeys", "Member must not be null")
	}
	ref, err := h.tagged(q, mistakes)
	if err != nil {
		return nil, err
	}
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		tags := maps.Clone(x.Tags)
		maps.DeleteFunc(tags, func(key, _ string) bool { return slices.Contains(keys, key) })
		x.Tags = tags
		return nil
	})
	return nil, err
}

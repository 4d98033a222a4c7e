package awslambda

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"teal"
)

// EventInvokeConfig is the shape FunctionEventInvokeConfig.
type EventInvokeConfig struct {
	LastModified             float64
	FunctionArn              string
	MaximumRetryAttempts     *int `json:",omitempty"`
	MaximumEventAgeInSeconds *int `json:",omitempty"`
	DestinationConfig        Destinations
}

// Destinations is the shape DestinationConfig.
type Destinations struct {
	OnSuccess *DestinationTarget
	OnFailure *DestinationTarget
}

// DestinationTarget is the shape OnSuccess and OnFailure.
type DestinationTarget struct {
	Destination string `json:",omitempty"`
}

type eventConfigInput struct {
	MaximumRetryAttempts     *int
	MaximumEventAgeInSeconds *int
	DestinationConfig        *Destinations
}

func (h *Handler) viewEvents(t target, qualifier string, c EventConfig) EventInvokeConfig {
	return EventInvokeConfig{
		LastModified: epoch(c.ModifiedAt), FunctionArn: h.cfg.Place.arn(t.name, qualifier),
		MaximumRetryAttempts: c.Retries, MaximumEventAgeInSeconds: c.MaxAge,
		DestinationConfig: Destinations{&DestinationTarget{c.OnSuccess}, &DestinationTarget{c.OnFailure}},
	}
}

// eventTarget returns what a request about an event invoke config is about. missing
// says in AWS's words, which depend on the operation, that there is no such function.
func (h *Handler) eventTarget(q *request, further violations, missing func(target) error) (target, Ref, error) {
	t, err := h.targetOf(q, anyQualifier, further)
	if err != nil {
		return t, Ref{}, err
	}
	ref, _, err := h.content(q.ctx, t)
	t.qualifier = or(t.qualifier, teal.DraftName)
	return t, ref, or404(err, missing(t))
}

// noSuchFunction is what those say who would change or list event invoke configs.
func noSuchFunction(target) error { return faultf(codeNotFound, "The function doesn't exist.") }

func (h *Handler) putEvents(q *request) (any, error) { return h.changeEvents(q, false) }

func (h *Handler) updateEvents(q *request) (any, error) { return h.changeEvents(q, true) }

// changeEvents replaces a config, or changes what the request names of it.
func (h *Handler) changeEvents(q *request, keep bool) (any, error) {
	var in eventConfigInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, ref, err := h.eventTarget(q, in.mistakes(), noSuchFunction)
	if f := asFault(err); (err == nil || f != nil && f.Code == codeNotFound) && in.isEmpty() {
		return nil, invalidf("You must specify at least one of error handling or destination setting.")
	}
	if err != nil {
		return nil, err
	}
	if err := h.checkEvents(q, t, in); err != nil {
		return nil, err
	}
	var now EventConfig
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		old, exists := x.Events[t.qualifier]
		now = EventConfig{}
		if keep && !exists {
			return h.noEventConfig(t)
		}
		if keep {
			now = old
		}
		in.apply(&now)
		now.ModifiedAt = h.cfg.Now()
		put := maps.Clone(x.Events)
		if put == nil {
			put = map[string]EventConfig{}
		}
		put[t.qualifier] = now
		x.Events = put
		return nil
	})
	return h.viewEvents(t, t.qualifier, now), err
}

func (in eventConfigInput) isEmpty() bool {
	return in.MaximumRetryAttempts == nil && in.MaximumEventAgeInSeconds == nil && in.DestinationConfig == nil
}

func (in eventConfigInput) apply(c *EventConfig) {
	if in.MaximumRetryAttempts != nil {
		c.Retries = in.MaximumRetryAttempts
	}
	if in.MaximumEventAgeInSeconds != nil {
		c.MaxAge = in.MaximumEventAgeInSeconds
	}
	if in.DestinationConfig == nil {
		return
	}
	if d := in.DestinationConfig.OnSuccess; d != nil {
		c.OnSuccess = d.Destination
	}
	if d := in.DestinationConfig.OnFailure; d != nil {
		c.OnFailure = d.Destination
	}
}

// mistakes returns which values break the constraints of the model.
func (in eventConfigInput) mistakes() violations {
	var v violations
	checkRange(&v, "maximumRetryAttempts", in.MaximumRetryAttempts, 0, 2)
	checkRange(&v, "maximumEventAgeInSeconds", in.MaximumEventAgeInSeconds, 60, 21600)
	if d := in.DestinationConfig; d != nil {
		d.OnSuccess.check(&v, "destinationConfig.onSuccess.destination")
		d.OnFailure.check(&v, "destinationConfig.onFailure.destination")
	}
	return v
}

// destinationRule is of those destinations that AWS has; Teal has HTTP URLs beside them.
var destinationRule = newRule(0, 350, `$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:(`+regionForm+`)?:(\d{12})?:(.*)`)

func (d *DestinationTarget) check(v *violations, member string) {
	if d != nil && strings.HasPrefix(d.Destination, "arn:") {
		destinationRule.check(v, member, d.Destination)
	}
}

// shown writes a destination as AWS does.
func (d *DestinationTarget) shown(kind string) string {
	if d == nil {
		return "null"
	}
	return kind + "(destination=" + d.Destination + ")"
}

// destinationServices are those that can be told about an event on AWS.
var destinationServices = []string{"lambda", "sqs", "sns", "events", "s3"}

func (h *Handler) checkEvents(q *request, t target, in eventConfigInput) error {
	if in.DestinationConfig == nil {
		return nil
	}
	for _, d := range []*DestinationTarget{in.DestinationConfig.OnSuccess, in.DestinationConfig.OnFailure} {
		if d == nil || d.Destination == "" {
			continue
		}
		if parts := strings.Split(d.Destination, ":"); parts[0] == "arn" && !slices.Contains(destinationServices, parts[2]) {
			return invalidf("The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.",
				in.DestinationConfig.OnSuccess.shown("OnSuccess"), in.DestinationConfig.OnFailure.shown("OnFailure"))
		}
		if err := h.checkDestination(q, t, d.Destination); err != nil {
			return err
		}
	}
	return nil
}

// checkDestination refuses what cannot be told about an event: anything but a
// function that exists or an HTTP URL.
func (h *Handler) checkDestination(q *request, t target, text string) error {
	if u, err := url.Parse(text); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil {
		return nil
	}
	to, err := h.cfg.Place.parseFunction(text)
	if err != nil || text[:min(4, len(text))] != "arn:" {
		return unavailablef("The destination ARN %s: a destination is a function of this server, or an HTTP URL.", text)
	}
	if _, _, err := h.content(q.ctx, to); err != nil {
		return invalidf("The destination ARN %s is invalid.", text)
	}
	if to.name == t.name {
		return invalidf("You can't specify the function as a destination for itself.")
	}
	return nil
}

func (h *Handler) noEventConfig(t target) error {
	return faultf(codeNotFound, "The function %s doesn't have an EventInvokeConfig", h.cfg.Place.arn(t.name, t.qualifier))
}

func (h *Handler) getEvents(q *request) (any, error) {
	t, ref, err := h.eventTarget(q, nil, h.noEventConfig)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	c, ok := x.Events[t.qualifier]
	if !ok {
		return nil, h.noEventConfig(t)
	}
	return h.viewEvents(t, t.qualifier, c), nil
}

func (h *Handler) deleteEvents(q *request) (any, error) {
	t, ref, err := h.eventTarget(q, nil, h.noEventConfig)
	if err != nil {
		return nil, err
	}
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		if _, ok := x.Events[t.qualifier]; !ok {
			return h.noEventConfig(t)
		}
		left := maps.Clone(x.Events)
		delete(left, t.qualifier)
		x.Events = left
		return nil
	})
	return nil, err
}

// ListEventsOutput is the shape ListFunctionEventInvokeConfigsResponse.
type ListEventsOutput struct {
	FunctionEventInvokeConfigs []EventInvokeConfig
	NextMarker                 string `json:",omitempty"`
}

func (h *Handler) listEvents(q *request) (any, error) {
	t, ref, err := h.unqualified(q)
	if err != nil {
		return nil, or404(err, noSuchFunction(t))
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	out := ListEventsOutput{FunctionEventInvokeConfigs: []EventInvokeConfig{}}
	keys, next, err := page(q, "event invoke configs of "+t.name, slices.Sorted(maps.Keys(x.Events)), func(k string) string { return k })
	out.NextMarker = next
	for _, qualifier := range keys {
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, h.viewEvents(t, qualifier, x.Events[qualifier]))
	}
	return out, err
}

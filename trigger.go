package teal

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trigger is what invokes a component without a request of a client. Exactly one of the
// fields of its kinds is set.
type Trigger struct {
	// Name is the trigger's own within the app: it is the same one in the next version
	// when it has the same name, whatever else of it has changed.
	Name     string        `json:"name"`
	To       string        `json:"to"` // the component
	Schedule *Schedule     `json:"schedule,omitempty"`
	Queue    *QueueTrigger `json:"queue,omitempty"`
}

// TriggerKind says what makes a trigger fire.
type TriggerKind string

// The kinds of trigger.
const (
	TriggerSchedule TriggerKind = "schedule" // a clock
	TriggerQueue    TriggerKind = "queue"    // messages of a queue of the server's
)

// Limits on the triggers of a spec.
const (
	MaxTriggers       = 100
	MaxTriggerPayload = 64 * KiB // it is a part of the version
)

// triggerKind is all that the domain knows of one kind of trigger. A further kind is an
// entry of triggerKinds, a field of Trigger, and its type with its check.
type triggerKind struct {
	name  TriggerKind
	is    func(Trigger) bool
	check func(c *checker, at []string, t Trigger, to Component)
}

// triggerKinds is every kind of trigger.
var triggerKinds = []triggerKind{
	{
		name:  TriggerSchedule,
		is:    func(t Trigger) bool { return t.Schedule != nil },
		check: func(c *checker, at []string, t Trigger, to Component) { c.schedule(at, *t.Schedule, to) },
	},
	{
		name:  TriggerQueue,
		is:    func(t Trigger) bool { return t.Queue != nil },
		check: func(c *checker, at []string, t Trigger, to Component) { c.queue(at, *t.Queue, to) },
	},
}

// TriggerKinds returns every kind of trigger.
func TriggerKinds() []TriggerKind {
	names := make([]TriggerKind, len(triggerKinds))
	for i, k := range triggerKinds {
		names[i] = k.name
	}
	return names
}

// kinds returns the kinds whose fields are set.
func (t Trigger) kinds() (set []triggerKind) {
	for _, k := range triggerKinds {
		if k.is(t) {
			set = append(set, k)
		}
	}
	return set
}

// Kind returns which field of t is set, or "" when none is.
func (t Trigger) Kind() TriggerKind {
	if set := t.kinds(); len(set) > 0 {
		return set[0].name
	}
	return ""
}

// Trigger returns the trigger of that name.
func (s Spec) Trigger(name string) (t Trigger, ok bool) {
	i := slices.IndexFunc(s.Triggers, func(t Trigger) bool { return t.Name == name })
	if i < 0 {
		return Trigger{}, false
	}
	return s.Triggers[i], true
}

func (c *checker) triggers(s Spec) {
	if len(s.Triggers) > MaxTriggers {
		c.addf([]string{"triggers"}, "has %d triggers; at most %d are allowed", len(s.Triggers), MaxTriggers)
	}
	first := map[string]int{}
	for i, t := range s.Triggers {
		at := []string{"triggers", strconv.Itoa(i)}
		if other, taken := first[t.Name]; taken {
			c.addf(at, "is named %s, as trigger %d is; give it a name of its own, such as name: %s-%d", t.Name, other+1, t.Name, i+1)
			continue
		}
		first[t.Name] = i
		c.trigger(at, t, s)
	}
	c.queueReaders(s)
}

// post looks at the path where a service gets a POST.
func (c *checker) post(at []string, path string) {
	if !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, notInPath) {
		c.addf(at, "is %s; a service gets a POST: write its path, such as /jobs/cleanup", strconv.Quote(path))
	}
}

func (c *checker) trigger(at []string, t Trigger, s Spec) {
	to, known := s.Components[t.To]
	switch {
	case t.To == "":
		c.addf(append(slices.Clone(at), "to"), "is missing; name the component that is to do the work")
		return
	case !known:
		c.addf(append(slices.Clone(at), "to"), "%q is not a component of the app", t.To)
		return
	}
	c.name("trigger", t.Name, append(slices.Clone(at), "name")...)
	kinds := t.kinds()
	if len(kinds) != 1 {
		c.addf(at, "is %d kinds of trigger; expected exactly one of %s", len(kinds), joinKinds())
		return
	}
	kinds[0].check(c, at, t, to)
}

func joinKinds() string {
	names := make([]string, len(triggerKinds))
	for i, k := range triggerKinds {
		names[i] = string(k.name)
	}
	return strings.Join(names, ", ")
}

// payload looks at what a trigger hands over: JSON, or nothing.
func (c *checker) payload(at []string, payload json.RawMessage) {
	if Bytes(len(payload)) > MaxTriggerPayload || len(payload) > 0 && !json.Valid(payload) {
		c.addf(at, "is not JSON of at most %s", MaxTriggerPayload)
	}
}

// ParseZone returns the time zone of a name such as Europe/Berlin, or an error with
// CodeInvalidInput.
func ParseZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, Errorf(CodeInvalidInput, "%q is not a time zone; write a name such as UTC, Europe/Berlin or America/New_York", name)
	}
	return zone, nil
}

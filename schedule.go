package teal

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Schedule fires by the clock. What it fires follows from the trigger's component: a
// function is invoked, a service gets a POST at Path; with Command, that runs in the
// component's code and with its variables.
type Schedule struct {
	Cron     string          `json:"cron"`      // five fields: minute hour day month weekday
	TimeZone string          `json:"time_zone"` // whose clock counts, such as Europe/Berlin
	Path     string          `json:"path,omitempty"`
	Command  []string        `json:"command,omitempty"`
	Payload  json.RawMessage `json:"payload,omitempty"` // JSON; none is what Teal says of the firing
	Overlap  Overlap         `json:"overlap,omitempty"`
	Missed   Missed          `json:"missed,omitempty"`
	// Timeout is how long a POST or a command may take; 0 is DefaultScheduleTimeout. A
	// function has its own.
	Timeout Duration `json:"timeout,omitempty"`
	// Retries is how often a POST or a command that failed is tried again. A function
	// says so itself: see Async.
	Retries int `json:"retries,omitempty"`
}

// Overlap says what becomes of a firing whose trigger's firing before has not ended. The
// zero value is OverlapSkip.
type Overlap string

// What becomes of a firing that overlaps.
const (
	OverlapSkip  Overlap = "skip"  // it is left out
	OverlapQueue Overlap = "queue" // it waits for the one before
	OverlapAllow Overlap = "allow" // it runs beside it
)

// Missed says what becomes of the times that have passed while nobody could fire. The
// zero value is MissedSkip.
type Missed string

// What becomes of missed times.
const (
	MissedSkip Missed = "skip" // nothing
	MissedOnce Missed = "once" // the latest of them is fired, late
)

// Limits on schedules.
const (
	DefaultScheduleTimeout = Duration(5 * time.Minute)
	MaxScheduleTimeout     = Duration(24 * time.Hour)
	MaxScheduleRetries     = 10
)

// Zone returns the time zone whose clock counts, or an error with CodeInvalidInput.
func (s Schedule) Zone() (*time.Location, error) { return ParseZone(s.TimeZone) }

func (c *checker) schedule(at []string, s Schedule, to Component) {
	below := func(key string) []string { return append(slices.Clone(at), key) }
	if _, err := s.Zone(); err != nil {
		c.addf(below("time_zone"), "%s", err)
	}
	c.payload(below("payload"), s.Payload)
	if !slices.Contains([]Overlap{"", OverlapSkip, OverlapQueue, OverlapAllow}, s.Overlap) {
		c.addf(below("overlap"), "%q is not known; use skip, queue or allow", s.Overlap)
	}
	if !slices.Contains([]Missed{"", MissedSkip, MissedOnce}, s.Missed) {
		c.addf(below("missed"), "%q is not known; use skip or once", s.Missed)
	}
	if s.Timeout < 0 || s.Timeout > MaxScheduleTimeout {
		c.addf(below("timeout"), "is %s; expected at most %s", s.Timeout, MaxScheduleTimeout)
	}
	if s.Retries < 0 || s.Retries > MaxScheduleRetries {
		c.addf(below("retries"), "is %d; expected 0 to %d", s.Retries, MaxScheduleRetries)
	}
	switch {
	case len(s.Command) > 0:
		c.scheduledCommand(at, s, to)
	case to.Function != nil:
		c.scheduledFunction(at, s)
	case to.Kind() == KindService:
		c.post(below("path"), s.Path)
	default:
		c.addf(below("to"), "is of the kind %s, which a schedule cannot fire; name a function, a service, or give a command", to.Kind())
	}
}

func (c *checker) scheduledCommand(at []string, s Schedule, to Component) {
	c.command(append(slices.Clone(at), "command"), s.Command, "./cleanup")
	if s.Path != "" {
		c.addf(append(slices.Clone(at), "path"), "is for a POST, and there is a command; leave one of them out")
	}
	if _, has := to.Code(); !has || !to.runs() {
		c.addf(append(slices.Clone(at), "to"), "is of the kind %s, which has no program; a command runs in the code of a component that has one", to.Kind())
	}
}

func (c *checker) scheduledFunction(at []string, s Schedule) {
	for _, own := range []struct {
		key, instead string
		set          bool
	}{
		{"path", "a function is invoked; leave it out", s.Path != ""},
		{"timeout", "write timeout to the function", s.Timeout != 0},
		{"retries", "write async.retries to the function", s.Retries != 0},
	} {
		if own.set {
			c.addf(append(slices.Clone(at), own.key), "is for services and commands; %s", own.instead)
		}
	}
}

// schedules refuses cron expressions that cannot be read. Spec.Check knows none.
func (c *policyChecker) schedules(s Spec) {
	for i, t := range s.Triggers {
		if t.Schedule == nil {
			continue
		}
		if err := c.cron(t.Schedule.Cron); err != nil {
			c.addf([]string{"triggers", strconv.Itoa(i), "schedule"}, "%s", err)
		}
	}
}

package teal

import (
	"slices"
	"strings"
	"time"
)

// Async says what becomes of the asynchronous invocations of a function.
type Async struct {
	Retries *int     `json:"retries,omitempty"` // after the first attempt; nil is DefaultAsyncRetries
	MaxAge  Duration `json:"max_age,omitempty"` // of an event that is still run; 0 is DefaultAsyncMaxAge
	// OnSuccess and OnFailure are who is told what became of an event in the end: an HTTP
	// URL, or a function of the server as AWS's tools name it, with an alias or a version;
	// "" is nobody.
	OnSuccess string `json:"on_success,omitempty"`
	OnFailure string `json:"on_failure,omitempty"`
}

// What holds for asynchronous invocations unless the function says otherwise, and what it
// may say at most.
const (
	DefaultAsyncRetries = 2
	MaxAsyncRetries     = 2
	DefaultAsyncMaxAge  = Duration(6 * time.Hour)
	MinAsyncMaxAge      = Duration(time.Minute)
	MaxAsyncMaxAge      = Duration(6 * time.Hour)
)

// FunctionName returns the name by which AWS's tools know a function: that of the app,
// and behind a dash that of the component where it has another one.
func FunctionName(app, component string) string {
	if component == app {
		return app
	}
	return app + "-" + component
}

func (c *checker) async(at []string, a *Async) {
	below := func(key string) []string { return append(slices.Clone(at), key) }
	if a.Retries != nil && (*a.Retries < 0 || *a.Retries > MaxAsyncRetries) {
		c.addf(below("retries"), "is %d; expected 0 to %d", *a.Retries, MaxAsyncRetries)
	}
	if a.MaxAge != 0 && (a.MaxAge < MinAsyncMaxAge || a.MaxAge > MaxAsyncMaxAge || a.MaxAge%Duration(time.Second) != 0) {
		c.addf(below("max_age"), "is %s; expected whole seconds from %s to %s", a.MaxAge, MinAsyncMaxAge, MaxAsyncMaxAge)
	}
	for key, to := range map[string]string{"on_success": a.OnSuccess, "on_failure": a.OnFailure} {
		if err := checkDestination(to); err != nil {
			c.addf(below(key), "%s", err)
		}
	}
}

// checkDestination returns an error that says what a destination must look like, or nil.
func checkDestination(to string) error {
	if to == "" {
		return nil
	}
	if isWebAddress(to) {
		return nil
	}
	name, qualifier, qualified := strings.Cut(to, ":")
	const longest = MaxNameLength + len("-") + MaxNameLength
	if len(name) <= longest && namePattern.MatchString(name) && (!qualified || isQualifier(qualifier)) {
		return nil
	}
	return Errorf(CodeInvalidInput, "%q is not a destination; write a URL such as https://hooks.example.com/failed, or the name of a function of this app or of this server", to)
}

// isWebAddress reports whether s is a URL of http or https, without a user.
func isWebAddress(s string) bool {
	scheme, rest, found := strings.Cut(s, "://")
	if !found || scheme != "http" && scheme != "https" || len(s) > 2048 {
		return false
	}
	host := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		host = rest[:end]
	}
	return validHostPort(host) && !strings.ContainsAny(host, "@\\%") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// isQualifier reports whether s names a version, an alias or the draft.
func isQualifier(s string) bool {
	return s == DraftName || len(s) <= MaxAliasLength && namePattern.MatchString(s)
}

// selfDestinations refuses functions that are told of themselves: what fails would go on
// for ever.
func (c *checker) selfDestinations(s Spec) {
	for name, comp := range s.Components {
		if comp.Function == nil || comp.Function.Async == nil {
			continue
		}
		for key, to := range map[string]string{"on_success": comp.Function.Async.OnSuccess, "on_failure": comp.Function.Async.OnFailure} {
			if other, _, _ := strings.Cut(to, ":"); other == FunctionName(s.App, name) {
				c.addf([]string{KindFunction.Section(), name, "async", key}, "is the function itself, which would be told of itself without end; name another one")
			}
		}
	}
}

package environment

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"teal"
	"teal/internal/logs"
)

// streamPlatform is that of what Teal itself has to say in a component's log.
const streamPlatform = "platform"

// RunningOf returns what runs of an app, draining or not, the oldest version first. It
// does no I/O.
func (f *Fleet) RunningOf(app string) []teal.RunningVersion {
	return f.inspect(func(r *running) bool { return r.version.App == app })
}

// All is RunningOf for all apps.
func (f *Fleet) All() []teal.RunningVersion {
	return f.inspect(func(*running) bool { return true })
}

func (f *Fleet) inspect(chosen func(*running) bool) []teal.RunningVersion {
	type found struct {
		*running
		slot     teal.Slot
		draining bool
	}
	var all []found
	f.mu.Lock()
	for r := range f.alive {
		if chosen(r) {
			all = append(all, found{r, r.slot, f.envs[key{r.version.App, r.ref}] != r})
		}
	}
	f.mu.Unlock()
	list := make([]teal.RunningVersion, 0, len(all))
	for _, r := range all {
		list = append(list, teal.RunningVersion{App: r.version.App, Version: r.ref, Slot: r.slot, Draining: r.draining, Components: r.inspect()})
	}
	slices.SortFunc(list, func(a, b teal.RunningVersion) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Version, b.Version))
	})
	return list
}

// inspect returns the components as they are now, by name; none before they are built.
func (r *running) inspect() []teal.RunningComponent {
	parts := r.currentParts()
	list := make([]teal.RunningComponent, 0, len(parts))
	for _, p := range parts {
		c := teal.RunningComponent{Component: p.name, Kind: p.kind}
		if p.inspect != nil {
			c.Instances, c.Restarts, c.Usage = p.inspect()
		}
		if line, ok := r.troubles.Load(p.name); ok {
			c.LastError = line.(*teal.ErrorLine)
		}
		list = append(list, c)
	}
	return list
}

// troubleLength is how much of a line is kept, in bytes.
const troubleLength = 300

// noteTrouble keeps a line of a component's log when it is about something that went
// wrong.
func (r *running) noteTrouble(component, instance, stream, text string, at time.Time) {
	if stream == streamPlatform && isRoutine(text) || stream != streamPlatform && !logs.TellsTrouble(text) {
		return
	}
	text = strings.TrimSpace(text)
	if len(text) > troubleLength {
		end := troubleLength
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	r.troubles.Store(component, &teal.ErrorLine{At: at, Instance: instance, Text: strings.Clone(text)})
}

// isRoutine reports whether a line of Teal's own is one of those that every invocation
// has. The others say why something has ended.
func isRoutine(text string) bool {
	for _, word := range []string{"INIT_START ", "START ", "END ", "REPORT "} {
		if strings.HasPrefix(text, word) {
			return true
		}
	}
	return false
}

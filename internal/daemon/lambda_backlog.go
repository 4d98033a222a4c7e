package daemon

import (
	"cmp"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/store"
)

// EventLimits bound the events of one function that have been accepted and are not
// done.
type EventLimits struct {
	Events int        // how many; 0 is 10 000
	Bytes  teal.Bytes // of them together; 0 is 256 MiB
}

// The defaults of EventLimits.
const (
	defaultEvents     = 10_000
	defaultEventBytes = 256 * teal.MiB
)

func (l EventLimits) withDefaults() EventLimits {
	return EventLimits{Events: cmp.Or(l.Events, defaultEvents), Bytes: cmp.Or(l.Bytes, defaultEventBytes)}
}

// held is what is known of an event without its record.
type held struct {
	ref     awslambda.Ref
	version int // that is to run it; 0 when it has been run
	bytes   teal.Bytes
}

func holdingOf(e queued) held {
	h := held{ref: e.ref(), version: e.Version, bytes: teal.Bytes(len(e.Event) + len(e.ClientContext) + len(e.Report))}
	if len(e.Report) > 0 {
		h.version = 0
	}
	return h
}

// load is what one function has waiting.
type load struct {
	events int
	bytes  teal.Bytes
}

// backlog counts the events that are not done, by function and by the version that
// they need. It is not safe for concurrent use.
type backlog struct {
	limits    EventLimits
	events    map[store.SideKey]held
	functions map[awslambda.Ref]load
	needed    map[store.VersionKey]int
	leaving   map[store.VersionKey]bool // versions that are just being deleted
}

func newBacklog(limits EventLimits) backlog {
	return backlog{
		limits: limits.withDefaults(), events: map[store.SideKey]held{}, functions: map[awslambda.Ref]load{},
		needed: map[store.VersionKey]int{}, leaving: map[store.VersionKey]bool{},
	}
}

// admit takes a new event in, or refuses it because its function has too many
// already, or its version is going.
func (b *backlog) admit(e queued) error {
	h := holdingOf(e)
	have := b.functions[h.ref]
	switch {
	case have.events >= b.limits.Events:
		return teal.Errorf(teal.CodeThrottled, "function %s has %d events waiting, which is the limit; send more when it has worked on some, or raise --limit events", h.ref.Component, have.events)
	case have.bytes+h.bytes > b.limits.Bytes:
		return teal.Errorf(teal.CodeThrottled, "function %s has events of %s waiting, and may have %s; send more when it has worked on some, or raise --limit event-bytes", h.ref.Component, have.bytes, b.limits.Bytes)
	case b.leaving[versionOf(e.App, h)]:
		return teal.Errorf(teal.CodeUnknownVersion, "version %d of app %s is just being deleted", h.version, e.App)
	}
	b.put(e.key(), h)
	return nil
}

// put counts an event as it is now.
func (b *backlog) put(key store.SideKey, h held) {
	if was, ok := b.events[key]; ok && was == h {
		return
	}
	b.drop(key)
	b.events[key] = h
	have := b.functions[h.ref]
	b.functions[h.ref] = load{have.events + 1, have.bytes + h.bytes}
	b.needed[versionOf(key.App, h)]++
}

// drop forgets an event.
func (b *backlog) drop(key store.SideKey) {
	h, ok := b.events[key]
	if !ok {
		return
	}
	delete(b.events, key)
	have := b.functions[h.ref]
	if have.events--; have.events == 0 {
		delete(b.functions, h.ref)
	} else {
		b.functions[h.ref] = load{have.events, have.bytes - h.bytes}
	}
	version := versionOf(key.App, h)
	if b.needed[version]--; b.needed[version] == 0 {
		delete(b.needed, version)
	}
}

func versionOf(app string, h held) store.VersionKey {
	return store.VersionKey{App: app, Number: h.version}
}

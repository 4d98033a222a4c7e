package event

import (
	"teal"
	"teal/internal/store"
)

// held is what is known of an event without its record.
type held struct {
	function Function
	version  teal.VersionRef // that is to run it; 0 when it has been run
	bytes    teal.Bytes
}

func holdingOf(e Event) held {
	h := held{function: e.function(), version: e.Version, bytes: teal.Bytes(len(e.Payload) + len(e.ClientContext) + len(e.Report))}
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
	limits    Limits
	events    map[store.SideKey]held
	functions map[Function]load
	needed    map[store.EnvironmentKey]int
	leaving   map[store.EnvironmentKey]bool // versions that are just being deleted
}

func newBacklog(limits Limits) backlog {
	return backlog{
		limits: limits.withDefaults(), events: map[store.SideKey]held{}, functions: map[Function]load{},
		needed: map[store.EnvironmentKey]int{}, leaving: map[store.EnvironmentKey]bool{},
	}
}

// admit takes a new event in, or refuses it because its function has too many
// already, or its version is going.
func (b *backlog) admit(e Event) error {
	h := holdingOf(e)
	have := b.functions[h.function]
	switch {
	case have.events >= b.limits.Events:
		return teal.Errorf(teal.CodeThrottled, "function %s has %d events waiting, which is the limit; send more when it has worked on some, or raise --limit events", h.function.Component, have.events)
	case have.bytes+h.bytes > b.limits.Bytes:
		return teal.Errorf(teal.CodeThrottled, "function %s has events of %s waiting, and may have %s; send more when it has worked on some, or raise --limit event-bytes", h.function.Component, have.bytes, b.limits.Bytes)
	case b.leaving[versionOf(e.App, h)]:
		return teal.Errorf(teal.CodeUnknownVersion, "version %s of app %s is just being deleted", h.version, e.App)
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
	have := b.functions[h.function]
	b.functions[h.function] = load{have.events + 1, have.bytes + h.bytes}
	b.needed[versionOf(key.App, h)]++
}

// drop forgets an event.
func (b *backlog) drop(key store.SideKey) {
	h, ok := b.events[key]
	if !ok {
		return
	}
	delete(b.events, key)
	have := b.functions[h.function]
	if have.events--; have.events == 0 {
		delete(b.functions, h.function)
	} else {
		b.functions[h.function] = load{have.events, have.bytes - h.bytes}
	}
	version := versionOf(key.App, h)
	if b.needed[version]--; b.needed[version] == 0 {
		delete(b.needed, version)
	}
}

func versionOf(app string, h held) store.EnvironmentKey {
	return store.EnvironmentKey{App: app, Version: h.version}
}

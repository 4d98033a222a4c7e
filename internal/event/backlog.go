package event

import (
	"teal"
	"teal/internal/store"
)

// footprint is what is known of an event without its record.
type footprint struct {
	function Function
	version  teal.VersionRef // that is to run it; 0 when it has been run
	bytes    teal.Bytes
}

func footprintOf(e Event) footprint {
	f := footprint{function: e.function(), version: e.Version, bytes: teal.Bytes(len(e.Payload) + len(e.ClientContext) + len(e.Report))}
	if len(e.Report) > 0 {
		f.version = 0
	}
	return f
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
	events    map[store.SideKey]footprint
	functions map[Function]load
	needed    map[store.EnvironmentKey]int
	deleting  map[store.EnvironmentKey]bool // versions, until their records are gone
}

func newBacklog(limits Limits) backlog {
	return backlog{
		limits: limits.withDefaults(), events: map[store.SideKey]footprint{}, functions: map[Function]load{},
		needed: map[store.EnvironmentKey]int{}, deleting: map[store.EnvironmentKey]bool{},
	}
}

// admit takes a new event in, or refuses it because its function has too many
// already, or its version is going.
func (b *backlog) admit(e Event) error {
	f := footprintOf(e)
	have := b.functions[f.function]
	switch {
	case have.events >= b.limits.Events:
		return teal.Errorf(teal.CodeThrottled, "function %s has %d events waiting, which is the limit; send more when it has worked on some, or raise --limit events", f.function.Component, have.events)
	case have.bytes+f.bytes > b.limits.Bytes:
		return teal.Errorf(teal.CodeThrottled, "function %s has events of %s waiting, and may have %s; send more when it has worked on some, or raise --limit event-bytes", f.function.Component, have.bytes, b.limits.Bytes)
	case b.deleting[versionOf(e.App, f)]:
		return teal.Errorf(teal.CodeUnknownVersion, "%s %s is just being deleted", e.App, teal.VersionName(f.version))
	}
	b.put(e.key(), f)
	return nil
}

// put counts an event as it is now.
func (b *backlog) put(key store.SideKey, f footprint) {
	if was, ok := b.events[key]; ok && was == f {
		return
	}
	b.drop(key)
	b.events[key] = f
	have := b.functions[f.function]
	b.functions[f.function] = load{have.events + 1, have.bytes + f.bytes}
	b.needed[versionOf(key.App, f)]++
}

// drop forgets an event.
func (b *backlog) drop(key store.SideKey) {
	f, ok := b.events[key]
	if !ok {
		return
	}
	delete(b.events, key)
	have := b.functions[f.function]
	if have.events--; have.events == 0 {
		delete(b.functions, f.function)
	} else {
		b.functions[f.function] = load{have.events, have.bytes - f.bytes}
	}
	version := versionOf(key.App, f)
	if b.needed[version]--; b.needed[version] == 0 {
		delete(b.needed, version)
	}
}

func versionOf(app string, f footprint) store.EnvironmentKey {
	return store.EnvironmentKey{App: app, Version: f.version}
}

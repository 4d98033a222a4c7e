package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"teal"
	"teal/internal/yamltree"
)

// triggerSection is what the manifest knows of one kind of trigger: an entry here and the
// fields of trigger that it names are what a further kind needs.
type triggerSection struct {
	key  string   // whose presence says that a trigger is of the kind
	keys []string // that it has beside name and to
	read func(r *reading, at []string, t trigger) teal.Trigger
}

var triggerSections = []triggerSection{
	{
		key: "schedule", keys: []string{"time_zone", "path", "command", "payload", "overlap", "missed", "timeout", "retries"},
		read: (*reading).schedule,
	},
	{
		key: "queue", keys: []string{"path", "batch", "window", "retries", "visibility", "concurrency"},
		read: func(r *reading, at []string, t trigger) teal.Trigger {
			return teal.Trigger{Queue: &teal.QueueTrigger{Queue: t.Queue, Consuming: r.consuming(at, t)}}
		},
	},
}

// sharedKeys are those that every kind of trigger has.
var sharedKeys = []string{"name", "to"}

func (r *reading) triggers(doc document) {
	for i, t := range doc.Triggers {
		at := []string{"triggers", strconv.Itoa(i)}
		out := teal.Trigger{} // stands for one that cannot be read, so that the others keep their places
		if section, ok := r.triggerSection(at); ok {
			out = section.read(r, at, t)
		}
		out.Name, out.To = cmp.Or(t.Name, t.To), t.To
		r.manifest.Spec.Triggers = append(r.manifest.Spec.Triggers, out)
	}
}

// triggerSection returns the one that a trigger belongs to, and reports what of it
// belongs to no kind or to another one.
func (r *reading) triggerSection(at []string) (triggerSection, bool) {
	if r.covers(at) {
		return triggerSection{}, false
	}
	written := r.keysOf(at)
	var found []triggerSection
	var names []string
	for _, s := range triggerSections {
		names = append(names, s.key)
		if slices.Contains(written, s.key) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		if !r.coversBelow(at) { // of which one may be what was meant
			r.at(at, "has %d of the keys %s; expected exactly one, which says what makes it fire", len(found), strings.Join(names, ", "))
		}
		return triggerSection{}, false
	}
	for _, key := range written {
		if r.covers(append(slices.Clone(at), key)) {
			continue
		}
		if key != found[0].key && !slices.Contains(sharedKeys, key) && !slices.Contains(found[0].keys, key) {
			r.at(append(slices.Clone(at), key), "is not for a %s; expected one of %s", found[0].key, strings.Join(slices.Concat(sharedKeys, found[0].keys), ", "))
		}
	}
	return found[0], true
}

// coversBelow reports whether an error was found in what is at path.
func (r *reading) coversBelow(path []string) bool {
	return slices.ContainsFunc(r.errors, func(e *Error) bool {
		return len(e.Path) > len(path) && slices.Equal(e.Path[:len(path)], path)
	})
}

// keysOf returns the keys of a mapping as it is written.
func (r *reading) keysOf(at []string) (keys []string) {
	node := r.root
	for _, key := range at {
		node, _ = node.Child(key)
	}
	for _, p := range node.Pairs {
		keys = append(keys, p.Key)
	}
	return keys
}

func (r *reading) schedule(at []string, t trigger) teal.Trigger {
	s := &teal.Schedule{
		Cron: t.Schedule, TimeZone: cmp.Or(t.TimeZone, "UTC"), Path: t.Path, Command: texts(t.Command), Payload: json.RawMessage(t.Payload),
		Overlap: teal.Overlap(t.Overlap), Missed: teal.Missed(t.Missed), Retries: t.Retries,
	}
	if t.Timeout != nil {
		s.Timeout = *t.Timeout
		if s.Timeout <= 0 {
			r.at(append(slices.Clone(at), "timeout"), "is %s; expected more than 0s", s.Timeout)
		}
	}
	return teal.Trigger{Schedule: s}
}

// consuming returns how messages are worked on, with what holds where nothing is said.
func (r *reading) consuming(at []string, t trigger) teal.Consuming {
	c := teal.Consuming{
		Path: t.Path, Batch: teal.DefaultMessageBatch, Retries: t.Retries, Visibility: teal.DefaultVisibility, Concurrency: teal.DefaultConsumption,
	}
	if t.Batch != nil {
		c.Batch = *t.Batch
	}
	if t.Concurrency != nil {
		c.Concurrency = *t.Concurrency
	}
	if t.Window != nil {
		c.Window = *t.Window
		if c.Window == 0 {
			r.at(append(slices.Clone(at), "window"), "is 0s; expected more, or leave the key out")
		}
	}
	written := r.keysOf(at)
	if !slices.Contains(written, "retries") {
		c.Retries = teal.DefaultMessageRetries
	}
	if t.Visibility != nil {
		c.Visibility = *t.Visibility
	}
	return c
}

// jsonOf returns a value as JSON. A number that JSON has no form for stays the text that
// it was written as.
func jsonOf(n *yamltree.Node) []byte {
	switch n.Kind {
	case yamltree.Mapping:
		return jsonObject(n)
	case yamltree.List:
		items := make([][]byte, len(n.Items))
		for i, item := range n.Items {
			items[i] = jsonOf(item)
		}
		return slices.Concat([]byte("["), bytes.Join(items, []byte(",")), []byte("]"))
	case yamltree.Null, yamltree.Broken:
		return []byte("null")
	case yamltree.Bool:
		return []byte(strings.ToLower(n.Text))
	case yamltree.Int:
		if i, err := strconv.ParseInt(n.Text, 0, 64); err == nil {
			return strconv.AppendInt(nil, i, 10)
		}
	case yamltree.Float:
		if f, err := strconv.ParseFloat(n.Text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return jsonText(f)
		}
	}
	return jsonText(n.Text)
}

// jsonObject returns a mapping with its keys in order: the same payload is the same
// version, however it is written.
func jsonObject(n *yamltree.Node) []byte {
	pairs := slices.SortedFunc(slices.Values(n.Pairs), func(a, b yamltree.Pair) int { return cmp.Compare(a.Key, b.Key) })
	members := make([][]byte, len(pairs))
	for i, p := range pairs {
		members[i] = slices.Concat(jsonText(p.Key), []byte(":"), jsonOf(p.Value))
	}
	return slices.Concat([]byte("{"), bytes.Join(members, []byte(",")), []byte("}"))
}

func jsonText(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic("manifest: a scalar cannot be encoded: " + err.Error()) // text and finite numbers can
	}
	return data
}

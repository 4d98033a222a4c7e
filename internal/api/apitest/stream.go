package apitest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"teal"
	"teal/internal/api"
)

type watcher struct {
	app    string
	events chan api.Event
}

// tell sends a record to every watcher of its app; a nil value is a deletion.
// The caller holds the lock.
func (t *Teal) tell(kind api.EventKind, name, record string, value any) {
	t.revision++
	event := api.Event{Revision: t.revision, Kind: kind, App: name, Name: record, Value: value, Deleted: value == nil}
	for w := range t.watchers {
		if w.app != name && w.app != "" {
			continue
		}
		select {
		case w.events <- event:
		default: // too slow: the watcher must begin again
			t.forget(w)
		}
	}
}

func (t *Teal) forget(w *watcher) {
	if t.watchers[w] {
		delete(t.watchers, w)
		close(w.events)
	}
}

// Watch implements api.Watcher.
func (t *Teal) Watch(ctx context.Context, name string) (<-chan api.Event, error) {
	if t.RefuseWatch != nil {
		if err := t.RefuseWatch(); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	apps := slices.Sorted(maps.Keys(t.apps))
	if name != "" {
		if _, err := t.find(name); err != nil {
			t.mu.Unlock()
			return nil, err
		}
		apps = []string{name}
	}
	w := &watcher{app: name, events: make(chan api.Event, 1024)}
	t.watchers[w] = true
	for _, app := range apps {
		t.snapshot(t.apps[app], w.events)
	}
	t.mu.Unlock()
	context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.forget(w)
	})
	if t.OnWatch != nil {
		t.OnWatch(name)
	}
	return w.events, nil
}

func (t *Teal) snapshot(a *app, events chan<- api.Event) {
	send := func(kind api.EventKind, record string, value any) {
		events <- api.Event{Revision: t.revision, Kind: kind, App: a.record.Name, Name: record, Value: value}
	}
	send(api.EventApp, "", a.record)
	for _, v := range a.versions {
		send(api.EventVersion, strconv.Itoa(v.Number), v)
	}
	for _, name := range slices.Sorted(maps.Keys(a.aliases)) {
		send(api.EventAlias, name, a.aliases[name])
	}
	for _, version := range slices.Sorted(maps.Keys(a.environments)) {
		send(api.EventEnvironment, strconv.Itoa(version), a.environments[version])
	}
	for _, r := range a.releases {
		send(api.EventRelease, r.ID, r)
	}
}

// Disconnect closes every watch, as a store that went away would.
func (t *Teal) Disconnect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.watchers {
		t.forget(w)
	}
}

// Log adds lines that a component has written.
func (t *Teal) Log(lines ...api.LogLine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, lines...)
	close(t.more)
	t.more = make(chan struct{})
}

// Read implements api.Logs. A request ID of "broken" yields an error after the
// first line.
func (t *Teal) Read(ctx context.Context, q api.LogQuery) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		if q.RequestID == "broken" {
			_ = yield(api.LogLine{App: q.App, Text: "first"}, nil) &&
				yield(api.LogLine{}, teal.Errorf(teal.CodeUnavailable, "the log cannot be read now"))
			return
		}
		seen := 0
		for first := true; ; first = false {
			t.mu.Lock()
			lines, more := t.lines[seen:], t.more
			seen = len(t.lines)
			t.mu.Unlock()
			lines = slices.DeleteFunc(slices.Clone(lines), func(l api.LogLine) bool { return !matches(l, q) })
			if first && q.Tail > 0 && len(lines) > q.Tail {
				lines = lines[len(lines)-q.Tail:]
			}
			for _, line := range lines {
				if !yield(line, nil) {
					return
				}
			}
			if !q.Follow {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-more:
			}
		}
	}
}

func matches(l api.LogLine, q api.LogQuery) bool {
	return l.App == q.App &&
		(q.Version == 0 || l.Version == q.Version) &&
		(q.Component == "" || l.Component == q.Component) &&
		(q.Instance == "" || l.Instance == q.Instance) &&
		!l.At.Before(q.Since) && strings.Contains(l.Text, q.Text) &&
		(q.RequestID == "" || l.RequestID == q.RequestID)
}

// Bundles is an api.Bundles in memory. The digest is that of the bytes, not of
// the unpacked tree.
type Bundles struct {
	mu     sync.Mutex
	stored map[string][]byte
}

// NewBundles returns an empty store.
func NewBundles() *Bundles { return &Bundles{stored: map[string][]byte{}} }

// Digest returns the digest that Put gives to data.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Has implements api.Bundles.
func (b *Bundles) Has(digest string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.stored[digest]
	return ok
}

// Put implements api.Bundles.
func (b *Bundles) Put(_ context.Context, r io.Reader, want string) (string, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("read bundle: %w", err)
	}
	digest := Digest(data)
	if digest != want {
		return "", teal.Errorf(teal.CodeInvalidBundle, "the bundle has the digest %s, not %s", digest, want)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored[digest] = bytes.Clone(data)
	return digest, nil
}

package queue

import (
	"context"
	"errors"

	"teal/internal/store"
)

// Needs returns the numbers of the versions of an app that messages belong to.
func (b *Broker) Needs(app string) (numbers []int) {
	seen := map[int]bool{}
	for _, q := range b.all() {
		for version := range q.bound() {
			if number, ok := version.Version.Number(); ok && version.App == app && !seen[number] {
				seen[number] = true
				numbers = append(numbers, number)
			}
		}
	}
	return numbers
}

// bound returns the versions that messages belong to.
func (q *queue) bound() map[store.EnvironmentKey]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	found := map[store.EnvironmentKey]bool{}
	for _, c := range q.claims {
		for _, i := range c.items {
			if i.claim == c && !i.out() && !i.dying && !i.unbound && i.version != (store.EnvironmentKey{}) {
				found[i.version] = true
			}
		}
	}
	return found
}

// Bound returns the versions that messages belong to, by queue. It does no I/O.
func (b *Broker) Bound() map[string][]store.EnvironmentKey {
	found := map[string][]store.EnvironmentKey{}
	for _, q := range b.all() {
		for version := range q.bound() {
			found[q.name] = append(found[q.name], version)
		}
	}
	return found
}

// Leave has a version go, unless a message belongs to it or may: then ok is false. Until
// left is called it gets no message.
func (b *Broker) Leave(version store.VersionKey) (left func(), ok bool) {
	select {
	case <-b.loaded:
	default:
		return nil, false
	}
	key := version.Environment()
	b.mu.Lock()
	b.deleting[key] = true
	b.mu.Unlock()
	left = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.deleting, key)
	}
	for _, q := range b.all() {
		if q.bound()[key] {
			left()
			return nil, false
		}
	}
	return left, true
}

// GiveBack takes the messages of a version away from it: whoever asks next gets them.
// What it is working on it may still finish; where it fails, the message is given out
// again. The failures that a message has had there are forgiven once.
func (b *Broker) GiveBack(ctx context.Context, version store.EnvironmentKey) error {
	return b.giveBack(ctx, func(v store.EnvironmentKey) bool { return v == version })
}

// Forget takes the messages of an app's versions away from them.
func (b *Broker) Forget(ctx context.Context, app string) error {
	return b.giveBack(ctx, func(v store.EnvironmentKey) bool { return v.App == app })
}

func (b *Broker) giveBack(ctx context.Context, of func(store.EnvironmentKey) bool) (err error) {
	if err := b.awaitLoaded(ctx); err != nil {
		return err
	}
	for _, q := range b.all() {
		for version := range q.bound() {
			if of(version) {
				err = errors.Join(err, q.saveAll(ctx, q.unbind(version)))
			}
		}
	}
	return err
}

// unbind has the messages of a version belong to none.
func (q *queue) unbind(version store.EnvironmentKey) (items []*item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.packs {
		for _, i := range p.items {
			if i.version != version || i.out() || i.dying {
				continue
			}
			items = append(items, i)
			i.version, i.unbound = store.EnvironmentKey{}, true
			if !i.returned {
				i.returned, i.failures = true, 0
			}
			if i.flight != nil {
				i.flight.void = true
				continue
			}
			i.due = i.sentAt // it has waited long enough
		}
	}
	q.free(version)
	q.delayed.Reorder()
	q.wake()
	return items
}

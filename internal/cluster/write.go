package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"teal/internal/store"
)

// put writes a record that this node alone writes.
func put[T any](ctx context.Context, n *Node, m *store.Mirror[T], key string, value T) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("cluster: write %s: %w", key, err)
	}
	data = store.WithNumber(data, 1)
	defer n.writing.Lock(key)()
	for {
		if revision := m.Revision(key); revision == 0 {
			_, err = n.applied.Create(ctx, key, data) // which is over all mirrors
		} else {
			_, err = n.applied.Update(ctx, key, data, revision)
		}
		if !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrConflict) {
			return err
		}
		// An earlier write whose answer was lost, or an earlier incarnation.
		if _, err := n.applied.Get(ctx, key); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
}

func (n *Node) remove(ctx context.Context, revision uint64, key string) error {
	if revision == 0 {
		return nil
	}
	defer n.writing.Lock(key)()
	err := n.applied.Delete(ctx, key, revision)
	if errors.Is(err, store.ErrConflict) {
		return nil // it has been written anew, or is gone
	}
	return err
}

// beat writes one heartbeat.
func (n *Node) beat(ctx context.Context) error {
	began := time.Now()
	key := heartbeatKey(n.cfg.Name)
	last, _ := n.heartbeats.Value(key)
	err := put(ctx, n, n.heartbeats, key, heartbeat{n.cfg.Name, n.incarnation, last.Beat + 1})
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.joined, n.renewed = true, began
	return nil
}

// beats is how many heartbeats come before a node that sends none is not believed any
// more; it stops one of them earlier, and so before anybody goes on without it.
const beats = 3

// keepBeating renews the heartbeat until ctx ends.
func (n *Node) keepBeating(ctx context.Context) {
	every := n.cfg.TTL / beats
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		limited, cancel := context.WithTimeout(ctx, every/2)
		err := n.beat(limited)
		cancel()
		if err != nil && ctx.Err() == nil {
			n.cfg.Logger.Warn("the other nodes cannot be told that this one lives", "error", err)
		}
		n.checkLapse(every)
	}
}

// checkLapse notes whether the others may stop to wait for this node before it can
// renew its heartbeat again.
func (n *Node) checkLapse(every time.Duration) {
	n.mu.Lock()
	lapsed := time.Since(n.renewed) >= (beats-1)*every
	changed := lapsed != n.lapsed
	n.lapsed = lapsed
	n.mu.Unlock()
	if changed {
		n.announce()
	}
}

// Lapsed reports whether other nodes may go on without this one: it has not been able to
// say that it lives. Its gateway must not serve then.
func (n *Node) Lapsed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lapsed
}

// leave takes the heartbeat back.
func (n *Node) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.TTL/beats)
	defer cancel()
	key := heartbeatKey(n.cfg.Name)
	if err := n.remove(ctx, n.heartbeats.Revision(key), key); err != nil {
		n.cfg.Logger.Debug("the other nodes wait a moment for this one", "error", err)
	}
}

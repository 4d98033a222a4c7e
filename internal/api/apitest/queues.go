package apitest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"teal"
	"teal/internal/api"
)

// Queues are queues in memory, with views and dead letters as tests set them.
type Queues struct {
	mu     sync.Mutex
	views  map[string]api.QueueView
	dead   map[string][]api.DeadLetter
	sent   map[string][]api.MessageBody
	flying map[string]bool // receipts
	full   bool
}

var _ api.Queues = (*Queues)(nil)

func newQueues() *Queues {
	return &Queues{views: map[string]api.QueueView{}, dead: map[string][]api.DeadLetter{}, sent: map[string][]api.MessageBody{}, flying: map[string]bool{}}
}

// Messages returns the queues.
func (t *Teal) Messages() *Queues { return t.queues }

// SetQueue has a queue be as a view says, with dead letters.
func (t *Teal) SetQueue(view api.QueueView, dead ...api.DeadLetter) {
	q := t.queues
	q.mu.Lock()
	defer q.mu.Unlock()
	view.Dead = len(dead)
	q.views[view.Name], q.dead[view.Name] = view, dead
}

// FillQueues has all queues refuse what is sent.
func (t *Teal) FillQueues() {
	t.queues.mu.Lock()
	defer t.queues.mu.Unlock()
	t.queues.full = true
}

func (q *Queues) find(name string) (api.QueueView, error) {
	view, ok := q.views[name]
	if !ok {
		return view, teal.Errorf(teal.CodeUnknownQueue, "there is no queue %q; `teal queue list` shows those that exist, and the first message makes one", name)
	}
	return view, nil
}

// Queues implements [api.Queues].
func (q *Queues) Queues(context.Context) ([]api.QueueView, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.SortedFunc(maps.Values(q.views), func(a, b api.QueueView) int { return cmp.Compare(a.Name, b.Name) }), nil
}

// Queue implements [api.Queues].
func (q *Queues) Queue(_ context.Context, name string) (api.QueueView, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.find(name)
}

// Send implements [api.QueueMessages].
func (q *Queues) Send(_ context.Context, name string, messages []api.MessageBody) (sent []api.SentMessage, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full {
		return nil, teal.Errorf(teal.CodeQueueFull, "queue %s has 100000 messages and may have 100000", name)
	}
	view := q.views[name]
	view.Name, view.Waiting = name, view.Waiting+len(messages)
	q.views[name] = view
	for range messages {
		sent = append(sent, api.SentMessage{ID: fmt.Sprintf("m%d", len(sent)+len(q.sent[name])+1)})
	}
	q.sent[name] = append(q.sent[name], messages...)
	return sent, nil
}

// Receive implements [api.QueueMessages].
func (q *Queues) Receive(_ context.Context, name string, r api.ReceiveBody) (list []api.ReceivedMessage, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, err := q.find(name); err != nil {
		return nil, err
	}
	for n, m := range q.sent[name][:min(max(1, r.Most), len(q.sent[name]))] {
		id := fmt.Sprintf("m%d", n+1)
		q.flying["of-"+id] = true
		list = append(list, api.ReceivedMessage{ID: id, Receipt: "of-" + id, Body: m.Body, Attributes: m.Attributes, Group: m.Group, SentAt: time.Date(2026, 1, 2, 10, 32, 0, 0, time.UTC)})
	}
	return list, nil
}

// Finish implements [api.QueueMessages].
func (q *Queues) Finish(_ context.Context, name string, results []api.MessageResult) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, err := q.find(name); err != nil {
		return err
	}
	for _, r := range results {
		if !q.flying[r.Receipt] {
			return teal.Errorf(teal.CodeConflict, "the receipt %s is of no message that is being worked on", r.Receipt)
		}
		delete(q.flying, r.Receipt)
	}
	return nil
}

// Extend implements [api.QueueMessages].
func (q *Queues) Extend(_ context.Context, name string, _ api.ExtendBody) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, err := q.find(name)
	return err
}

// DeadLetters implements [api.QueueOperator].
func (q *Queues) DeadLetters(_ context.Context, name string, most int) ([]api.DeadLetter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, err := q.find(name)
	return q.dead[name][:min(most, len(q.dead[name]))], err
}

// Redrive implements [api.QueueOperator].
func (q *Queues) Redrive(_ context.Context, name string, ids []string) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	view, err := q.find(name)
	if err != nil {
		return 0, err
	}
	all := len(q.dead[name])
	q.dead[name] = slices.DeleteFunc(q.dead[name], func(d api.DeadLetter) bool { return len(ids) == 0 || slices.Contains(ids, d.ID) })
	n := all - len(q.dead[name])
	view.Dead, view.Waiting = len(q.dead[name]), view.Waiting+n
	q.views[name] = view
	return n, nil
}

// Purge implements [api.QueueOperator].
func (q *Queues) Purge(_ context.Context, name string, dead bool) (n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	view, err := q.find(name)
	if err != nil {
		return 0, err
	}
	if dead {
		n, view.Dead, q.dead[name] = view.Dead, 0, nil
	} else {
		n, view.Waiting = view.Waiting, 0
	}
	q.views[name] = view
	return n, nil
}

package control

import (
	"cmp"
	"context"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/meter"
	"teal/internal/queue"
	"teal/internal/store"
)

// Queues returns the queues as the API asks for them.
func Queues(broker *queue.Broker) api.Queues { return queues{broker} }

type queues struct{ broker *queue.Broker }

// Queues implements [api.Queues].
func (q queues) Queues(ctx context.Context) (views []api.QueueView, err error) {
	list, err := q.broker.List(ctx)
	for _, stats := range list {
		views = append(views, viewQueue(stats))
	}
	return views, err
}

// Queue implements [api.Queues].
func (q queues) Queue(ctx context.Context, name string) (api.QueueView, error) {
	stats, err := q.broker.Show(ctx, name)
	return viewQueue(stats), err
}

func viewQueue(s queue.Stats) api.QueueView {
	return api.QueueView{
		Name: s.Name, CreatedAt: s.CreatedAt, Waiting: s.Waiting, Delayed: s.Delayed, InFlight: s.InFlight, Dead: s.Dead,
		Bytes: teal.Bytes(s.Bytes), Oldest: teal.Duration(s.Oldest.Round(time.Millisecond)), SentRate: s.SentRate, DoneRate: s.DoneRate,
	}
}

// Send implements [api.QueueMessages].
func (q queues) Send(ctx context.Context, name string, messages []api.MessageBody) ([]api.SentMessage, error) {
	out := make([]queue.Outgoing, len(messages))
	for i, m := range messages {
		out[i] = queue.Outgoing{Body: []byte(m.Body), Group: m.Group, Deduplication: m.Deduplication, Delay: m.Delay.Std()}
		for key, a := range m.Attributes {
			if out[i].Attributes == nil {
				out[i].Attributes = map[string]queue.Attribute{}
			}
			out[i].Attributes[key] = queue.Attribute(a)
		}
	}
	sent, err := q.broker.Send(ctx, name, out)
	list := make([]api.SentMessage, len(sent))
	for i, s := range sent {
		list[i] = api.SentMessage(s)
	}
	return list, err
}

// Receive implements [api.QueueMessages].
func (q queues) Receive(ctx context.Context, name string, r api.ReceiveBody) ([]api.ReceivedMessage, error) {
	want := queue.Receive{
		Queue: name, Version: store.EnvironmentKey{App: r.App, Version: r.Version}, Most: max(1, r.Most), Wait: min(max(0, r.Wait.Std()), queue.MaxWait), Retries: queue.DefaultRetries,
		Visibility: min(cmp.Or(r.Visibility.Std(), queue.DefaultVisibility), queue.MaxVisibility),
	}
	if r.Retries != nil {
		want.Retries = *r.Retries
	}
	if want.Visibility < 0 || r.Wait < 0 {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the visibility and the wait are times such as 30s")
	}
	got, err := q.broker.Receive(ctx, want)
	list := make([]api.ReceivedMessage, len(got))
	for i, d := range got {
		list[i] = api.ReceivedMessage{
			ID: d.ID, Receipt: d.Receipt, Body: string(d.Body), Attributes: attributesOf(d.Message), Group: d.Group,
			Deduplication: d.Deduplication, SentAt: d.SentAt, Failures: d.Failures,
		}
	}
	return list, err
}

func attributesOf(m queue.Message) map[string]api.MessageAttribute {
	if len(m.Attributes) == 0 {
		return nil
	}
	found := map[string]api.MessageAttribute{}
	for key, a := range m.Attributes {
		found[key] = api.MessageAttribute(a)
	}
	return found
}

// outcomes are what the API calls what became of a message.
var outcomes = map[string]queue.Outcome{"": queue.Done, "done": queue.Done, "failed": queue.Failed, "untried": queue.Untried}

// Finish implements [api.QueueMessages].
func (q queues) Finish(ctx context.Context, name string, results []api.MessageResult) error {
	said := make([]queue.Result, len(results))
	for i, r := range results {
		outcome, ok := outcomes[r.Outcome]
		if !ok || r.After < 0 || r.After.Std() > queue.MaxVisibility {
			return teal.Errorf(teal.CodeInvalidInput, "result %d: the outcome is done, failed or untried, and after at most %s", i+1, teal.Duration(queue.MaxVisibility))
		}
		said[i] = queue.Result{Receipt: r.Receipt, Outcome: outcome, Reason: cmp.Or(r.Reason, "its receiver said that it failed"), After: r.After.Std()}
	}
	return q.broker.Finish(ctx, name, said)
}

// Extend implements [api.QueueMessages].
func (q queues) Extend(ctx context.Context, name string, e api.ExtendBody) error {
	if e.Visibility < 0 || e.Visibility.Std() > queue.MaxVisibility {
		return teal.Errorf(teal.CodeInvalidInput, "the visibility is %s; it may be 0 to %s", e.Visibility, teal.Duration(queue.MaxVisibility))
	}
	return q.broker.Extend(ctx, name, e.Receipts, e.Visibility.Std())
}

// DeadLetters implements [api.QueueOperator].
func (q queues) DeadLetters(ctx context.Context, name string, most int) ([]api.DeadLetter, error) {
	list, err := q.broker.DeadLetters(ctx, name, most)
	var views []api.DeadLetter
	for _, d := range list {
		view := api.DeadLetter{
			ID: d.Message.ID, Body: string(d.Message.Body), Attributes: attributesOf(d.Message), Group: d.Message.Group,
			SentAt: d.Message.SentAt, DiedAt: d.At, Reason: d.Reason, Failures: d.Failures, App: d.App,
		}
		if d.App != "" {
			view.Version = &d.Version
		}
		views = append(views, view)
	}
	return views, err
}

// Redrive implements [api.QueueOperator].
func (q queues) Redrive(ctx context.Context, name string, ids []string) (int, error) {
	return q.broker.Redrive(ctx, name, ids)
}

// Purge implements [api.QueueOperator].
func (q queues) Purge(ctx context.Context, name string, dead bool) (int, error) {
	return q.broker.Purge(ctx, name, dead)
}

// QueueGauges returns what metrics show of queues.
func QueueGauges(broker *queue.Broker) func() []meter.Queue {
	return func() (gauges []meter.Queue) {
		for _, s := range broker.Loaded() {
			gauges = append(gauges, meter.Queue{
				Name: s.Name, Bytes: s.Bytes, Oldest: s.Oldest.Seconds(),
				Waits: map[string]int{"waiting": s.Waiting, "delayed": s.Delayed, "in_flight": s.InFlight, "dead": s.Dead},
				Totals: map[string]uint64{
					"sent": s.Totals.Sent, "delivered": s.Totals.Delivered, "finished": s.Totals.Done, "failed": s.Totals.Failed,
					"timed_out": s.Totals.TimedOut, "dead": s.Totals.Dead, "dropped": s.Totals.Dropped,
				},
			})
		}
		return gauges
	}
}

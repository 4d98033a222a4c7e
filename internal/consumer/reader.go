package consumer

import (
	"context"
	"slices"
	"sync"
	"time"

	"teal"
	"teal/internal/backoff"
	"teal/internal/gateway"
	"teal/internal/queue"
	"teal/internal/store"
)

// reader reads a queue for one version.
type reader struct {
	consumer *Consumer
	version  store.EnvironmentKey
	trigger  teal.Trigger
}

func (r *reader) name() string { return r.trigger.Queue.Queue }

// run receives messages until ctx ends, and has them worked on until working ends. It
// returns when nothing is worked on any more.
func (r *reader) run(ctx, working context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	slots := make(chan struct{}, r.trigger.Queue.Concurrency)
	for failures := 0; ctx.Err() == nil; {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		batch, err := r.receive(ctx)
		if err != nil || len(batch) == 0 {
			<-slots
			failures++
			if err == nil {
				failures = 0
				continue
			}
			r.log(ctx, "messages cannot be received; it is tried again", err)
			pause(ctx, backoff.After(failures))
			continue
		}
		failures = 0
		tasks.Go(func() {
			defer func() { <-slots }()
			r.work(working, ctx, batch)
		})
	}
}

func (r *reader) log(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		r.consumer.cfg.Logger.Warn(what, "queue", r.name(), "app", r.version.App, "version", r.version.Version, "error", err)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// receive returns a batch: as soon as it is full, or its window is over.
func (r *reader) receive(ctx context.Context) ([]queue.Delivery, error) {
	t := r.trigger.Queue
	if err := r.consumer.cfg.Queues.Ensure(ctx, t.Queue); err != nil {
		return nil, err
	}
	want := queue.Receive{
		Queue: t.Queue, Version: r.version, Most: t.Batch, Wait: queue.MaxWait,
		Visibility: t.Visibility.Std(), Held: true, Retries: t.Retries, Takes: r.takes,
	}
	batch, err := r.consumer.cfg.Queues.Receive(ctx, want)
	if err != nil || len(batch) == 0 || t.Window == 0 {
		return batch, err
	}
	until := time.Now().Add(t.Window.Std())
	for len(batch) < t.Batch && ctx.Err() == nil && time.Now().Before(until) {
		want.Most, want.Wait = t.Batch-len(batch), time.Until(until)
		more, err := r.consumer.cfg.Queues.Receive(ctx, want)
		if err != nil {
			break // those that are there are worked on
		}
		batch = append(batch, more...)
	}
	return batch, nil //nolint:nilerr // likewise
}

// takes says of messages that belong to no version whether this version takes them: it
// does where the weights of live choose it, or a version that does not read the queue.
func (r *reader) takes(point teal.Weight) bool {
	targets := r.consumer.targets(r.version.App)
	if len(targets) == 0 || !slices.ContainsFunc(targets, func(t teal.Target) bool { return t.Version == r.version.Version }) {
		return false
	}
	picked := gateway.Pick(targets, point)
	return picked == r.version.Version || !r.consumer.mayRead(store.EnvironmentKey{App: r.version.App, Version: picked}, r.name())
}

// untriedPause is how long a message waits that nobody could be given.
const untriedPause = time.Second

// work has a batch worked on, and says what became of its messages. reading ends when
// the reader has nothing to wait for any more.
func (r *reader) work(ctx, reading context.Context, batch []queue.Delivery) {
	results := r.deliver(ctx, batch)
	if ctx.Err() != nil {
		return // the next server gives them out again
	}
	untried := slices.ContainsFunc(results, func(f queue.Result) bool { return f.Outcome == queue.Untried })
	if err := r.consumer.cfg.Queues.Finish(ctx, r.name(), results); err != nil && !teal.IsCode(err, teal.CodeConflict) {
		r.log(ctx, "what became of messages cannot be written down; it is tried again", err)
	}
	if untried { // there is no room, or nothing runs: asking again at once would not help
		pause(reading, untriedPause)
	}
}

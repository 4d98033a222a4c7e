package lambda

import (
	"context"
	"sync"
	"time"

	"teal"
	"teal/internal/event"
	"teal/internal/store"
)

// How long an environment that runs only for those who call it by name is kept
// without a call, and how often that is looked at.
const (
	idleAfter = 10 * time.Minute
	idleEvery = 30 * time.Second
)

// Run works on events, and stops what nobody has called for a while, until ctx ends.
// Around, where it is set, works on them in place of the Backend, and asks it for what it
// leaves to it.
func (b *Backend) Run(ctx context.Context) error {
	functions := newWorker(b)
	defer functions.client.CloseIdleConnections()
	var work event.Worker = functions
	if b.cfg.Around != nil {
		work = b.cfg.Around(functions)
	}
	if err := b.ForgetGone(ctx); err != nil {
		b.logger.Warn("what belongs to deleted versions and aliases could not be forgotten; the next start of the server will try again", "error", err)
	}
	var idle sync.WaitGroup
	defer idle.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle.Go(func() { b.stopIdle(ctx) })
	return b.cfg.Events.Run(ctx, work)
}

// stopIdle has StopIdle look again and again until ctx ends.
func (b *Backend) stopIdle(ctx context.Context) {
	ticker := time.NewTicker(idleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			b.StopIdle(ctx, now)
		}
	}
}

// StopIdle stops what runs outside the slots, is needed by nobody, and has had no
// call for a while.
func (b *Backend) StopIdle(ctx context.Context, now time.Time) {
	records, _, err := b.cfg.Store.Environments.Readable(ctx, "")
	if err != nil {
		b.logger.Warn("idle environments could not be looked for", "error", err)
		return
	}
	for _, e := range records {
		key := store.EnvironmentKey{App: e.Value.App, Version: e.Value.Version}
		if !isIdle(e.Value, b.cfg.Activator.lastUse(key), now) || b.cfg.MinInstances.keepsWarm(key.App, key.Version) {
			continue
		}
		if used, err := b.cfg.Usage.InUse(ctx, key.App, key.Version); err != nil || used {
			continue
		}
		if err := b.environments.Retire(ctx, key.App, key.Version, teal.DefaultDrain.Std()); err != nil {
			b.logger.Warn("an idle environment could not be stopped", "app", key.App, "version", key.Version, "error", err)
		}
	}
	b.cfg.Activator.forgetBefore(now.Add(-idleAfter))
}

// isIdle reports whether an environment beside the slots has had no call for a
// while.
func isIdle(e teal.Environment, used, now time.Time) bool {
	if e.CreatedAt.After(used) {
		used = e.CreatedAt
	}
	return e.Unslotted && e.State != teal.EnvironmentDraining && now.Sub(used) > idleAfter
}

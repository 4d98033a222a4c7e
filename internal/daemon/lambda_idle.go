package daemon

import (
	"context"
	"sync"
	"time"

	"teal"
	"teal/internal/store"
)

// How long an environment that runs only for those who call it by name is kept
// without a call, and how often that is looked at.
const (
	idleAfter = 10 * time.Minute
	idleEvery = 30 * time.Second
)

// Run works on events, follows the store, and stops what nobody has called for a
// while, until ctx ends.
func (b *lambda) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer b.http.CloseIdleConnections()
	if err := b.forgetGoneQualifiers(ctx); err != nil {
		b.logger.Warn("what belongs to deleted versions and aliases could not be forgotten; the next start of the server will try again", "error", err)
	}
	failed := make(chan error, 2)
	for _, run := range []func(context.Context) error{b.queue.Run, b.index.Run} {
		tasks.Go(func() {
			if err := run(ctx); err != nil {
				failed <- err
			}
		})
	}
	ticker := time.NewTicker(idleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case now := <-ticker.C:
			b.stopIdle(ctx, now)
		}
	}
}

func (b *lambda) stopIdle(ctx context.Context, now time.Time) {
	records, _, err := b.store.Environments.Readable(ctx, "")
	if err != nil {
		b.logger.Warn("idle environments could not be looked for", "error", err)
		return
	}
	for _, e := range records {
		key := store.VersionKey{App: e.Value.App, Number: e.Value.Version}
		if !b.isIdle(e.Value, now) {
			continue
		}
		if b.keptWarm(key.App, key.Number) {
			continue
		}
		if use, err := b.router.Uses(ctx, key.App, key.Number); err != nil || use.Live || use.Alias || use.Release {
			continue
		}
		if err := b.manager.Retire(ctx, key.App, key.Number, teal.DefaultDrain.Std()); err != nil {
			b.logger.Warn("an idle environment could not be stopped", "app", key.App, "version", key.Number, "error", err)
		}
		b.mu.Lock()
		delete(b.usedAt, key)
		b.mu.Unlock()
	}
}

// isIdle reports whether an environment beside the slots has had no call for a
// while.
func (b *lambda) isIdle(e teal.Environment, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	used := b.usedAt[store.VersionKey{App: e.App, Number: e.Version}]
	if e.CreatedAt.After(used) {
		used = e.CreatedAt
	}
	return e.Aside && e.State != teal.EnvironmentDraining && now.Sub(used) > idleAfter
}

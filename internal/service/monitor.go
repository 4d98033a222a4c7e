package service

import (
	"context"
	"time"
)

// monitor checks one endpoint over and over.
type monitor struct {
	check   func(context.Context) error
	recheck <-chan struct{}                          // a check is wanted at once
	begin   func() (token int)                       // a check begins
	report  func(token int, err error) time.Duration // it has ended; the next is due after that long
}

// run checks until ctx ends, at once and then as often as report says. Two
// checks are at least [fastest] apart, however many are asked for.
func (m monitor) run(ctx context.Context) {
	for ctx.Err() == nil {
		token := m.begin()
		err := m.check(ctx)
		if ctx.Err() != nil {
			return
		}
		delay := m.report(token, err)
		if sleep(ctx, minCheckInterval, nil) {
			sleep(ctx, delay-minCheckInterval, m.recheck)
		}
	}
}

// sleep waits for d, until ctx ends or until early delivers. It reports whether
// ctx goes on.
func sleep(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

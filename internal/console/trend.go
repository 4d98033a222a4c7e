package console

import (
	"context"
	"sync"
	"time"

	"teal/internal/api"
)

// What the overview draws of the past: a point every trendEvery, trendPoints of them, taken
// while somebody has looked within trendRest.
const (
	trendEvery  = 5 * time.Second
	trendPoints = 60
	trendRest   = 10 * time.Minute
)

// trends are short histories of what apps do, for people who look now. Nothing is sampled
// while nobody does.
type trends struct {
	wake chan struct{}

	mu    sync.Mutex
	last  time.Time // when somebody looked
	byApp map[string]*trend
}

// trend is a history, oldest first.
type trend struct {
	Rate, Errors, P99 []float64
	sampled           time.Time
}

func newTrends() *trends { return &trends{wake: make(chan struct{}, 1), byApp: map[string]*trend{}} }

// wanted notes that somebody looks.
func (t *trends) wanted(now time.Time) {
	t.mu.Lock()
	t.last = now
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run samples while somebody looks, until ctx ends.
func (t *trends) run(ctx context.Context, apps func(context.Context) ([]api.Status, error)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		}
		if err := t.sampleWhileWanted(ctx, apps); err != nil {
			return nil //nolint:nilerr // ctx has ended
		}
	}
}

func (t *trends) sampleWhileWanted(ctx context.Context, apps func(context.Context) ([]api.Status, error)) error {
	ticker := time.NewTicker(trendEvery)
	defer ticker.Stop()
	for {
		if list, err := apps(ctx); err == nil { // else there is a gap
			t.add(time.Now(), list)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-ticker.C:
			t.mu.Lock()
			rest := now.Sub(t.last) > trendRest
			if rest { // what is drawn later begins anew
				clear(t.byApp)
			}
			t.mu.Unlock()
			if rest {
				return nil
			}
		}
	}
}

func (t *trends) add(now time.Time, list []api.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, status := range list {
		if status.Traffic == nil {
			continue
		}
		one := t.byApp[status.App]
		if one == nil {
			one = &trend{}
			t.byApp[status.App] = one
		}
		one.sampled = now
		for values, value := range map[*[]float64]float64{&one.Rate: status.Traffic.RequestsPerSecond, &one.Errors: status.Traffic.ErrorShare, &one.P99: status.Traffic.P99} {
			*values = append(*values, value)
			if len(*values) > trendPoints {
				*values = (*values)[len(*values)-trendPoints:]
			}
		}
	}
	for app, one := range t.byApp {
		if !one.sampled.Equal(now) {
			delete(t.byApp, app)
		}
	}
}

// of returns a copy of an app's history.
func (t *trends) of(app string) trend {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.byApp[app]
	if one == nil {
		return trend{}
	}
	return trend{Rate: append([]float64(nil), one.Rate...), Errors: append([]float64(nil), one.Errors...), P99: append([]float64(nil), one.P99...)}
}

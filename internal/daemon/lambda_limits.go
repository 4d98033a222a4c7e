package daemon

import (
	"context"
	"maps"
	"strconv"
	"sync/atomic"

	"teal"
	"teal/internal/api/awslambda"
)

// limit counts the invocations of a function with a reserved concurrency, over
// all its versions and by whatever way they come.
type limit struct {
	most     atomic.Int64
	inFlight atomic.Int64
}

// limits holds those that there are. Invocations read it without a lock.
type limits struct {
	table atomic.Pointer[map[awslambda.Ref]*limit]
}

// set changes a function's limit; nil is none. Only one caller at a time may set.
func (l *limits) set(ref awslambda.Ref, reserved *int) {
	next := map[awslambda.Ref]*limit{}
	if old := l.table.Load(); old != nil {
		maps.Copy(next, *old)
	}
	switch {
	case reserved == nil:
		delete(next, ref)
	case next[ref] == nil:
		next[ref] = &limit{}
		fallthrough
	default:
		next[ref].most.Store(int64(*reserved))
	}
	l.table.Store(&next)
}

func (l *limits) of(ref awslambda.Ref) *limit {
	if table := l.table.Load(); table != nil {
		return (*table)[ref]
	}
	return nil
}

func nothing() {}

// Admit counts an invocation in, or refuses it with teal.CodeThrottled.
func (l *limits) Admit(app, component string) (release func(), err error) {
	own := l.of(awslambda.Ref{App: app, Component: component})
	if own == nil {
		return nothing, nil
	}
	most := own.most.Load()
	if own.inFlight.Add(1) > most {
		own.inFlight.Add(-1)
		return nil, teal.Errorf(teal.CodeThrottled, "function %s may have %d invocations at once and has them; try again later, or change its reserved concurrency", component, most)
	}
	return func() { own.inFlight.Add(-1) }, nil
}

// floor returns how many instances of a version are to stand ready.
func (b *lambda) floor(app string, version int, component string) int {
	x, _ := b.Extras(context.Background(), awslambda.Ref{App: app, Component: component}) // a copy in memory, which never fails
	most := 0
	for qualifier, p := range x.Provisioned {
		if b.leadsTo(app, qualifier) == version {
			most = max(most, p.Requested)
		}
	}
	return most
}

// leadsTo returns the version that a qualifier belongs to; 0 for none.
func (b *lambda) leadsTo(app, qualifier string) int {
	if number, err := strconv.Atoi(qualifier); err == nil {
		return number
	}
	return b.router.Alias(app, qualifier).Value.Primary()
}

// Warm implements [awslambda.Settings].
func (b *lambda) Warm(_ context.Context, ref awslambda.Ref, qualifier string) (int, error) {
	return b.manager.Instances(ref.App, b.leadsTo(ref.App, qualifier), ref.Component), nil
}

// warmUp starts the versions that are to stand ready, and tells those that run
// how many instances they keep.
func (b *lambda) warmUp(ctx context.Context, app string) {
	for ref, x := range b.everyExtras() {
		if ref.App != app {
			continue
		}
		for qualifier := range x.Provisioned {
			version := b.leadsTo(app, qualifier)
			if version == 0 || b.manager.Runs(app, version) {
				continue
			}
			if err := b.manager.ProvisionAside(ctx, app, version); err != nil {
				b.logger.Warn("a version that is to stand ready cannot be started", "app", app, "version", version, "error", err)
			}
		}
	}
	b.manager.Rewarm(app)
}

// everyExtras returns a copy of what is kept of functions.
func (b *lambda) everyExtras() map[awslambda.Ref]awslambda.Extras {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.extra)
}

// takeEffect makes what has been written about a function hold.
func (b *lambda) takeEffect(ctx context.Context, x awslambda.Extras) {
	b.limits.set(awslambda.Ref{App: x.App, Component: x.Component}, x.Reserved)
	b.urls.set(x)
	b.warmUp(context.WithoutCancel(ctx), x.App)
}

// keptWarm reports whether an environment is to stand ready for somebody.
func (b *lambda) keptWarm(app string, version int) bool {
	for ref := range b.everyExtras() {
		if ref.App == app && b.floor(app, version, ref.Component) > 0 {
			return true
		}
	}
	return false
}

// throttled puts AWS's reason into a refusal for want of concurrency.
func (b *lambda) throttled(ref awslambda.Ref, err error) error {
	if !isThrottle(err) || b.limits.of(ref) == nil {
		return err
	}
	return &awslambda.Fault{Code: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"}
}

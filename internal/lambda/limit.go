package lambda

import (
	"maps"
	"sync"
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
	setting sync.Mutex // one change at a time
	table   atomic.Pointer[map[awslambda.Ref]*limit]
}

// set changes a function's limit; nil is none.
func (l *limits) set(ref awslambda.Ref, reserved *int) {
	l.setting.Lock()
	defer l.setting.Unlock()
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

// admit counts an invocation in, or refuses it with teal.CodeThrottled.
func (l *limits) admit(ref awslambda.Ref) (release func(), err error) {
	own := l.of(ref)
	if own == nil {
		return nothing, nil
	}
	most := own.most.Load()
	if own.inFlight.Add(1) > most {
		own.inFlight.Add(-1)
		return nil, teal.Errorf(teal.CodeThrottled, "function %s may have %d invocations at once and has them; try again later, or change its reserved concurrency", ref.Component, most)
	}
	return func() { own.inFlight.Add(-1) }, nil
}

// throttled puts AWS's reason into a refusal for want of concurrency.
func (b *Backend) throttled(ref awslambda.Ref, err error) error {
	if !isThrottle(err) || b.settings.limits.of(ref) == nil {
		return err
	}
	return &awslambda.Fault{Code: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"}
}

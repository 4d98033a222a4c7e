package lambda

import (
	"context"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/event"
	"teal/internal/store"
)

// chooseTries bounds how often the version of an event is chosen: each further try
// means that one has been deleted in between.
const chooseTries = 3

// Enqueue implements [awslambda.Invoker].
func (b *Backend) Enqueue(ctx context.Context, in awslambda.Event) (teal.VersionRef, error) {
	for try := 1; ; try++ {
		version, err := b.Choose(ctx, in.Ref, in.Qualifier)
		if err != nil {
			return 0, err
		}
		err = b.cfg.Events.Add(ctx, event.Event{
			App: in.Ref.App, ID: in.RequestID, Component: in.Ref.Component, Name: in.Name, Qualifier: in.Qualifier,
			Version: version, Payload: in.Event, ClientContext: in.ClientContext, TraceID: in.TraceID, AcceptedAt: in.AcceptedAt,
		}, func() error { return b.checkVersion(in.Ref.App, version) })
		if teal.IsCode(err, teal.CodeUnknownVersion) && try < chooseTries {
			continue
		}
		return version, tooManyEvents(err)
	}
}

// checkVersion reports whether a version is still there.
func (b *Backend) checkVersion(app string, version teal.VersionRef) error {
	number, ok := version.Number()
	if !ok {
		return nil // a draft is there for as long as its function
	}
	if _, ok := b.index.Version(store.VersionKey{App: app, Number: number}); !ok {
		return teal.Errorf(teal.CodeUnknownVersion, "There is no version %d of app %s any more.", number, app)
	}
	return nil
}

// tooManyEvents puts AWS's words into a refusal for want of room.
func tooManyEvents(err error) error {
	if !isThrottle(err) {
		return err
	}
	return &awslambda.Fault{Code: "TooManyRequestsException", Message: teal.MessageOf(err), Reason: "CallerRateLimitExceeded"}
}

// isThrottle reports whether an error says that there was no room for a call.
func isThrottle(err error) bool { return teal.IsCode(err, teal.CodeThrottled) }

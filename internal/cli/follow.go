package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
)

// How long a lost server is looked for again, and how often.
const (
	reconnectFor   = 30 * time.Second
	reconnectFirst = 100 * time.Millisecond
	reconnectMost  = 2 * time.Second
)

// events hands every event of an app to see until that says stop. A stream that
// breaks, or cannot be opened now, is opened again for a while: a server that is
// restarted goes on with its releases. It returns nil when see stopped it.
func (s *session) events(ctx context.Context, app string, see func(client.Event) (stop bool)) error {
	wait := reconnectFirst
	lost := time.Time{} // when the stream broke; zero while it is whole
	for {
		var broken error
		for event, err := range s.client.Events(ctx, app) {
			if err != nil {
				broken = err
				break
			}
			wait, lost = reconnectFirst, time.Time{}
			if see(event) {
				return nil
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("follow %s: %w", app, context.Cause(ctx))
		}
		if !teal.IsCode(broken, teal.CodeUnavailable) { // which a server says, too, that is just stopping
			return broken
		}
		if lost.IsZero() {
			lost = time.Now()
			s.out.progress("connection to the server lost; reconnecting …")
		}
		if time.Since(lost) > reconnectFor {
			return broken
		}
		sleep(ctx, wait)
		wait = min(2*wait, reconnectMost)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// waitFor says until when a command follows a release.
type waitFor string

const (
	waitLive      waitFor = "live"
	waitCompleted waitFor = "completed"
)

func parseWait(s string) (waitFor, error) {
	switch w := waitFor(s); w {
	case waitLive, waitCompleted:
		return w, nil
	}
	return "", teal.Errorf(teal.CodeInvalidInput, "--wait: %q is neither live nor completed", s)
}

// follow tells how a release goes until it is live (or completed) and returns it
// as it is then. A release that ends badly is an error with CodeReleaseFailed.
func (s *session) follow(ctx context.Context, r api.ReleaseView, until waitFor) (api.ReleaseView, error) {
	p := newProgress(r, until, s.env.Now, s.clock)
	err := s.events(ctx, r.App, func(e client.Event) bool {
		for _, line := range p.see(e) {
			s.say("%s", line)
		}
		return p.done()
	})
	if errors.Is(err, context.Canceled) {
		err = interrupted(p.release)
	}
	if err != nil {
		return p.release, err
	}
	return p.release, p.failed()
}

// interrupted says how a release goes on that nobody follows any more.
func interrupted(r api.ReleaseView) error {
	if r.Queued { // abort would end the one that it waits for
		return interruptedf("interrupted; release %s waits on the server until the releases before it have ended\nFollow it with `teal watch %s`, end it with `teal abort %s` once it runs.", r.ID, r.App, r.App)
	}
	return interruptedf("interrupted; release %s continues on the server\nFollow it with `teal watch %s`, end it with `teal abort %s`.", r.ID, r.App, r.App)
}

// awaitPreview waits until a version that is not released is healthy, for as
// long as its app may take. One that does not start is an error with
// CodeReleaseFailed; live has all traffic either way.
func (s *session) awaitPreview(ctx context.Context, v api.VersionView, limit time.Duration) error {
	app, version := v.App, v.Number
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNotReady)
	defer cancel()
	var last api.EnvironmentEvent
	err := s.events(ctx, app, func(e client.Event) bool {
		env, ok := e.Environment()
		if !ok || env.Version != teal.VersionRef(version) {
			return false
		}
		if last.Version == 0 && env.State == teal.EnvironmentStarting {
			s.say("%s: starting v%d …", app, version)
		}
		last = env
		return env.State == teal.EnvironmentReady || env.State == teal.EnvironmentFailed || env.State == teal.EnvironmentDraining
	})
	switch {
	case errors.Is(err, context.Canceled):
		return interruptedf("interrupted; v%d of %s is still starting\nSee `teal status %s`.", version, app, app)
	case err != nil && !errors.Is(err, errNotReady):
		return err
	case last.State == teal.EnvironmentReady:
		return nil
	}
	reason := strings.TrimRight(last.Reason+"\n"+last.Output, "\n")
	return teal.Errorf(teal.CodeReleaseFailed, "v%d of %s is not healthy: %s\nIt gets no traffic; nothing else has changed.", version, app, reason)
}

var errNotReady = errors.New("the version did not become healthy in time")

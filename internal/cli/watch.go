package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
)

func (s *session) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch APP",
		Short: "Follow what happens to an app, until Ctrl-C",
		Long: "On a terminal: the status with what is measured, drawn again every two seconds.\n" +
			"Elsewhere: one line per change; with --json, one JSON document per event.",
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.watch(cmd.Context(), args[0])
		},
	}
}

func (s *session) watch(ctx context.Context, app string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	// A server that is lost later may come back; one that was never there is
	// not waited for.
	if err := c.Ping(ctx); err != nil {
		return err
	}
	see := s.watchLines(app)
	switch {
	case s.json:
		see = s.watchRecords
	case s.out.terminal:
		screen := &screen{session: s, app: app}
		see = func(client.Event) error { return screen.draw(ctx) }
		defer screen.keepFresh(ctx)()
	}
	var failed error
	err = s.events(ctx, app, func(e client.Event) bool {
		failed = see(e)
		return failed != nil || s.out.failed() != nil
	})
	if ctx.Err() != nil { // Ctrl-C is how watching ends
		err = nil
	}
	return errors.Join(err, failed)
}

// watchRecords writes each event as a line of JSON.
func (s *session) watchRecords(e client.Event) error {
	s.out.record(e)
	return s.out.failed()
}

// redrawEvery is how often the live status is drawn again when nothing has happened:
// what is measured changes all the time.
const redrawEvery = 2 * time.Second

// screen is the status of an app on a terminal.
type screen struct {
	*session
	app string

	mu sync.Mutex // one drawing at a time, so that an older one never comes last
}

// draw draws the status as it is now.
func (s *screen) draw(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, err := s.client.Status(ctx, s.app)
	if err != nil {
		if teal.IsCode(err, teal.CodeUnavailable) || ctx.Err() != nil {
			return nil //nolint:nilerr // the stream ends too, and says why
		}
		return err
	}
	// From the top, each line cleared to its end, then the rest of the screen.
	s.out.write("\x1b[H\x1b[2J"+s.statusText(status), false)
	return nil
}

// keepFresh draws now and then until ctx ends or the returned function is called, which
// waits for the last drawing.
func (s *screen) keepFresh(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var drawing sync.WaitGroup
	drawing.Go(func() {
		for sleep(ctx, redrawEvery); ctx.Err() == nil; sleep(ctx, redrawEvery) {
			_ = s.draw(ctx) // the next event says what is wrong
		}
	})
	return func() {
		cancel()
		drawing.Wait()
	}
}

// watchLines writes a line for each record that says something new.
func (s *session) watchLines(app string) func(client.Event) error {
	said := map[string]string{}
	var frozen *teal.AppOrder
	return func(e client.Event) error {
		if app, ok := e.AppRecord(); ok {
			frozen = app.Frozen
		}
		key, line, at := s.eventLine(e, frozen)
		if line == "" || said[key] == line {
			return nil
		}
		said[key] = line
		s.out.line("%s %s: %s", s.timestamp(at), app, line)
		return nil
	}
}

// eventLine returns what an event says, what it is about, and when that happened. A
// release is told of as it is under a freeze that somebody has ordered, nil for none.
func (s *session) eventLine(e client.Event, frozen *teal.AppOrder) (about, line string, at time.Time) {
	about = string(e.Kind) + " " + e.Name
	if env, ok := e.Environment(); ok {
		line = fmt.Sprintf("%s is %s", teal.VersionName(env.Version), env.State)
		if env.Reason != "" {
			line += ": " + describe.FirstLine(env.Reason)
		}
		return about, line, env.StateAt
	}
	if alias, ok := e.Alias(); ok {
		return about, fmt.Sprintf("%s points to %s", alias.Name, teal.FormatTargets(alias.Versions)), alias.UpdatedAt
	}
	if r, ok := e.Release(); ok {
		line = fmt.Sprintf("release %s (%s) %s: %s", r.ID, describe.Moves(r), describe.Phase(r), describe.Reason(r))
		r.Frozen = frozen
		if text := describe.Waiting(r, s.env.Now(), s.clock); text != "" {
			line += "; " + text
		}
		return about, line, lastChange(r)
	}
	if app, ok := e.AppRecord(); ok && len(app.Orders) > 0 {
		last := app.Orders[len(app.Orders)-1]
		return about, s.appOrderText(last) + " by " + last.By + describe.Quoted(last.Why), last.At
	}
	if e.Deleted && e.Kind == api.EventEnvironment {
		version, _ := teal.ParseVersionRef(e.Name)
		return about, teal.VersionName(version) + " has stopped", s.env.Now()
	}
	return about, "", time.Time{}
}

// lastChange returns when a release last did something that a person sees.
func lastChange(r api.ReleaseView) time.Time {
	last := r.CreatedAt
	for _, m := range describe.Timeline(r) {
		if m.At.After(last) {
			last = m.At
		}
	}
	for _, at := range []*time.Time{r.WaitsSince, r.DoubtSince, r.OutageSince} {
		if at != nil && at.After(last) {
			last = *at
		}
	}
	return last
}

package environment

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/logs"
	"teal/internal/release"
	"teal/internal/removal"
)

// running is one environment of this process: from the moment it is desired
// until its last process has ended.
type running struct {
	manager   *Manager
	version   teal.Version
	ref       teal.VersionRef // which version; that of a draft has no number
	slot      teal.Slot       // written under manager.changing of the app and manager.mu
	since     time.Time       // when it was desired; likewise
	unslotted bool            // for a user's alias alone; guarded like since
	dirty     chan struct{}   // capacity 1: a component's condition may have changed
	stopped   chan struct{}   // closed when everything has ended
	gone      chan struct{}   // closed when no instance runs any more; never when none was built

	stop context.CancelFunc // ends the components; set before run starts
	work string             // its own folder; removed when everything has ended. Only run touches it
	// secrets are what its programs got of them; likewise.
	secrets secrets

	mu           sync.Mutex
	handle       *gateway.Environment // nil until built
	parts        []part               // likewise
	urls         map[string]string    // of the components' listeners, and of the preview as ""; likewise
	minInstances map[string]int       // replaced, never changed
	health       health
	at           time.Time // when health got its state

	refreshing sync.Mutex // one refresh at a time
	wasReady   bool       // guarded by refreshing

	warming sync.Mutex // one rewarm at a time

	troubles sync.Map // the last *teal.ErrorLine of each component, by its name

	recheckSince atomic.Pointer[time.Time] // since when a check is asked for that has not been passed; nil: none is
}

func (r *running) logger() *slog.Logger {
	return r.manager.cfg.Logger.With("app", r.version.App, "version", r.ref)
}

// run builds the environment and keeps it running until ctx ends. It returns
// when nothing of it runs any more.
func (r *running) run(ctx context.Context) {
	defer close(r.stopped)
	defer r.manager.ended(r)
	defer r.removeWork()
	passOn := r.manager.awaitTurn(ctx)
	defer passOn()
	parts, listeners := r.buildAtLast(ctx)
	if parts == nil {
		return
	}
	var tasks, components sync.WaitGroup
	tasks.Go(func() {
		err := r.manager.cfg.Siblings.ServeEnvironment(ctx, listeners[previewName], r.handle)
		if err != nil && ctx.Err() == nil {
			r.logger().Error("preview listener stopped", "error", err)
		}
	})
	for _, p := range parts {
		components.Go(func() {
			if err := p.run(ctx); err != nil && ctx.Err() == nil {
				r.logger().Error("component stopped", "component", p.name, "error", err)
			}
		})
		tasks.Go(func() {
			err := r.manager.cfg.Siblings.ServeComponent(ctx, listeners[p.name], r.handle, p.name)
			if err != nil && ctx.Err() == nil {
				r.logger().Error("sibling listener stopped", "component", p.name, "error", err)
			}
		})
	}
	r.follow(ctx, passOn)
	r.handle.MarkStarted() // nobody is to wait for it any more
	components.Wait()
	close(r.gone)
	tasks.Wait()
}

// The pauses between two tries to build an environment: what is missing, such as
// its code, may come back.
const (
	rebuildFirst = time.Second
	rebuildMost  = 30 * time.Second
)

// buildAtLast builds the environment, again and again until that works; nil when
// ctx has ended first.
func (r *running) buildAtLast(ctx context.Context) ([]part, map[string]net.Listener) {
	for pause := rebuildFirst; ; pause = min(2*pause, rebuildMost) {
		parts, listeners, err := r.build(ctx)
		if err == nil {
			r.manager.cfg.Alerts.Resolve(teal.AlertAppIncomplete, incomplete(r.version.App, r.ref))
			return parts, listeners
		}
		if teal.IsCode(err, teal.CodeUnknownBundle) {
			r.manager.reportIncomplete(r.version.App, r.ref, err)
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		r.logger().Warn("environment cannot be built", "error", err, "next_try_in", pause)
		r.setHealth(ctx, health{state: teal.EnvironmentFailed, reason: teal.MessageOf(err)})
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		}
	}
}

// follow turns the conditions of the components into the health of the
// environment until ctx ends. Once it is known how the start has gone, it passes
// its turn on to the next environment.
func (r *running) follow(ctx context.Context, passOn func()) {
	for {
		if r.refresh(ctx).state != teal.EnvironmentStarting {
			passOn()
		}
		r.tellChecked()
		select {
		case <-r.dirty:
		case <-ctx.Done():
			return
		}
	}
}

// setHealth records a change of health and tells the manager's owner.
func (r *running) setHealth(ctx context.Context, now health) {
	r.mu.Lock()
	changed := now != r.health
	if now.state != r.health.state {
		r.at = time.Now()
	}
	r.health = now
	handle := r.handle
	r.mu.Unlock()
	if handle != nil && now.state != teal.EnvironmentStarting {
		handle.MarkStarted() // before anybody hears of it and calls
	}
	if changed && ctx.Err() == nil {
		r.logger().Info("environment changed", "state", now.state, "reason", now.reason)
		r.manager.recordHealth(ctx, r, now)
		r.manager.announce()
		r.manager.tell(r.version.App)
	}
}

// recheck asks for checks of everything that has them, now.
func (r *running) recheck() {
	now := time.Now()
	r.recheckSince.Store(&now)
	for _, p := range r.currentParts() {
		if p.recheck != nil {
			p.recheck()
		}
	}
}

// tellChecked tells the manager's owner when checks that were asked for have been
// passed.
func (r *running) tellChecked() {
	wanted := r.recheckSince.Load()
	if wanted == nil {
		return
	}
	if at, _ := r.checked(); !at.Before(*wanted) && r.recheckSince.CompareAndSwap(wanted, nil) {
		r.manager.tell(r.version.App)
	}
}

// checked returns when the checks began that every component which has any has
// passed last, and until when an outage shows in them at the latest.
func (r *running) checked() (at time.Time, window time.Duration) {
	for _, p := range r.currentParts() {
		if p.recheck == nil {
			continue
		}
		c := p.condition()
		if window == 0 || c.checked.Before(at) {
			at = c.checked
		}
		window = max(window, c.window)
	}
	return at, window
}

// upstreams returns how many addresses of each upstream are healthy.
func (r *running) upstreams() map[string]release.Addresses {
	var list map[string]release.Addresses
	for _, p := range r.currentParts() {
		if p.recheck == nil { // not service nor upstream
			continue
		}
		if c := p.condition(); c.total > 0 {
			if list == nil {
				list = map[string]release.Addresses{}
			}
			list[p.name] = release.Addresses{Healthy: c.healthy, Total: c.total, Down: c.down}
		}
	}
	return list
}

// currentHealth returns the health and since when it has its state. The output
// is what there is now: nobody announces that a component has printed something.
func (r *running) currentHealth() (health, time.Time) {
	r.mu.Lock()
	now, at, parts := r.health, r.at, r.parts
	r.mu.Unlock()
	if output := lastOutput(parts); now.state != teal.EnvironmentReady && output != "" {
		now.output = output
	}
	return now, at
}

// lastOutput returns what the first component that is not ready has printed, of
// those that have printed anything.
func lastOutput(parts []part) string {
	for _, p := range parts {
		if c := p.condition(); !c.ready && c.output != "" {
			return c.output
		}
	}
	return ""
}

func (r *running) currentHandle() *gateway.Environment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handle
}

// markDirty says that a component's condition may have changed. It does not block.
func (r *running) markDirty() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// build makes everything that the environment is made of, and starts none of
// it. On an error nothing is left open.
func (r *running) build(ctx context.Context) (parts []part, listeners map[string]net.Listener, err error) {
	spec := r.version.Spec
	dirs, err := r.unpack(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := r.makeWork(); err != nil {
		return nil, nil, err
	}
	if r.secrets, err = r.openSecrets(ctx); err != nil {
		return nil, nil, err
	}
	names := slices.Sorted(maps.Keys(spec.Components))
	listeners, err = listen(append(names, previewName))
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			closeAll(listeners)
		}
	}()
	components := make(map[string]*gateway.Component, len(spec.Components))
	for _, name := range names {
		b := blueprint{name: name, component: spec.Components[name], dir: dirs[name], env: r.environment(name, listeners)}
		if err := r.addState(b); err != nil {
			return nil, nil, err
		}
		maps.Copy(b.env, r.secrets.env(name))
		p, err := r.makePart(b)
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, p)
		if meters := r.manager.cfg.Meters; meters != nil {
			p.component.Meter = meters.Of(r.version.App, r.ref, name)
		}
		p.component.Hide = r.secrets.hide()
		components[name] = p.component
	}
	handle := gateway.NewEnvironment(gateway.EnvironmentConfig{
		App: r.version.App, Version: r.ref, Routes: spec.Routes, Components: components,
		Admit: r.admit,
	})
	r.mu.Lock()
	r.handle, r.parts, r.urls = handle, parts, urls(listeners)
	for _, p := range parts {
		p.keep(r.minInstances, false)
	}
	r.mu.Unlock()
	r.rewarm() // after Rewarm can see the parts, so that no change is missed
	return parts, listeners, nil
}

// folders is where the code of a component lies.
type folders struct {
	code   string
	layers string // of a function, "" for none
}

// unpack returns the folders of each component that has code.
func (r *running) unpack(ctx context.Context) (map[string]folders, error) {
	dirs := map[string]folders{}
	for name, c := range r.version.Spec.Components {
		digest, has := c.Code()
		if !has {
			continue
		}
		dir, err := r.manager.cfg.Bundles.Dir(ctx, digest)
		if err != nil {
			return nil, fmt.Errorf("code of %s: %w", name, err)
		}
		found := folders{code: dir}
		if layers := c.Layers(); len(layers) > 0 {
			if found.layers, err = r.manager.cfg.Bundles.Stack(ctx, layers); err != nil {
				return nil, fmt.Errorf("layers of %s: %w", name, err)
			}
		}
		dirs[name] = found
	}
	return dirs, nil
}

// makeWork makes the environment's own folder, instead of the one that an earlier
// try to build it has made. Another environment of the same version may still be
// draining, so the version alone is no name for it.
func (r *running) makeWork() error {
	r.removeWork()
	root := r.manager.cfg.WorkDir
	if err := os.MkdirAll(root, 0o700); err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	work, err := os.MkdirTemp(root, fmt.Sprintf("%s-%d-", r.version.App, r.ref))
	if err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	r.work = work
	return nil
}

func (r *running) removeWork() {
	r.closeSecrets()
	if r.work == "" {
		return
	}
	if err := removal.Tree(r.work); err != nil {
		r.logger().Warn("work folder could not be removed; the next start of the server will", "folder", r.work, "error", err)
	}
	r.work = ""
}

func listen(names []string) (map[string]net.Listener, error) {
	listeners := make(map[string]net.Listener, len(names))
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			closeAll(listeners)
			return nil, fmt.Errorf("listen for calls to %q: %w", name, err)
		}
		listeners[name] = l
	}
	return listeners, nil
}

func closeAll(listeners map[string]net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nothing was served on it
	}
}

// environment returns the variables that Teal gives to a component.
func (r *running) environment(name string, listeners map[string]net.Listener) map[string]string {
	env := map[string]string{
		"TEAL_APP":       r.version.App,
		"TEAL_VERSION":   r.ref.String(),
		"TEAL_COMPONENT": name,
	}
	for sibling, l := range listeners {
		if sibling == previewName {
			continue // a component has no use for it: its siblings are its own version's
		}
		env[teal.AddressVariable(sibling)] = "http://" + l.Addr().String()
	}
	if more := r.manager.cfg.Variables; more != nil {
		maps.Copy(env, more(r.version.App, r.ref))
	}
	return env
}

// addState makes the folder in which a component keeps what is to outlive its
// instances and versions, and tells the component.
func (r *running) addState(b blueprint) error {
	if kind := b.component.Kind(); kind == teal.KindUpstream || kind == teal.KindStatic {
		return nil
	}
	folder, err := r.manager.StateDir(r.version.App, b.name)
	if folder != "" {
		b.env["TEAL_STATE_DIR"] = folder
	}
	return err
}

func (r *running) functionLog(name string) func(instance, requestID, stream, text string) {
	return func(instance, requestID, stream, text string) {
		now := time.Now()
		r.noteTrouble(name, instance, stream, text, now)
		r.manager.cfg.Logs.Write(logs.Line{
			At: now, App: r.version.App, Version: r.ref, Component: name,
			Instance: instance, RequestID: requestID, Stream: stream, Text: text,
		})
	}
}

func (r *running) serviceLog(name string) func(instance, stream, text string) {
	log := r.functionLog(name)
	return func(instance, stream, text string) { log(instance, "", stream, text) }
}

// drain lets the environment finish what it has, then stops it. It blocks until
// nothing runs any more. New requests must already be led elsewhere.
func (r *running) drain(ctx context.Context, deadline time.Duration) {
	if handle := r.currentHandle(); handle != nil {
		r.await(ctx, handle, deadline)
	}
	r.stop()
	<-r.stopped
}

func (r *running) await(ctx context.Context, handle *gateway.Environment, deadline time.Duration) {
	drained := handle.Retire()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case <-drained:
		return
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	r.logger().Warn("drain deadline passed; stopping the instances with what is still in flight",
		"in_flight", handle.InFlight(), "deadline", deadline)
	// Those who know the protocol end it: an application that gets SIGTERM can say
	// goodbye on its connections, while it has its grace.
	handle.Expire()
	r.stop()
	select {
	case <-drained:
		return
	case <-ctx.Done():
		return
	case <-r.gone:
	}
	if within(ctx, drained, lastBytes) { // they are on their way, or there is nobody to say them
		return
	}
	handle.Cancel()
	within(ctx, drained, cancelGrace)
}

// within waits for a channel to be closed, but not for longer than the time given
// or than ctx. It reports whether nothing is left to be waited for.
func within(ctx context.Context, closed <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
		return true
	case <-ctx.Done():
		return true
	case <-timer.C:
		return false
	}
}

const (
	// lastBytes is how long clients may take to end what the instances have ended.
	lastBytes = 500 * time.Millisecond
	// cancelGrace is how long cancelled requests may take to tell their clients.
	cancelGrace = time.Second
)

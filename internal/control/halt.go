package control

import (
	"cmp"
	"context"
	"errors"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/store"
)

// OrderApp implements [api.Operator].
func (c *Control) OrderApp(ctx context.Context, app string, given api.OrderApp) (api.Status, error) {
	order := given.At(time.Now())
	var err error
	switch order.Kind {
	case teal.OrderStop:
		err = c.stop(context.WithoutCancel(ctx), app, order)
	case teal.OrderStart:
		err = c.start(context.WithoutCancel(ctx), app, order)
		if err == nil {
			err = c.awaitLive(ctx, app)
		}
	case teal.OrderFreeze, teal.OrderUnfreeze:
		err = c.freeze(ctx, app, order)
	default:
		err = teal.Errorf(teal.CodeInvalidInput, "%q is no order for an app", order.Kind)
	}
	if err != nil {
		return api.Status{}, err
	}
	return c.Status(ctx, app)
}

// stop records that an app is stopped, and lets what runs of it finish. From the
// record on nothing of it is started, whatever ends the server in between. An app that
// is stopped is stopped once more, should something have failed the first time.
func (c *Control) stop(ctx context.Context, app string, order teal.AppOrder) error {
	ctx = store.WithUrgency(ctx, store.Running) // it makes room
	defer c.halting.Lock(app)()
	c.cfg.Boundary("stop:decided")
	revision, err := c.recordStop(ctx, app, order)
	if err != nil {
		return err
	}
	c.cfg.Boundary("stop:recorded")
	behind := c.cfg.Router.AwaitApp(ctx, app, revision) // what runs here ends all the same
	c.cfg.Boundary("stop:routed")
	var running []teal.VersionRef
	_ = c.cfg.Manager.WhileNothingStarts(app, func() error { // what was begun before is in sight then
		for _, e := range c.cfg.Manager.Running(app) {
			running = append(running, e.Version)
		}
		return nil
	})
	for _, version := range running {
		if err := c.cfg.Manager.Retire(ctx, app, version, c.drain(ctx, app)); err != nil {
			return err
		}
	}
	c.cfg.Boundary("stop:retired")
	c.cfg.Logger.Info("app stopped", "app", app, "by", order.By, "reason", order.Why)
	return behind
}

// recordStop writes the order, unless a release moves or waits: one that is claimed
// after the look has changed the record's revision. It returns the revision of a record
// that says that the app is stopped.
func (c *Control) recordStop(ctx context.Context, app string, order teal.AppOrder) (uint64, error) {
	for {
		record, err := c.cfg.Journal.App(ctx, app)
		if err != nil {
			return 0, err
		}
		if record.Value.Stopped == nil {
			err = c.cfg.Journal.CheckSettled(ctx, record.Value)
		}
		if err != nil || !record.Value.Give(order) {
			return record.Revision, err
		}
		record, err = c.cfg.Store.Apps.Update(ctx, record.Value, record.Revision)
		if !errors.Is(err, store.ErrConflict) {
			return record.Revision, err
		}
	}
}

// drain returns how long what runs of an app may go on with what it has.
func (c *Control) drain(ctx context.Context, app string) time.Duration {
	record, err := c.cfg.Journal.App(ctx, app)
	if err != nil {
		return teal.DefaultDrain.Std()
	}
	return cmp.Or(record.Value.Policy.Drain, teal.DefaultDrain).Std()
}

// start records that an app is not stopped any more, and starts what its aliases point
// to. A server that ends in between does so when it starts again.
func (c *Control) start(ctx context.Context, app string, order teal.AppOrder) error {
	// What could be stopped on a full disk must be able to serve again.
	ctx = store.WithUrgency(ctx, store.Running)
	if err := c.cfg.Writable(); err != nil && !teal.IsCode(err, teal.CodeDiskFull) {
		return err
	}
	defer c.halting.Lock(app)()
	revision, err := c.give(ctx, app, order)
	if err != nil {
		return err
	}
	c.cfg.Boundary("resume:recorded")
	err = c.cfg.Manager.Resume(ctx, app)
	c.cfg.Boundary("resume:begun")
	return errors.Join(err, c.cfg.Router.AwaitApp(ctx, app, revision))
}

// awaitLive waits until the versions that live sends requests to are healthy.
func (c *Control) awaitLive(ctx context.Context, app string) error {
	record, err := c.cfg.Journal.App(ctx, app)
	if err != nil {
		return err
	}
	patience := cmp.Or(record.Value.Policy.ReadyWithin, teal.DefaultReadyWithin).Std()
	for _, t := range c.cfg.Router.Alias(app, teal.AliasLive).Value.Targets {
		if err := c.awaitReady(ctx, app, t.Version, patience); err != nil && t.Weight > 0 {
			return teal.Errorf(teal.CodeOf(err), "%s is started and goes on trying: %w", app, err)
		}
	}
	return nil
}

// freeze records that releases of an app are frozen, or no longer. What waits for that
// looks at once.
func (c *Control) freeze(ctx context.Context, app string, order teal.AppOrder) error {
	_, err := c.give(ctx, app, order)
	c.cfg.Engine.Wake(app)
	return err
}

// give records an order for an app, and returns the revision of the record. An order that
// changes nothing is not recorded, and has none.
func (c *Control) give(ctx context.Context, app string, order teal.AppOrder) (revision uint64, err error) {
	given := false
	record, err := c.cfg.Store.Apps.Modify(ctx, app, func(a *teal.App) error {
		if a.Deleting {
			return store.UnknownApp(app)
		}
		if given = a.Give(order); !given {
			return store.ErrUnchanged
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, store.UnknownApp(app)
	case err != nil || !given:
		return 0, err
	}
	return record.Revision, nil
}

// DeleteApp implements [api.Operator]. Who deletes what was deleted already has got
// what they want, and may still have deleted what was kept; a name that never was an
// app is a mistake.
func (c *Control) DeleteApp(ctx context.Context, app string, d api.DeleteApp) (api.DeletedApp, error) {
	ctx = context.WithoutCancel(ctx)
	out := api.DeletedApp{App: app}
	err := c.cfg.Deletions.Begin(ctx, app, !d.WithState)
	if teal.IsCode(err, teal.CodeUnknownApp) {
		version, release, lookErr := c.cfg.Numbers.Numbers(ctx, app)
		if lookErr != nil || version == 0 && release == 0 {
			return out, errors.Join(lookErr, err)
		}
		out.Already, err = true, nil
		if d.WithState {
			out.RemovedState, err = c.cfg.Deletions.RemoveState(ctx, app)
		}
	}
	if err != nil {
		return out, err
	}
	c.cfg.Logger.Info("deleting app", "app", app, "by", d.By, "with_state", d.WithState)
	if !d.WithState {
		out.KeptState = c.cfg.Deletions.State(app)
	}
	return out, nil
}

package routing

import (
	"context"
	"fmt"

	"teal"
	"teal/internal/store"
)

// stoppedRoutes are the routes of the versions that the aliases of a stopped app
// point to, by version: it keeps them, so that no other app answers there.
type stoppedRoutes map[teal.VersionRef][]teal.Route

// Stop makes the table follow the record of an app that says that it is stopped: its
// routes stay its own, and requests that nothing running takes are answered that it
// is stopped.
func (r *Router) Stop(ctx context.Context, app string) error {
	defer r.writing.Lock(app)()
	routes, err := r.routesOf(ctx, r.Stored(app))
	if err != nil {
		return err
	}
	r.cfg.Table.setStopped(app, routes)
	return nil
}

// Restart makes it follow that the app is not stopped any more, once what its aliases
// point to is in sight.
func (r *Router) Restart(app string) {
	defer r.writing.Lock(app)()
	r.cfg.Table.setStopped(app, nil)
}

// Load reads which apps are stopped. The gateway answers for those at once.
func (r *Router) Load(ctx context.Context) error {
	apps, _, err := r.cfg.Journal.store.Apps.Readable(ctx, "")
	if err != nil {
		return fmt.Errorf("router: load apps: %w", err)
	}
	for _, app := range apps {
		name := app.Value.Name
		if app.Value.Stopped == nil || app.Value.Deleting {
			continue
		}
		routes, err := r.routesOf(ctx, r.Stored(name))
		if err != nil {
			return err
		}
		r.cfg.Table.setStopped(name, routes)
	}
	return nil
}

// routesOf returns the routes of the versions that aliases point to. A version that
// cannot be read has none.
func (r *Router) routesOf(ctx context.Context, list []store.Record[teal.Alias]) (stoppedRoutes, error) {
	routes := stoppedRoutes{}
	for _, record := range list {
		for _, t := range record.Value.Targets {
			number, ok := t.Version.Number()
			if !ok {
				continue
			}
			version, err := r.cfg.Journal.store.Versions.Get(ctx, store.VersionKey{App: record.Value.App, Number: number})
			if err != nil && !store.IsLost(err) {
				return nil, err
			}
			if err == nil {
				routes[t.Version] = version.Value.Spec.Routes
			}
		}
	}
	return routes, nil
}

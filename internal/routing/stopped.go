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
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped[app] = routes
	r.follow(app)
	return nil
}

// Restart makes it follow that the app is not stopped any more, once what its aliases
// point to is in sight.
func (r *Router) Restart(app string) {
	defer r.writing.Lock(app)()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.stopped, app)
	r.follow(app)
}

// loadStopped reads which apps are stopped.
func (r *Router) loadStopped(ctx context.Context, list []store.Record[teal.Alias]) error {
	apps, _, err := r.journal.store.Apps.Readable(ctx, "")
	if err != nil {
		return fmt.Errorf("router: load apps: %w", err)
	}
	byApp := map[string][]store.Record[teal.Alias]{}
	for _, record := range list {
		byApp[record.Value.App] = append(byApp[record.Value.App], record)
	}
	for _, app := range apps {
		name := app.Value.Name
		if app.Value.Stopped == nil || app.Value.Deleting {
			continue
		}
		if r.stopped[name], err = r.routesOf(ctx, byApp[name]); err != nil {
			return err
		}
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
			version, err := r.journal.store.Versions.Get(ctx, store.VersionKey{App: record.Value.App, Number: number})
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

package index

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"teal"
	"teal/internal/store"
)

// Routes tell of the apps whose aliases have changed, that are stopped, started or on
// their way out, or that are gone, whoever has changed them.
type Routes struct {
	*store.Subscription
	index *Index
	idle  map[string]idleness // of apps as of the last Take; without those that run
}

// idleness is what the record of an app says that keeps it from running.
type idleness struct {
	stopped  teal.AppOrder // the zero one: it is not
	deleting bool
}

func idlenessOf(app teal.App) idleness {
	found := idleness{deleting: app.Deleting}
	if app.Stopped != nil {
		found.stopped = *app.Stopped
	}
	return found
}

// FollowRoutes returns what tells of every app that there is, and of changes from then
// on. It must be stopped.
func (i *Index) FollowRoutes() *Routes {
	r := &Routes{store.NewSubscription(), i, map[string]idleness{}}
	i.apps.Tell(r.Subscription)
	i.aliases.Tell(r.Subscription)
	return r
}

// Take returns the apps since the last Take, each once. It does not block.
func (r *Routes) Take() []string {
	apps := map[string]bool{}
	for key := range r.Subscription.Take() {
		tokens := strings.Split(key, ".")
		app := tokens[1]
		if store.Kind(tokens[2]) == store.KindAlias || r.isNews(app) {
			apps[app] = true
		}
	}
	return slices.Collect(maps.Keys(apps))
}

// isNews reports whether the record of an app, which has been written, says something
// that a gateway asks about: of one that runs most writes do not, releases are counted in
// it for one. Every record that keeps an app from running is: who has ordered that waits
// until it is followed.
func (r *Routes) isNews(name string) bool {
	app, known := r.index.App(name)
	before, now := r.idle[name], idlenessOf(app)
	if r.idle[name] = now; now == (idleness{}) {
		delete(r.idle, name)
	}
	return !known || before != now || now != (idleness{})
}

// RefreshAliases reads from the store which aliases there are: what is in memory
// afterwards is not older than the call, whatever has become of the watches.
func (i *Index) RefreshAliases(ctx context.Context) error { return i.aliases.Refresh(ctx) }

// Releases tell of the releases whose records others than this server have written.
type Releases struct{ *store.Subscription }

// FollowReleases returns what tells of releases from then on. It must be stopped.
func (i *Index) FollowReleases() Releases {
	r := Releases{store.NewForeign()}
	i.releases.Tell(r.Subscription)
	return r
}

// Take returns the releases since the last Take, by ID. It does not block.
func (r Releases) Take() []string {
	var ids []string
	for key := range r.Subscription.Take() {
		tokens := strings.Split(key, ".")
		if number, err := strconv.Atoi(tokens[3]); err == nil {
			ids = append(ids, teal.ReleaseID(tokens[1], number))
		}
	}
	return ids
}

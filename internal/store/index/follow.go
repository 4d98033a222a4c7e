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

// Routes tell of the apps whose aliases have changed, or that are gone, whoever has
// changed them.
type Routes struct {
	*store.Subscription
	index *Index
}

// FollowRoutes returns what tells of every app that there is, and of changes from then
// on. It must be stopped.
func (i *Index) FollowRoutes() *Routes {
	r := &Routes{store.NewSubscription(), i}
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
		if _, known := r.index.App(app); store.Kind(tokens[2]) == store.KindAlias || !known {
			apps[app] = true
		}
	}
	return slices.Collect(maps.Keys(apps))
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

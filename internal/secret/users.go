package secret

import (
	"context"
	"errors"
	"fmt"

	"teal"
	"teal/internal/store"
)

// Recorded are the users of secrets that the records name: versions, checks and hooks,
// and drafts.
type Recorded struct {
	Store  *store.Store
	Drafts Drafts // nil: there are none
}

// Drafts are what apps are at the moment, for AWS's tools.
type Drafts interface{ DraftSpecs() []teal.Spec }

var _ Users = Recorded{}

// Of implements [Users].
func (r Recorded) Of(ctx context.Context, app string) ([]User, error) {
	var users []User
	add := func(name string, refs []teal.SecretRef) {
		if len(refs) > 0 {
			users = append(users, User{name, refs})
		}
	}
	versions, err := r.Store.Versions.List(ctx, app)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		add(teal.VersionName(v.Value.Ref()), v.Value.Spec.SecretRefs())
	}
	record, err := r.Store.Apps.Get(ctx, app)
	if errors.Is(err, store.ErrNotFound) {
		return users, nil
	}
	if err != nil {
		return nil, err
	}
	add("the checks and hooks of the last deploy", record.Value.Policy.SecretRefs())
	releases, err := r.releases(ctx, record.Value)
	if err != nil {
		return nil, err
	}
	users = append(users, releases...)
	if r.Drafts != nil {
		for _, spec := range r.Drafts.DraftSpecs() {
			if spec.App == app {
				add(teal.DraftName, spec.SecretRefs())
			}
		}
	}
	return users, nil
}

// releases are those that have not ended.
func (r Recorded) releases(ctx context.Context, app teal.App) (users []User, err error) {
	ids := app.Queue
	if app.Active != "" {
		ids = append([]string{app.Active}, ids...)
	}
	for _, id := range ids {
		record, err := r.Store.Releases.Get(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if refs := record.Value.Policy.SecretRefs(); len(refs) > 0 && !record.Value.Phase.Ended() {
			users = append(users, User{fmt.Sprintf("the release %s", id), refs})
		}
	}
	return users, nil
}

// Deleting implements [Users].
func (r Recorded) Deleting(ctx context.Context, app string) bool {
	record, err := r.Store.Apps.Get(ctx, app)
	return err == nil && record.Value.Deleting
}

package secret

import (
	"context"
	"fmt"

	"teal"
	"teal/internal/store"
)

// Forget deletes all secrets of an app that is being deleted, those too that cannot be
// understood.
func (s *Secrets) Forget(ctx context.Context, app string) error {
	if err := s.removeWhere(ctx, func(i info) bool { return i.app == app }); err != nil {
		return err
	}
	entries, err := s.mirror.List(ctx, store.SecretPattern(app))
	if err != nil {
		return fmt.Errorf("secrets of %s: %w", app, err)
	}
	for _, e := range entries {
		if err := store.IgnoreMissing(s.mirror.Delete(ctx, e.Key, e.Revision)); err != nil {
			return fmt.Errorf("delete %s: %w", e.Key, err)
		}
		s.cfg.Alerts.Resolve(teal.AlertRecordUnreadable, e.Key)
	}
	return nil
}

// Sweep removes the revisions of an app's secrets that nothing is bound to and that are
// not the newest. It waits for a deploy of the app that is being accepted. Where not all
// users are known, everything stays.
func (s *Secrets) Sweep(ctx context.Context, app string) error {
	defer s.changing.Lock(app)()
	newest := s.newestOf(app)
	if len(newest) == 0 {
		return nil
	}
	users, err := s.cfg.Users.Of(ctx, app)
	if err != nil {
		return err
	}
	bound := map[teal.SecretRef]bool{}
	for _, u := range users {
		for _, ref := range u.Refs {
			bound[teal.SecretRef{Name: ref.Name, Revision: ref.Revision}] = true
		}
	}
	return s.removeWhere(ctx, func(i info) bool {
		return i.app == app && i.revision < newest[i.name].revision && !bound[teal.SecretRef{Name: i.name, Revision: i.revision}]
	})
}

package lambda

import (
	"cmp"
	"context"
	"errors"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/keylock"
	"teal/internal/store"
)

// Records are what the domain keeps beside the apps' own records, with a copy of
// them in memory. It is their only writer in this process, so the copy is never
// behind.
type Records struct {
	drafts   *drafts
	settings *settings
	layers   *layers

	// changing orders, for each app, the changes of drafts, settings and whole
	// functions, each of which is a look and a write.
	changing keylock.Locks[string]
}

// NewRecords returns records that are empty until they are loaded. typed has the
// apps' own records.
//
// settle is how long a change of a draft is told to be going on; 0 is DefaultSettle.
func NewRecords(kv store.KV, typed *store.Store, apps Apps, settle time.Duration) *Records {
	return &Records{drafts: newDrafts(kv, typed, apps, cmp.Or(settle, DefaultSettle)), settings: newSettings(kv), layers: newLayers(kv)}
}

// Load reads the records. What cannot be understood is reported by the tables; one
// function's record is no reason to do without the others.
func (r *Records) Load(ctx context.Context) error {
	return errors.Join(r.drafts.load(ctx), r.settings.load(ctx), r.layers.load(ctx))
}

// Admit counts an invocation in, until release is called, or refuses it with
// teal.CodeThrottled. It does not block.
func (r *Records) Admit(app, component string) (release func(), err error) {
	return r.settings.limits.admit(awslambda.Ref{App: app, Component: component})
}

// DraftVersion returns an app's draft as a version that can run. It has no routes:
// an unfinished thing answers only who asks for it by name.
func (r *Records) DraftVersion(ctx context.Context, app string) (teal.Version, error) {
	return r.drafts.version(ctx, app)
}

// StoredDraft returns what the record of an app's draft is made of, whether or not a
// newer version has superseded it.
func (r *Records) StoredDraft(ctx context.Context, app string) (spec teal.Spec, ok bool) {
	return r.drafts.stored(ctx, app)
}

// DraftSpecs returns what all drafts are made of.
func (r *Records) DraftSpecs() []teal.Spec { return r.drafts.specs() }

// WhileUnchanged runs f while nobody changes the draft, the settings or the function
// of an app: who looks at the app after it sees what f has done.
func (r *Records) WhileUnchanged(app string, f func() error) error {
	defer r.changing.Lock(app)()
	return f()
}

// Layers returns all versions of layers.
func (r *Records) Layers() []awslambda.Layer { return r.layers.list("") }

// ForgetApp drops what is in memory of an app whose records are gone.
func (r *Records) ForgetApp(app string) {
	defer r.changing.Lock(app)()
	r.drafts.forget(app)
	r.settings.forgetApp(app)
}

// functionKey is the side record's key of a function.
func functionKey(ref awslambda.Ref) store.SideKey {
	return store.SideKey{App: ref.App, Name: ref.Component}
}

package secret

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"teal"
	"teal/internal/keylock"
	"teal/internal/store"
)

// Config is what Secrets needs.
type Config struct {
	KV      store.KV
	Keys    *Keys
	Folders Folders
	Users   Users
	Alerts  Alerts
	Logger  *slog.Logger
	Now     func() time.Time // nil: the clock
}

// Alerts takes what is wrong with secrets. Its methods must not block.
type Alerts interface {
	Report(teal.Alert)
	Resolve(code teal.AlertCode, subject string)
}

// Users says who needs secrets.
type Users interface {
	// Of returns who refers to the secrets of an app, in any order. An error says that
	// not all of them are known.
	Of(ctx context.Context, app string) ([]User, error)
	// Deleting reports whether an app is being deleted.
	Deleting(ctx context.Context, app string) bool
}

// User is something that refers to secrets.
type User struct {
	Name string // for people: "v3", "the release shop-4"
	Refs []teal.SecretRef
}

// Secrets are the secrets of a server. Safe for concurrent use; empty until Load.
type Secrets struct {
	cfg    Config
	mirror *store.Mirror[info]
	table  *store.Table[store.SecretKey, teal.Secret]
	watch  *store.Watch
	// changing is held for an app while revisions are bound or removed.
	changing keylock.Locks[string]
}

// info is a revision without its value. One that cannot be understood is the zero one.
type info struct {
	app, name string
	revision  int
	at        time.Time
	by        string
	key       string
	binary    bool
}

// MaxNames bounds how many secrets a server has.
const MaxNames = 20_000

// New returns secrets that are empty until Load.
func New(cfg Config) *Secrets {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Secrets{cfg: cfg}
	decode := store.New(cfg.KV).Secrets
	s.mirror = store.NewMirror(cfg.KV, store.SecretPattern("*"), func(e store.Entry) (info, error) {
		record, _ := decode.Decode(e) // one that cannot be understood has been reported
		v := record.Value
		return info{v.App, v.Name, v.Revision, v.SetAt, v.SetBy, v.Key, v.Binary}, nil
	})
	s.table = store.New(s.mirror).Secrets
	return s
}

// Load reads which secrets there are, however long ctx lasts: Run ends what it opens.
func (s *Secrets) Load(ctx context.Context) (err error) {
	s.watch, err = s.mirror.Load(context.WithoutCancel(ctx))
	return err
}

// View is a secret as people see it: its value is not in it.
type View struct {
	Name     string
	Revision int // the newest; a deploy binds a version to it
	SetAt    time.Time
	SetBy    string
	UsedBy   []string // what refers to it, in whatever revision, for people
}

// Set is an order to give a secret of an app a value.
type Set struct {
	App, Name string
	Value     []byte
	By        string
	// Expect is the newest revision that it must have, 0 for none; nil: whatever it has.
	Expect *int
}

// maxTries bounds how often a number is looked for that no other writer has taken.
const maxTries = 100

// Set gives a secret a new revision, which versions that are deployed from then on are
// bound to. The value that it has already makes none. CodeConflict says that it has not
// the revision that was expected.
func (s *Secrets) Set(ctx context.Context, order Set) (view View, created bool, err error) {
	if err := s.checkSet(order); err != nil {
		return View{}, false, err
	}
	key, err := s.cfg.Keys.sealing(ctx, true)
	if err != nil {
		return View{}, false, err
	}
	for range maxTries {
		newest := s.newest(order.App, order.Name)
		if order.Expect != nil && *order.Expect != newest.revision {
			return View{}, false, teal.Errorf(teal.CodeConflict, "the secret %s of app %s has revision %d, not %d: somebody else has set it; look at `teal secret list %s` and set it again", order.Name, order.App, newest.revision, *order.Expect, order.App)
		}
		if newest.revision > 0 && s.holds(ctx, newest, order.Value) {
			return s.view(ctx, newest), false, nil
		}
		made, err := s.write(ctx, order, newest.revision+1, key)
		if err == nil {
			s.tidy(ctx, made)
			return s.view(ctx, made), true, nil
		}
		if !errors.Is(err, store.ErrExists) {
			return View{}, false, err
		}
		if err := s.mirror.Refresh(ctx); err != nil {
			return View{}, false, err
		}
	}
	return View{}, false, teal.Errorf(teal.CodeConflict, "the secret %s of app %s is being set by many others at the same time; try again", order.Name, order.App)
}

func (s *Secrets) checkSet(order Set) error {
	if err := teal.CheckSecretValue(order.Value); err != nil {
		return err
	}
	all, ofApp := s.count(order.App)
	switch known := s.newest(order.App, order.Name).revision > 0; {
	case known:
	case ofApp >= teal.MaxSecrets:
		return teal.Errorf(teal.CodeTooLarge, "app %s has %d secrets, which is the most that it may have; remove those that nothing needs with `teal secret rm`", order.App, ofApp)
	case all >= MaxNames:
		return teal.Errorf(teal.CodeTooLarge, "this server has %d secrets, which is the most that it may have; remove those that nothing needs with `teal secret rm`", all)
	}
	return nil
}

func beingDeleted(app string) error {
	return teal.Errorf(teal.CodeUnknownApp, "app %s is being deleted, its secrets too; set it again when that is over", app)
}

// write records a revision. Of an app that is being deleted none stays.
func (s *Secrets) write(ctx context.Context, order Set, revision int, key key) (info, error) {
	made := teal.Secret{App: order.App, Name: order.Name, Revision: revision, SetAt: s.cfg.Now().UTC(), SetBy: order.By, Binary: bytes.IndexByte(order.Value, 0) >= 0}
	made, err := seal(made, order.Value, key)
	if err != nil {
		return info{}, err
	}
	record, err := s.table.Create(ctx, made)
	if err != nil {
		return info{}, err
	}
	if s.cfg.Users.Deleting(ctx, order.App) { // not asked before: the deletion may have begun since, and have seen no secret
		err := store.IgnoreMissing(s.table.Delete(ctx, store.SecretKey{App: made.App, Name: made.Name, Revision: revision}, record.Revision))
		return info{}, errors.Join(beingDeleted(order.App), err)
	}
	return info{made.App, made.Name, made.Revision, made.SetAt, made.SetBy, made.Key, made.Binary}, nil
}

// holds reports whether a revision is known to have a value.
func (s *Secrets) holds(ctx context.Context, i info, value []byte) bool {
	has, err := s.Value(ctx, i.app, teal.SecretRef{Name: i.name, Revision: i.revision})
	return err == nil && bytes.Equal(has, value)
}

// newest returns the newest revision of a secret; the zero info when there is none.
func (s *Secrets) newest(app, name string) (newest info) {
	s.mirror.Each(func(i info) {
		if i.app == app && i.name == name && i.revision > newest.revision {
			newest = i
		}
	})
	return newest
}

func (s *Secrets) count(app string) (all, ofApp int) {
	names := map[[2]string]bool{}
	s.mirror.Each(func(i info) { names[[2]string{i.app, i.name}] = true })
	for name := range names {
		if name[0] == app {
			ofApp++
		}
	}
	return len(names), ofApp
}

// newestOf returns the newest revision of every secret of an app, by name.
func (s *Secrets) newestOf(app string) map[string]info {
	all := map[string]info{}
	s.mirror.Each(func(i info) {
		if i.app == app && i.revision > all[i.name].revision {
			all[i.name] = i
		}
	})
	return all
}

// tidy removes the revisions that a new one has made needless.
func (s *Secrets) tidy(ctx context.Context, newest info) {
	if newest.revision == 1 {
		return
	}
	if err := s.Sweep(ctx, newest.app); err != nil {
		s.cfg.Logger.Warn("older revisions of a secret could not be removed; the next release will try again", "app", newest.app, "secret", newest.name, "error", err)
	}
}

// view returns a secret as people see it; what refers to it is left out where that is
// not known.
func (s *Secrets) view(ctx context.Context, i info) View {
	view := viewOf(i)
	if users, err := s.cfg.Users.Of(ctx, i.app); err == nil {
		view.UsedBy = namesOf(users, i.name)
	}
	return view
}

func viewOf(i info) View {
	return View{Name: i.name, Revision: i.revision, SetAt: i.at, SetBy: i.by}
}

// List returns the secrets of an app, by name.
func (s *Secrets) List(ctx context.Context, app string) ([]View, error) {
	users, err := s.cfg.Users.Of(ctx, app)
	if err != nil {
		return nil, err
	}
	views := []View{}
	for _, i := range s.newestOf(app) {
		view := viewOf(i)
		view.UsedBy = append(view.UsedBy, namesOf(users, i.name)...)
		views = append(views, view)
	}
	slices.SortFunc(views, func(a, b View) int { return cmp.Compare(a.Name, b.Name) })
	return views, nil
}

// namesOf returns which users refer to a secret.
func namesOf(users []User, name string) []string {
	var names []string
	for _, u := range users {
		if slices.ContainsFunc(u.Refs, func(r teal.SecretRef) bool { return r.Name == name }) {
			names = append(names, u.Name)
		}
	}
	return names
}

// Remove deletes a secret with all its revisions. CodeSecretInUse says what refers to it.
func (s *Secrets) Remove(ctx context.Context, app, name string) error {
	defer s.changing.Lock(app)()
	if s.newest(app, name).revision == 0 {
		return unknown(app, name)
	}
	users, err := s.cfg.Users.Of(ctx, app)
	if err != nil {
		return err
	}
	if in := namesOf(users, name); len(in) > 0 {
		return teal.Errorf(teal.CodeSecretInUse, "the secret %s of app %s is in use by %s; deploy the app without it, and it can be removed when these are gone", name, app, some(in))
	}
	return s.removeWhere(ctx, func(i info) bool { return i.app == app && i.name == name })
}

func unknown(app, name string) error {
	return teal.Errorf(teal.CodeUnknownSecret, "app %s has no secret %s; `teal secret list %s` lists those that it has", app, name, app)
}

// some names the last few of many.
func some(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return strings.Join(names[more:], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// removeWhere deletes revisions, the oldest first, so that a crash leaves no secret whose
// newest revision is one that others were newer than.
func (s *Secrets) removeWhere(ctx context.Context, which func(info) bool) error {
	var found []info
	s.mirror.Each(func(i info) {
		if i.revision > 0 && which(i) {
			found = append(found, i)
		}
	})
	slices.SortFunc(found, func(a, b info) int { return cmp.Compare(a.revision, b.revision) })
	for _, i := range found {
		key := store.SecretKey{App: i.app, Name: i.name, Revision: i.revision}
		path, err := s.table.Path(key)
		if err == nil {
			err = store.IgnoreMissing(s.table.Delete(ctx, key, s.mirror.Revision(path)))
		}
		if err != nil {
			return err
		}
		s.cfg.Alerts.Resolve(teal.AlertSecretUnreadable, subject(i.app, i.name, i.revision))
	}
	return nil
}

// Bind returns the newest revisions of secrets of an app, by name, and keeps them from
// being removed until release is called: by then what refers to them must be recorded.
// The error names those that there are not.
func (s *Secrets) Bind(_ context.Context, app string, refs []teal.SecretRef) (revisions map[string]int, release func(), err error) {
	if len(refs) == 0 {
		return nil, func() {}, nil
	}
	release = s.changing.Lock(app)
	newest, revisions, missing := s.newestOf(app), map[string]int{}, map[string]bool{}
	for _, ref := range refs {
		i, known := newest[ref.Name]
		revisions[ref.Name] = i.revision
		switch {
		case !known:
			missing[ref.Name] = true
		case i.binary && !ref.File:
			release()
			return nil, nil, ref.ErrBinary()
		}
	}
	if len(missing) > 0 {
		release()
		names := slices.Sorted(maps.Keys(missing))
		return nil, nil, teal.Errorf(teal.CodeUnknownSecret, "app %s has no secret %s, to which its env refers; set it first: teal secret set %s %s < FILE", app, strings.Join(names, ", "), app, names[0])
	}
	return revisions, release, nil
}

// Value returns the value of a secret of an app, in the revision that the reference is
// bound to. The error is CodeUnknownSecret for one that there is not, or
// CodeSecretUnavailable for one that cannot be read; then an alert says so, too.
func (s *Secrets) Value(ctx context.Context, app string, ref teal.SecretRef) ([]byte, error) {
	key := store.SecretKey{App: app, Name: ref.Name, Revision: ref.Revision}
	record, err := s.table.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &teal.Error{Code: teal.CodeUnknownSecret, Err: err, Message: fmt.Sprintf("revision %d of the secret %s of app %s is gone; deploy again with `teal deploy --refresh-secrets`", ref.Revision, ref.Name, app)}
	}
	if errors.Is(err, store.ErrUnreadable) {
		return nil, unavailable(teal.Secret{App: app, Name: ref.Name, Revision: ref.Revision}, "its record cannot be understood")
	}
	if err != nil {
		return nil, err
	}
	value, err := s.cfg.Keys.unseal(ctx, record.Value)
	s.judge(record.Value, err)
	return value, err
}

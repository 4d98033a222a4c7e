package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// tableCase is a table with a record of its own.
type tableCase struct {
	key    string // of the KV
	create func() error
	// ways is everything that reads or writes the record.
	ways map[string]func() error
	typ  reflect.Type
}

// caseOf returns the case of a table; touch changes a record.
func caseOf[K comparable, T any](t *testing.T, table *store.Table[K, T], key K, value T, touch func(*T)) tableCase {
	t.Helper()
	ctx := t.Context()
	path, err := table.Path(key)
	if err != nil {
		t.Fatal(err)
	}
	change := func(v *T) error { touch(v); return nil }
	return tableCase{
		key: path, typ: reflect.TypeFor[T](),
		create: func() error { _, err := table.Create(ctx, value); return err },
		ways: map[string]func() error{
			"Get":    func() error { _, err := table.Get(ctx, key); return err },
			"List":   func() error { _, err := table.List(ctx, ""); return err },
			"Modify": func() error { _, err := table.Modify(ctx, key, change); return err },
			"Upsert": func() error {
				_, err := table.Upsert(ctx, key, func(v *T, _ bool) error { return change(v) })
				return err
			},
			"Replace": func() error { _, err := table.Replace(ctx, value); return err },
			"Scan": func() error {
				return table.Scan(ctx, "", func(_ string, _ store.Record[T], err error) error { return err })
			},
		},
	}
}

// everyTable returns a case of every table of a Store, and of a side table. A
// table that is added to Store and not here fails the count.
func everyTable(t *testing.T, kv store.KV) []tableCase {
	t.Helper()
	s := store.New(kv)
	side := store.NewSide(kv, "lambda", "notes", func(n note) store.SideKey { return store.SideKey{App: n.App, Name: n.Name} })
	one := store.VersionKey{App: "shop", Number: 1}
	spec := teal.Spec{App: "shop", Components: map[string]teal.Component{"up": {Upstream: &teal.Upstream{}}}}
	cases := []tableCase{
		caseOf(t, s.Apps, "shop", teal.App{Name: "shop"}, func(a *teal.App) { a.LastVersion++ }),
		caseOf(t, s.Versions, one, teal.Version{App: "shop", Number: 1, Spec: spec}, func(v *teal.Version) { v.Digest += "x" }),
		caseOf(t, s.Aliases, store.AliasKey{App: "shop", Name: "live"}, teal.Alias{App: "shop", Name: "live", Targets: teal.Only(1)}, func(a *teal.Alias) { a.Description += "x" }),
		caseOf(t, s.Environments, one.Environment(), teal.Environment{App: "shop", Version: 1}, func(e *teal.Environment) { e.Reason += "x" }),
		caseOf(t, s.Releases, "shop-1", teal.Release{ID: "shop-1", App: "shop", Phase: teal.PhaseQueued}, func(r *teal.Release) { r.Reason += "x" }),
		caseOf(t, s.Tokens, "ci", teal.Token{Name: "ci", Role: teal.RoleViewer}, func(v *teal.Token) { v.CreatedBy += "x" }),
		caseOf(t, s.Secrets, store.SecretKey{App: "shop", Name: "db", Revision: 1}, teal.Secret{App: "shop", Name: "db", Revision: 1}, func(v *teal.Secret) { v.SetBy += "x" }),
		caseOf(t, side, store.SideKey{App: "shop", Name: "n"}, note{"shop", "n", "text"}, func(n *note) { n.Text += "x" }),
	}
	tables := 0
	for i := range reflect.TypeFor[store.Store]().NumField() {
		if strings.HasPrefix(reflect.TypeFor[store.Store]().Field(i).Type.String(), "*store.Table[") {
			tables++
		}
	}
	if tables != len(cases)-1 {
		t.Fatalf("the store has %d tables and this test %d", tables, len(cases)-1)
	}
	return cases
}

// A record of a newer schema is nobody's but its own: no read takes it for less
// than it is, no write takes its place, and it is told of. Seen red, for every
// table, without checkNumberOf in Decode (every way succeeded, and the fields of the newer
// Teal were gone), and without the look at ErrNewer in Replace (the record was
// replaced).
func TestARecordOfANewerTealIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv, told := memkv.New(), &damage{}
	for _, c := range everyTable(t, store.WithDamage(kv, told)) {
		if err := c.create(); err != nil {
			t.Fatal(err)
		}
		entry, err := kv.Get(ctx, c.key)
		if err != nil || !strings.HasPrefix(string(entry.Value), `{"schema":1,`) {
			t.Fatalf("%s is %s, %v", c.key, entry.Value, err)
		}
		newer := strings.Replace(string(entry.Value), `{"schema":1,`, `{"schema":99,"of_the_newer":"kept",`, 1)
		revision, err := kv.Update(ctx, c.key, []byte(newer), entry.Revision)
		if err != nil {
			t.Fatal(err)
		}
		for name, way := range c.ways {
			err := way()
			if !errors.Is(err, store.ErrUnreadable) || !errors.Is(err, store.ErrNewer) || !strings.Contains(teal.MessageOf(err), "a newer Teal wrote it") {
				t.Errorf("%s of %s: %v", name, c.key, err)
			}
		}
		if now, err := kv.Get(ctx, c.key); err != nil || string(now.Value) != newer || now.Revision != revision {
			t.Errorf("%s is %s now, %v", c.key, now.Value, err)
		}
		if !told.open[c.key] {
			t.Errorf("nobody was told of %s", c.key)
		}
	}
	if aside, err := kv.List(ctx, store.AsidePrefix+">"); err != nil || len(aside) > 0 {
		t.Errorf("set aside: %v, %v", aside, err)
	}
}

// Records from before there were numbers are of the first schema: they are read,
// and a change that changes nothing leaves them as they are. Seen red without
// withoutNumber in modifyOnce: the record was written once more.
func TestRecordsWithoutANumberAreOfTheFirstSchema(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv := memkv.New()
	for _, c := range everyTable(t, kv) {
		if err := c.create(); err != nil {
			t.Fatal(err)
		}
		entry, err := kv.Get(ctx, c.key)
		if err != nil {
			t.Fatal(err)
		}
		before := strings.Replace(string(entry.Value), `"schema":1,`, "", 1)
		if _, err := kv.Update(ctx, c.key, []byte(before), entry.Revision); err != nil {
			t.Fatal(err)
		}
		if err := c.ways["Get"](); err != nil {
			t.Errorf("%s: %v", c.key, err)
		}
		if err := c.ways["Modify"](); err != nil {
			t.Errorf("%s: %v", c.key, err)
		}
		if now, err := kv.Get(ctx, c.key); err != nil || !strings.HasPrefix(string(now.Value), `{"schema":1,`) {
			t.Errorf("%s has no number after a change: %s, %v", c.key, now.Value, err)
		}
	}
	const key = "apps.old.app"
	was := []byte(`{"name":"old","created_at":"2026-01-02T03:04:05Z","last_version":0,"last_release":0,"policy":{"strategy":"","ready_within":"0s","confidence":"0s","drain":"0s"}}`)
	revision, err := kv.Create(ctx, key, was)
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(kv)
	record, err := s.Apps.Modify(ctx, "old", func(*teal.App) error { return nil })
	if err != nil || record.Revision != revision {
		t.Errorf("a change that changes nothing wrote revision %d over %d, %v", record.Revision, revision, err)
	}
}

// Only a positive number is one, and no type of a record has a field of that name,
// which would be the second one in its object.
func TestNumbersOfSchemas(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	s := store.New(kv)
	for i, number := range []string{"0", "-1", "1.5", `"1"`, "null", "", "99999999999999999999"} {
		name := fmt.Sprintf("app%d", i)
		if _, err := kv.Create(t.Context(), "apps."+name+".app", []byte(`{"schema":`+number+`,"name":"`+name+`"}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Apps.Get(t.Context(), name); !errors.Is(err, store.ErrUnreadable) || errors.Is(err, store.ErrNewer) {
			t.Errorf("%s: %v", number, err)
		}
	}
	for _, c := range everyTable(t, kv) {
		data, err := json.Marshal(reflect.New(c.typ).Interface())
		if err != nil || strings.Contains(string(data), `{"schema"`) || strings.Contains(string(data), `,"schema"`) {
			t.Errorf("%v is stored as %s, %v", c.typ, data, err)
		}
	}
}

// An option raises the number of a side table.
func TestSchemaOfASideTable(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	key := func(n note) store.SideKey { return store.SideKey{App: n.App, Name: n.Name} }
	first := store.NewSide(kv, "lambda", "notes", key)
	second := store.NewSide(kv, "lambda", "notes", key, store.Schema(2))
	if _, err := first.Create(t.Context(), note{"shop", "n", "1"}); err != nil {
		t.Fatal(err)
	}
	at := store.SideKey{App: "shop", Name: "n"}
	if _, err := second.Modify(t.Context(), at, func(n *note) error { n.Text = "2"; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Modify(t.Context(), at, func(n *note) error { n.Text = "3"; return nil }); !errors.Is(err, store.ErrNewer) {
		t.Errorf("the older table: %v", err)
	}
}

// A version whose routes, checks or triggers an earlier Teal would read otherwise has a number that
// it does not read; every other one keeps the number that it does.
//
// Seen red with one number for all versions.
func TestAVersionHasTheNumberThatItNeeds(t *testing.T) {
	plain := teal.Route{Host: "shop.example", Path: "/a%2Fb", To: "up"}
	up := func(u teal.Upstream) map[string]teal.Component {
		return map[string]teal.Component{"up": {Upstream: &u}}
	}
	for name, tt := range map[string]struct {
		spec   teal.Spec
		number string
	}{
		"plain":     {teal.Spec{Components: up(teal.Upstream{}), Routes: []teal.Route{plain}}, "1"},
		"wildcard":  {teal.Spec{Components: up(teal.Upstream{}), Routes: []teal.Route{plain, {Host: "*.shop.example", Path: "/", To: "up"}}}, "2"},
		"methods":   {teal.Spec{Components: up(teal.Upstream{}), Routes: []teal.Route{{Path: "/", To: "up", Methods: []string{"GET"}}}}, "2"},
		"redirect":  {teal.Spec{Components: up(teal.Upstream{}), Routes: []teal.Route{{Path: "/", Redirect: &teal.Redirect{To: "/x"}}}}, "2"},
		"strip":     {teal.Spec{Components: up(teal.Upstream{}), Routes: []teal.Route{{Path: "/a", To: "up", Strip: true}}}, "2"},
		"own host":  {teal.Spec{Components: up(teal.Upstream{Host: teal.HostUpstream})}, "2"},
		"a status":  {teal.Spec{Components: up(teal.Upstream{Health: teal.Health{Expect: []string{"401"}}})}, "2"},
		"a service": {teal.Spec{Components: map[string]teal.Component{"up": {Service: &teal.Service{Health: teal.Health{Host: "x"}}}}}, "2"},
		"a trigger": {teal.Spec{Components: up(teal.Upstream{}), Triggers: []teal.Trigger{{Name: "a", To: "up"}}}, "3"},
	} {
		kv := memkv.New()
		if _, err := store.New(kv).Versions.Create(t.Context(), teal.Version{App: "shop", Number: 1, Spec: tt.spec}); err != nil {
			t.Fatal(err)
		}
		path, err := store.New(kv).Versions.Path(store.VersionKey{App: "shop", Number: 1})
		if err != nil {
			t.Fatal(err)
		}
		entry, err := kv.Get(t.Context(), path)
		if want := `{"schema":` + tt.number + ","; err != nil || !strings.HasPrefix(string(entry.Value), want) {
			t.Errorf("%s: %s, %v; want %s", name, entry.Value, err, want)
		}
	}
}

// An app that somebody has stopped or frozen, or whose deletion keeps what it has
// stored, has a number that an earlier Teal does not read: that one would drop the mark
// with its next write. Every other app keeps the number that it does read, also once
// the orders are history.
//
// Seen red with one number for all apps.
func TestAnAppHasTheNumberThatItNeeds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	given := func(kinds ...teal.AppOrderKind) teal.App {
		app := teal.App{Name: "shop"}
		for _, kind := range kinds {
			app.Give(teal.AppOrder{Kind: kind, By: "ann", At: at})
		}
		return app
	}
	for name, tt := range map[string]struct {
		app    teal.App
		number string
	}{
		"plain":       {given(), "1"},
		"stopped":     {given(teal.OrderStop), "2"},
		"started":     {given(teal.OrderStop, teal.OrderStart), "1"},
		"frozen":      {given(teal.OrderFreeze), "2"},
		"unfrozen":    {given(teal.OrderFreeze, teal.OrderUnfreeze), "1"},
		"deleted":     {teal.App{Name: "shop", Deleting: true}, "1"},
		"kept partly": {teal.App{Name: "shop", Deleting: true, KeepState: true}, "2"},
	} {
		kv := memkv.New()
		if _, err := store.New(kv).Apps.Create(t.Context(), tt.app); err != nil {
			t.Fatal(err)
		}
		entry, err := kv.Get(t.Context(), "apps.shop.app")
		if want := `{"schema":` + tt.number + ","; err != nil || !strings.HasPrefix(string(entry.Value), want) {
			t.Errorf("%s: %s, %v; want %s", name, entry.Value, err, want)
		}
	}
}

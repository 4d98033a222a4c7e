package secret_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"teal"
	"teal/internal/await"
	"teal/internal/doctor"
	"teal/internal/secret"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// world is a server's secrets, its store, and what refers to them.
type world struct {
	*secret.Secrets
	t      *testing.T
	kv     store.KV
	dir    string // has secrets.key
	alerts *doctor.Alerts
	log    *bytes.Buffer
	users  *users
}

// users are those that a test says there are.
type users struct {
	mu       sync.Mutex
	list     []secret.User
	err      error
	deleting bool
}

func (u *users) Of(context.Context, string) ([]secret.User, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.list, u.err
}

func (u *users) Deleting(context.Context, string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.deleting
}

func (u *users) set(list ...secret.User) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = list
}

func newWorld(t *testing.T) *world {
	return open(t, &world{t: t, kv: memkv.New(), dir: t.TempDir(), users: &users{}}, "")
}

// open opens the secrets of a world, as a server that starts does.
func open(t *testing.T, w *world, command string) *world {
	t.Helper()
	again := *w
	w = &again
	w.log = &bytes.Buffer{}
	w.alerts = doctor.New(slog.New(slog.DiscardHandler), nil)
	w.Secrets = secret.New(secret.Config{
		KV: store.WithDamage(w.kv, store.DamageAlerts(w.alerts)), Keys: secret.NewKeys(secret.KeysConfig{File: w.key(), Command: command}),
		Folders: secret.FoldersIn(t.TempDir()), Users: w.users, Alerts: w.alerts, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	if err := w.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// run runs the secrets until the returned function is called, or the test ends.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := await.Value(w.t, "the secrets to end", ended); err != nil && !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *world) key() string { return filepath.Join(w.dir, "secrets.key") }

func (w *world) put(name, value string) secret.View {
	w.t.Helper()
	view, _, err := w.Set(w.t.Context(), secret.Set{App: "shop", Name: name, Value: []byte(value), By: "ann"})
	if err != nil {
		w.t.Fatal(err)
	}
	return view
}

func (w *world) value(name string, revision int) string {
	w.t.Helper()
	value, err := w.Value(w.t.Context(), "shop", teal.SecretRef{Name: name, Revision: revision})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(value)
}

// records returns the keys of all records of secrets.
func (w *world) records() (keys []string) {
	w.t.Helper()
	list, err := w.kv.List(w.t.Context(), "secret.>")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range list {
		keys = append(keys, e.Key)
	}
	return keys
}

// change writes over the record of a secret.
func (w *world) change(key string, change func(*teal.Secret)) {
	w.t.Helper()
	entry, err := w.kv.Get(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	var s teal.Secret
	if err := json.Unmarshal(entry.Value, &s); err != nil {
		w.t.Fatal(err)
	}
	change(&s)
	data, err := json.Marshal(s)
	if err == nil {
		_, err = w.kv.Update(w.t.Context(), key, store.WithNumber(data, 1), entry.Revision)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) alert(subject string) teal.Alert {
	for _, a := range w.alerts.List() {
		if a.Code == teal.AlertSecretUnreadable && a.Subject == subject {
			return a
		}
	}
	return teal.Alert{}
}

// A value is read in the revision that it was set with, by another server too, and its
// record holds nothing of it. The same value once more makes no revision. Seen red with a
// seal that returns the value, with holds left out, and without newest's look at revision.
func TestRevisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.users.set(secret.User{Name: "v1", Refs: []teal.SecretRef{{Name: "db", Revision: 1}}})
	if first := w.put("db", canary); first.Revision != 1 || first.SetBy != "ann" {
		t.Fatalf("%+v", first)
	}
	if again := w.put("db", canary); again.Revision != 1 {
		t.Errorf("the same value once more: %+v", again)
	}
	if second := w.put("db", "another"); second.Revision != 2 || !slices.Equal(second.UsedBy, []string{"v1"}) {
		t.Errorf("%+v", second)
	}
	w.users.set(secret.User{Name: "all", Refs: everyRevision("db", 20)})
	for n := 3; n <= 10; n++ {
		if next := w.put("db", []string{"another", canary}[n%2]); next.Revision != n { // as it was before is new as well
			t.Errorf("%+v, want revision %d", next, n)
		}
	}
	other := open(t, w, "")
	if one, two := other.value("db", 1), other.value("db", 2); one != canary || two != "another" {
		t.Errorf("read as %q and %q", one, two)
	}
	list, err := other.List(t.Context(), "shop")
	if err != nil || len(list) != 1 || list[0].Name != "db" || list[0].Revision != 10 {
		t.Errorf("%+v, %v", list, err)
	}
	for _, key := range w.records() {
		entry, err := w.kv.Get(t.Context(), key)
		if err != nil || !bytes.HasPrefix(entry.Value, []byte(`{"schema":1,`)) || bytes.Contains(entry.Value, []byte("swordfish")) || bytes.Contains(entry.Value, []byte("another")) {
			t.Errorf("%s is %s, %v", key, entry.Value, err)
		}
	}
	if info, err := os.Stat(w.key()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
}

// What cannot be a secret is refused with what to do. Seen red without the looks at the
// value, at Expect and at Deleting.
func TestSetRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	none, five := 0, 5
	w.put("db", "value")
	for name, c := range map[string]struct {
		order secret.Set
		code  teal.Code
		says  string
	}{
		"no value":        {secret.Set{App: "shop", Name: "a"}, teal.CodeInvalidInput, "is empty"},
		"too much":        {secret.Set{App: "shop", Name: "a", Value: make([]byte, 64<<10+1)}, teal.CodeTooLarge, "65537 bytes"},
		"no name":         {secret.Set{App: "shop", Value: []byte("v")}, teal.CodeInvalidInput, "secret name"},
		"a strange name":  {secret.Set{App: "shop", Name: "../key", Value: []byte("v")}, teal.CodeInvalidInput, "secret name"},
		"a name in words": {secret.Set{App: "shop", Name: "schlüssel", Value: []byte("v")}, teal.CodeInvalidInput, "secret name"},
		"a long name":     {secret.Set{App: "shop", Name: strings.Repeat("n", 65), Value: []byte("v")}, teal.CodeInvalidInput, "at most 64"},
		"a strange app":   {secret.Set{App: "a.b", Name: "a", Value: []byte("v")}, teal.CodeInvalidInput, "app name"},
		"it is there":     {secret.Set{App: "shop", Name: "db", Value: []byte("v"), Expect: &none}, teal.CodeConflict, "has revision 1, not 0"},
		"it is another":   {secret.Set{App: "shop", Name: "db", Value: []byte("v"), Expect: &five}, teal.CodeConflict, "has revision 1, not 5"},
	} {
		_, _, err := w.Set(t.Context(), c.order)
		if !teal.IsCode(err, c.code) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.users.deleting = true
	if _, _, err := w.Set(t.Context(), secret.Set{App: "shop", Name: "late", Value: []byte("v")}); !teal.IsCode(err, teal.CodeUnknownApp) {
		t.Errorf("of an app that is being deleted: %v", err)
	}
	if keys := w.records(); len(keys) != 1 { // what was written of it is gone again
		t.Errorf("%v", keys)
	}
	most := newWorld(t)
	most.put("largest", strings.Repeat("\x00é", 64<<10/3)+"x")
	if got := most.value("largest", 1); len(got) != 64<<10 {
		t.Errorf("%d bytes of the largest value", len(got))
	}
}

// Writers that come at once get a revision each; of those that say what they expect, one
// does. Seen red without the look at ErrExists (some failed) and without that at Expect.
func TestWritersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const writers = 16
	w.put("key", "makes the key")
	w.users.set(secret.User{Name: "all", Refs: everyRevision("db", 2*writers)})
	var work sync.WaitGroup
	results := make(chan error, 2*writers)
	for i := range writers {
		order := secret.Set{App: "shop", Name: "db", Value: fmt.Appendf(nil, "value-%d", i)}
		work.Go(func() {
			other := open(t, w, "") // of another server, which sees the records late
			_, _, err := other.Set(t.Context(), order)
			results <- err
		})
	}
	work.Wait()
	for range writers {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	w = open(t, w, "")
	seen := map[string]bool{}
	for n := 1; n <= writers; n++ {
		seen[w.value("db", n)] = true
	}
	if len(seen) != writers {
		t.Errorf("%d values in %d revisions", len(seen), writers)
	}
	expect := writers
	for i := range writers {
		work.Go(func() {
			_, _, err := w.Set(t.Context(), secret.Set{App: "shop", Name: "db", Value: fmt.Appendf(nil, "next-%d", i), Expect: &expect})
			results <- err
		})
	}
	work.Wait()
	won := 0
	for range writers {
		if err := <-results; err == nil {
			won++
		} else if !teal.IsCode(err, teal.CodeConflict) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers have changed the revision that they expected", won)
	}
}

func everyRevision(name string, n int) (refs []teal.SecretRef) {
	for i := range n {
		refs = append(refs, teal.SecretRef{Name: name, Revision: i + 1})
	}
	return refs
}

// A secret in use stays, one that is not goes with all its revisions; revisions that
// nothing is bound to go before. While it is not known what is bound to them, nothing
// goes. Seen red with Remove and Sweep without the look at the users, and with a Sweep
// that takes the newest revision.
func TestWhatIsInUseStays(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWorld(t)
	w.users.set(secret.User{Name: "v1", Refs: everyRevision("db", 1)}, secret.User{Name: "v3", Refs: []teal.SecretRef{{Name: "db", Revision: 3}}})
	for _, value := range []string{"one", "two", "three", "four"} {
		w.put("db", value)
	}
	w.put("db-2", "else")
	if got, want := w.records(), []string{"secret.shop.db-2.000001", "secret.shop.db.000001", "secret.shop.db.000003", "secret.shop.db.000004"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	err := w.Remove(ctx, "shop", "db")
	if !teal.IsCode(err, teal.CodeSecretInUse) || !strings.Contains(err.Error(), "v1, v3") {
		t.Errorf("removed in use: %v", err)
	}
	w.users.err = errors.New("cannot be read")
	for name, err := range map[string]error{"Remove": w.Remove(ctx, "shop", "db"), "Sweep": w.Sweep(ctx, "shop")} {
		if !errors.Is(err, w.users.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(w.records()); n != 4 {
		t.Errorf("%d records", n)
	}
	w.users.err = nil
	w.users.set()
	if err := w.Sweep(ctx, "shop"); err != nil || len(w.records()) != 2 {
		t.Errorf("%v, %v", w.records(), err)
	}
	if err := w.Remove(ctx, "shop", "db"); err != nil {
		t.Error(err)
	}
	if err := w.Remove(ctx, "shop", "db"); !teal.IsCode(err, teal.CodeUnknownSecret) {
		t.Errorf("removed twice: %v", err)
	}
	if err := w.Forget(ctx, "shop"); err != nil || len(w.records()) != 0 {
		t.Errorf("%v, %v", w.records(), err)
	}
}

// What is being bound is not removed until it is recorded. Seen red without the lock in
// Remove.
func TestWhatIsBeingBoundStays(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWorld(t)
	w.put("db", "one")
	for range 200 {
		w.users.set()
		revisions, release, err := w.Bind(ctx, "shop", []teal.SecretRef{{Name: "db"}})
		if err != nil || revisions["db"] != 1 {
			t.Fatal(revisions, err)
		}
		removed := make(chan error, 1)
		go func() { removed <- w.Remove(ctx, "shop", "db") }()
		runtime.Gosched()
		w.users.set(secret.User{Name: "v1", Refs: everyRevision("db", 1)})
		release()
		if err := await.Value(t, "Remove to end", removed); !teal.IsCode(err, teal.CodeSecretInUse) {
			t.Fatalf("removed: %v", err)
		}
	}
	_, _, err := w.Bind(ctx, "shop", []teal.SecretRef{{Name: "db"}, {Name: "b"}, {Name: "a"}, {Name: "a"}})
	if !teal.IsCode(err, teal.CodeUnknownSecret) || !strings.Contains(err.Error(), "no secret a, b,") {
		t.Errorf("bound to what is not there: %v", err)
	}
	w.put("blob", "\x00")
	if _, _, err := w.Bind(ctx, "shop", []teal.SecretRef{{Name: "blob"}}); !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), "as: file") {
		t.Errorf("a NUL byte bound to a variable: %v", err)
	}
	if err := w.Remove(ctx, "shop", "a"); !teal.IsCode(err, teal.CodeUnknownSecret) { // the refused Bind holds nothing
		t.Error(err)
	}
}

// A secret whose record is damaged, or is that of another one, is refused and told of; all
// others are read. Seen red without the label, and with judge left out.
func TestDamagedSecrets(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWorld(t)
	w.put("good", "the-good")
	w.put("bad", "the-bad")
	w.put("swapped", "the-swapped")
	w.put("torn", "the-torn")
	w.put("foreign", "the-foreign")
	var good []byte
	w.change("secret.shop.good.000001", func(s *teal.Secret) { good = s.Sealed })
	w.change("secret.shop.bad.000001", func(s *teal.Secret) { s.Sealed[len(s.Sealed)-1] ^= 1 })
	w.change("secret.shop.swapped.000001", func(s *teal.Secret) { s.Sealed = good })
	w.change("secret.shop.torn.000001", func(s *teal.Secret) { s.Sealed = s.Sealed[:20] })
	w.change("secret.shop.foreign.000001", func(s *teal.Secret) { s.Key = "age1nobody" })
	for name, says := range map[string]string{"bad": "damaged", "swapped": "of another secret", "torn": "damaged", "foreign": "age1nobody"} {
		_, err := w.Open(ctx, "shop", map[string]teal.SecretRef{"GOOD": {Name: "good", Revision: 1}, "V": {Name: name, Revision: 1}})
		if !teal.IsCode(err, teal.CodeSecretUnavailable) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "the-") {
			t.Errorf("%s: %v", name, err)
		}
		if a := w.alert("shop/" + name + "/1"); !strings.Contains(a.Message, name) || a.Remedy == "" {
			t.Errorf("%s: alert %+v", name, a)
		}
	}
	if got := w.value("good", 1); got != "the-good" {
		t.Errorf("%q", got)
	}
	if _, err := w.Value(ctx, "shop", teal.SecretRef{Name: "good", Revision: 7}); !teal.IsCode(err, teal.CodeUnknownSecret) || !strings.Contains(err.Error(), "--refresh-secrets") {
		t.Errorf("a revision that is gone: %v", err)
	}
}

// Without its key a server says so and reads nothing; what is set anew is read, and with
// the key back everything is. Seen red without missingKeys, and without read in named.
func TestALostKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("db", "old-value")
	lost, err := os.ReadFile(w.key())
	if err == nil {
		err = os.Remove(w.key())
	}
	if err != nil {
		t.Fatal(err)
	}
	w = open(t, w, "")
	stop := w.run()
	told := func() bool {
		return slices.ContainsFunc(w.alerts.List(), func(a teal.Alert) bool {
			return a.Code == teal.AlertSecretUnreadable && strings.Contains(a.Message, "1 secrets cannot be read (shop/db)") && !strings.Contains(a.Message+a.Remedy, "old-value")
		})
	}
	await.True(t, "the doctor to tell of the key", told)
	if _, err := w.Value(t.Context(), "shop", teal.SecretRef{Name: "db", Revision: 1}); !teal.IsCode(err, teal.CodeSecretUnavailable) || !strings.Contains(err.Error(), "is not in") {
		t.Errorf("read without the key: %v", err)
	}
	stop()
	w.users.set(secret.User{Name: "v1", Refs: everyRevision("db", 1)})
	w.put("db", "new-value")
	if got := w.value("db", 2); got != "new-value" {
		t.Errorf("%q", got)
	}
	both, err := os.ReadFile(w.key())
	if err == nil {
		err = os.WriteFile(w.key(), append(both, lost...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := w.value("db", 1); got != "old-value" { // the same process
		t.Errorf("%q", got)
	}
}

// A new key in the first line takes over: what is stored is encrypted with it, and the old
// key is not needed any more. Seen red without rotate.
func TestANewKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.users.set(secret.User{Name: "v1", Refs: everyRevision("db", 1)})
	w.put("db", "one")
	w.put("db", "two")
	old, err := os.ReadFile(w.key())
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fresh.String() + "\n" + string(old), fresh.String() + "\n"} {
		if err := os.WriteFile(w.key(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w = open(t, w, "")
		stop := w.run()
		await.True(t, "all to be encrypted with the new key", func() bool {
			for _, key := range w.records() {
				entry, err := w.kv.Get(t.Context(), key)
				if err != nil || !strings.Contains(string(entry.Value), fresh.Recipient().String()[:60]) {
					return false
				}
			}
			return true
		})
		stop()
		if one, two := w.value("db", 1), w.value("db", 2); one != "one" || two != "two" {
			t.Errorf("%q, %q", one, two)
		}
	}
	if !slices.Equal(w.records(), []string{"secret.shop.db.000001", "secret.shop.db.000002"}) {
		t.Errorf("%v", w.records())
	}
}

// The key may come from a command; one that fails says why, without what it may have
// printed of a key, and is asked again later. Seen red without runCommand's look at err.
func TestAKeyFromACommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	identity, err := age.GenerateX25519Identity()
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, "vault"), []byte(identity.String()), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	good := open(t, w, "cat '"+filepath.Join(w.dir, "vault")+"'")
	good.put("db", "value")
	if got := open(t, good, "cat '"+filepath.Join(w.dir, "vault")+"'").value("db", 1); got != "value" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(w.key()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file, too: %v", err)
	}
	for command, says := range map[string]string{
		"echo vault is sealed >&2; exit 1":               "vault is sealed",
		"echo got " + identity.String() + " >&2; exit 1": "AGE-SECRET-KEY-…",
		"echo no key":                    "holds no key",
		"true":                           "holds no key",
		"head -c 100000 /dev/zero":       "more than 65536 bytes",
		"echo " + identity.String()[:40]: "holds no key",
	} {
		w := open(t, w, command)
		_, _, err := w.Set(t.Context(), secret.Set{App: "shop", Name: "a", Value: []byte("v")})
		if !teal.IsCode(err, teal.CodeSecretUnavailable) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), identity.String()[16:]) {
			t.Errorf("%s: %v", command, err)
		}
	}
	if err := os.WriteFile(w.key(), []byte("AGE-SECRET-KEY-1NONSENSE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = open(t, w, "").Set(t.Context(), secret.Set{App: "shop", Name: "a", Value: []byte("v")})
	if !teal.IsCode(err, teal.CodeSecretUnavailable) || strings.Contains(err.Error(), "NONSENSE") {
		t.Errorf("a damaged file: %v", err)
	}
}

// A program gets variables and files, which are for their user alone and gone when it is
// over. Seen red without Close, and with WriteFile's mode 0644.
func TestOpen(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWorld(t)
	w.put("db", "url\n")
	w.put("tls", "\x00key")
	given, err := w.Open(ctx, "shop", map[string]teal.SecretRef{"DB": {Name: "db", Revision: 1}, "TLS": {Name: "tls", Revision: 1, File: true}})
	if err != nil {
		t.Fatal(err)
	}
	dir := given.Env[teal.SecretsFolder]
	if want := map[string]string{"DB": "url\n", "TLS": filepath.Join(dir, "tls"), teal.SecretsFolder: dir}; fmt.Sprint(given.Env) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", given.Env, want)
	}
	for name, want := range map[string]struct {
		text string
		mode os.FileMode
	}{"": {"", os.ModeDir | 0o700}, "db": {"url\n", 0o400}, "tls": {"\x00key", 0o400}} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want.mode {
			t.Errorf("%q: %v, %v", name, info, err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, name)); name != "" && (err != nil || string(text) != want.text) {
			t.Errorf("%q: %q, %v", name, text, err)
		}
	}
	if err := given.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left over: %v", err)
	}
	_, err = w.Open(ctx, "shop", map[string]teal.SecretRef{"TLS": {Name: "tls", Revision: 1}})
	if !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), "as: file") {
		t.Errorf("a NUL byte in a variable: %v", err)
	}
	refs := map[string]teal.SecretRef{}
	for i := range 9 {
		w.put(fmt.Sprintf("big-%d", i), strings.Repeat("x", 64<<10))
		refs[fmt.Sprintf("BIG_%d", i)] = teal.SecretRef{Name: fmt.Sprintf("big-%d", i), Revision: 1, File: true}
	}
	if _, err := w.Open(ctx, "shop", refs); !teal.IsCode(err, teal.CodeTooLarge) {
		t.Errorf("576 KiB: %v", err)
	}
}

// Folders of a server that has ended are removed, those of one that runs, as in an upgrade,
// and what is somebody else's are left alone. Seen red without removeLeft, without the
// lock, and with a link followed.
func TestFoldersOfAnEarlierServer(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("RUNTIME_DIRECTORY", "")
	name, fallback := fmt.Sprintf("teal-test-%d-%d", os.Getpid(), time.Now().UnixNano()), t.TempDir()
	server := func() (f secret.Folders, file string) {
		t.Helper()
		f, err := secret.NewFolders(name, fallback)
		if err == nil {
			file = filepath.Join(secret.Root(f), "file")
			err = os.WriteFile(file, []byte("value"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f, file
	}
	there := func(file string) bool { _, err := os.Stat(file); return err == nil }
	stranger := t.TempDir()
	first, left := server()
	secret.Die(first)
	strange := filepath.Join(filepath.Dir(secret.Root(first)), name+"-secrets-strange")
	if err := errors.Join(os.Symlink(stranger, strange), os.WriteFile(filepath.Join(stranger, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(strange) })
	second, running := server()
	third, newer := server()
	if there(left) || !there(running) || !there(newer) || !there(filepath.Join(stranger, "file")) {
		t.Errorf("of one that has ended: %t, of one that runs: %t, of a stranger: %t", there(left), there(running), there(filepath.Join(stranger, "file")))
	}
	if err := second.Close(); err != nil || there(running) || !there(newer) {
		t.Errorf("closed: %v, %t, %t", err, there(running), there(newer))
	}
	if err := third.Close(); err != nil || there(newer) {
		t.Errorf("closed: %v, %t", err, there(newer))
	}
}

// Thousands of secrets are listed, bound and found quickly, and there is an end to how
// many an app has. Seen red with MaxSecrets not looked at.
func TestThousandsOfSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range teal.MaxSecrets {
		w.put(fmt.Sprintf("s-%04d", i), fmt.Sprint("value-", i))
	}
	if _, _, err := w.Set(t.Context(), secret.Set{App: "shop", Name: "more", Value: []byte("v")}); !teal.IsCode(err, teal.CodeTooLarge) {
		t.Errorf("one too many: %v", err)
	}
	if _, _, err := w.Set(t.Context(), secret.Set{App: "other", Name: "more", Value: []byte("v")}); err != nil {
		t.Errorf("of another app: %v", err)
	}
	w.put("s-0000", "another")
	list, err := open(t, w, "").List(t.Context(), "shop")
	if err != nil || len(list) != teal.MaxSecrets || list[0].Revision != 2 || list[999].Name != "s-0999" {
		t.Errorf("%d secrets, %v", len(list), err)
	}
}

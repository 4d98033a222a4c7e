package acme

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"teal/internal/doctor"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// What is stored has the number of its schema, and what a newer Teal has stored stays:
// neither is it taken for what it looks like, nor written over.
//
// Seen red with save without WithNumber, and without checkNewer in save and in load.
func TestRecordsOfANewerTealStay(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	m := New(Config{KV: kv, Alerts: doctor.New(testLogger(t), nil), Logger: testLogger(t)})
	key := recordKey("shop.example")
	stored := func() []byte {
		entry, err := kv.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return entry.Value
	}
	var r record
	if err := m.save(t.Context(), key, record{Host: "shop.example"}); err != nil {
		t.Fatal(err)
	}
	if found, err := m.load(t.Context(), key, &r); err != nil || !found || r.Host != "shop.example" || !bytes.HasPrefix(stored(), []byte(`{"schema":1,`)) {
		t.Errorf("%s: %v, %v, %+v", stored(), found, err, r)
	}
	entry, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	newer := []byte(`{"schema":2,"host":"shop.example","of_the_newer":"kept"}`)
	if _, err := kv.Update(t.Context(), key, newer, entry.Revision); err != nil {
		t.Fatal(err)
	}
	if err := m.save(t.Context(), key, record{}); !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "teal doctor --set-aside "+key) {
		t.Errorf("saved: %v", err)
	}
	if _, err := m.load(t.Context(), key, &r); !errors.Is(err, store.ErrNewer) {
		t.Errorf("loaded: %v", err)
	}
	if got := stored(); !bytes.Equal(got, newer) {
		t.Errorf("the record is now %s", got)
	}
}

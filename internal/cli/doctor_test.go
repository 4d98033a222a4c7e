package cli_test

import (
	"context"
	"strings"
	"testing"

	"teal"
	"teal/internal/api"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	var found []teal.Alert
	s := &script{world: newWorldWith(t, api.Config{
		Alerts: func() []teal.Alert { return found },
		SetAside: func(_ context.Context, key string) error {
			if key != "apps.shop.app" {
				return teal.Errorf(teal.CodeNotFound, "there is no record %s that cannot be understood", key)
			}
			return nil
		},
	})}
	s.teal("doctor")
	found = []teal.Alert{
		{Code: teal.AlertStoreReadOnly, Subject: "store", Message: "the disk of /var/lib/teal is full; nothing can be ordered", Remedy: "free space on it; Teal goes on by itself", Blocking: true, Since: s.fake.Now()},
		{Code: teal.AlertRecordUnreadable, Subject: "apps/shop", Message: "the record is no JSON; the app shop is not served", Remedy: "deploy shop again", Since: s.fake.Now()},
	}
	s.teal("doctor")
	s.teal("doctor", "--json")
	s.teal("status") // this, and the status of one app below, seen red when it did not ask
	s.teal("doctor", "--set-aside", "apps.shop.app")
	s.teal("doctor", "--set-aside", "apps.well.app")
	s.golden("doctor")
	if r := s.run("deploy", s.dir); r.code != 0 {
		t.Fatal(r.out, r.err)
	}
	if r := s.run("status", "hello"); !strings.HasPrefix(r.out, "the disk of /var/lib/teal is full; nothing can be ordered; see `teal doctor`\n") {
		t.Errorf("status of an app: %q", r.out)
	}
}

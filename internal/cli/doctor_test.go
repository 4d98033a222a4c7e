package cli_test

import (
	"testing"

	"teal"
	"teal/internal/api"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	var found []teal.Alert
	s := &script{world: newWorldWith(t, api.Config{Alerts: func() []teal.Alert { return found }})}
	s.teal("doctor")
	found = []teal.Alert{
		{Code: teal.AlertStoreReadOnly, Subject: "store", Message: "the disk of /var/lib/teal is full; nothing can be ordered", Remedy: "free space on it; Teal goes on by itself", Blocking: true, Since: s.fake.Now()},
		{Code: teal.AlertRecordUnreadable, Subject: "apps/shop", Message: "the record is no JSON; the app shop is not served", Remedy: "deploy shop again", Since: s.fake.Now()},
	}
	s.teal("doctor")
	s.teal("doctor", "--json")
	s.teal("status") // seen red when status did not ask
	s.golden("doctor")
}

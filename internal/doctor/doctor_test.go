package doctor_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/doctor"
)

func TestAlertsOpenChangeAndClose(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Unix(1000, 0)
	f := doctor.New(slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	full := teal.Alert{Code: teal.AlertStoreReadOnly, Subject: "store", Message: "the disk is full", Blocking: true}
	f.Report(teal.Alert{Code: teal.AlertRecordUnreadable, Subject: "apps/shop", Message: "not JSON"})
	f.Report(full)
	now = now.Add(time.Minute)
	f.Report(full)
	list := f.List()
	if len(list) != 2 || !list[0].Blocking || list[1].Subject != "apps/shop" {
		t.Fatalf("%+v; the blocking one comes first", list)
	}
	if !list[0].Since.Equal(time.Unix(1000, 0)) { // seen red with Since set at each report
		t.Errorf("since %v; want the first report", list[0].Since)
	}
	if n := strings.Count(log.String(), "the disk is full"); n != 1 { // seen red with a line for each report
		t.Errorf("%d lines about one alert", n)
	}
	f.Resolve(teal.AlertStoreReadOnly, "store")
	f.Resolve(teal.AlertStoreReadOnly, "store")
	if list := f.List(); len(list) != 1 || strings.Count(log.String(), "resolved: the disk is full") != 1 {
		t.Errorf("%+v after it was resolved\n%s", list, log.String())
	}
}

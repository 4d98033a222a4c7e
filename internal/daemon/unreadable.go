package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"teal"
	"teal/internal/doctor"
	"teal/internal/store"
)

// recordAlerts tells people about records that cannot be understood.
type recordAlerts struct{ alerts *doctor.Alerts }

// Unreadable implements [store.Damage].
func (r recordAlerts) Unreadable(key string, err error) {
	why := "it is damaged, or was written by a newer Teal"
	if errors.Is(err, store.ErrNewer) {
		why = "a newer Teal wrote it"
	}
	r.alerts.Report(teal.Alert{
		Code: teal.AlertRecordUnreadable, Subject: key,
		Message: fmt.Sprintf("The record %s cannot be understood: %s. It is left as it is; what needs it does not work, and no code is removed meanwhile.", key, why),
		Remedy:  fmt.Sprintf("Run the newer Teal again, or restore the data directory from a backup. To do without the record: `teal doctor --set-aside %s`, which keeps a copy, and then deploy the app again.", key),
	})
}

// Written implements [store.Damage].
func (r recordAlerts) Written(key string) { r.alerts.Resolve(teal.AlertRecordUnreadable, key) }

// setAside moves a record that cannot be understood out of the way. Nobody has read
// it, so nobody in this process holds a copy that would be behind.
func (s *server) setAside(ctx context.Context, key string) error {
	known := slices.ContainsFunc(s.alerts.List(), func(a teal.Alert) bool { return a.Code == teal.AlertRecordUnreadable && a.Subject == key })
	if !known {
		return teal.Errorf(teal.CodeNotFound, "there is no record %s that cannot be understood; `teal doctor` lists those that there are", key)
	}
	if err := store.SetAside(context.WithoutCancel(ctx), s.lambda.index.versions, key); err != nil {
		return err
	}
	s.garbage.nudge()
	return nil
}

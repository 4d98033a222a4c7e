package daemon

import (
	"fmt"

	"teal"
	"teal/internal/doctor"
)

// recordAlerts tells people about records that cannot be understood.
type recordAlerts struct{ alerts *doctor.Alerts }

// Unreadable implements [store.Damage].
func (r recordAlerts) Unreadable(key string, _ error) {
	r.alerts.Report(teal.Alert{
		Code: teal.AlertRecordUnreadable, Subject: key,
		Message: fmt.Sprintf("The record %s cannot be understood: it is damaged, or was written by a newer Teal. It is left as it is; what needs it does not work, and no code is removed meanwhile.", key),
		Remedy:  fmt.Sprintf("Run the newer Teal again, or restore the data directory from a backup. To do without the record: `teal doctor --set-aside %s`, which keeps a copy, and then deploy the app again.", key),
	})
}

// Written implements [store.Damage].
func (r recordAlerts) Written(key string) { r.alerts.Resolve(teal.AlertRecordUnreadable, key) }

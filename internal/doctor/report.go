package doctor

import (
	"fmt"

	"teal"
)

// Records returns what a store tells of records that cannot be understood: it
// implements store.Damage.
func (a *Alerts) Records() Records { return Records{a} }

// Records tells people about records that cannot be understood.
type Records struct{ alerts *Alerts }

// Unreadable opens the alert of a record.
func (r Records) Unreadable(key string, _ error) {
	r.alerts.Report(teal.Alert{
		Code: teal.AlertRecordUnreadable, Subject: key,
		Message: fmt.Sprintf("The record %s cannot be understood: it is damaged, or was written by a newer Teal. It is left as it is; what needs it does not work, and no code is removed meanwhile.", key),
		Remedy:  fmt.Sprintf("Run the newer Teal again, or restore the data directory from a backup. To do without the record: `teal doctor --set-aside %s`, which keeps a copy, and then deploy the app again.", key),
	})
}

// Written resolves it.
func (r Records) Written(key string) { r.alerts.Resolve(teal.AlertRecordUnreadable, key) }

// LogsFailing tells people that lines of components are lost, and when that is
// over.
func (a *Alerts) LogsFailing(err error) {
	const subject = "logs"
	if err == nil {
		a.Resolve(teal.AlertLogsDropped, subject)
		return
	}
	a.Report(teal.Alert{
		Code: teal.AlertLogsDropped, Subject: subject,
		Message: "log lines of components are lost: " + err.Error() + "; requests are served all the same",
		Remedy:  "see whether the disk of the data directory is full, slow or gone; the log goes on by itself when it is back",
	})
}

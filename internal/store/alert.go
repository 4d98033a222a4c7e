package store

import (
	"fmt"

	"teal"
)

// Alerts takes what is wrong with a store. Its methods must not block.
type Alerts interface {
	Report(teal.Alert)
	Resolve(code teal.AlertCode, subject string)
}

// DamageAlerts returns a Damage that tells people about records that cannot be
// understood.
func DamageAlerts(alerts Alerts) Damage { return damageAlerts{alerts} }

type damageAlerts struct{ alerts Alerts }

// Unreadable implements [Damage].
func (d damageAlerts) Unreadable(key string, err error) {
	d.alerts.Report(teal.Alert{
		Code: teal.AlertRecordUnreadable, Subject: key,
		Message: fmt.Sprintf("The record %s cannot be understood: %s. It is left as it is; what needs it does not work, and no code is removed meanwhile.", key, whyUnreadable(err)),
		Remedy:  fmt.Sprintf("Run the newer Teal again, or restore the data directory from a backup. To do without the record: `teal doctor --set-aside %s`, which keeps a copy, and then deploy the app again.", key),
	})
}

// Written implements [Damage].
func (d damageAlerts) Written(key string) { d.alerts.Resolve(teal.AlertRecordUnreadable, key) }

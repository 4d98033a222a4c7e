package doctor

import (
	"teal"
)

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

// AuditFailing reports why orders cannot be noted in the audit, and with nil that they
// are again.
func (a *Alerts) AuditFailing(err error) {
	const subject = "audit"
	if err == nil {
		a.Resolve(teal.AlertAuditIncomplete, subject)
		return
	}
	a.Report(teal.Alert{
		Code: teal.AlertAuditIncomplete, Subject: subject,
		Message: "orders are not noted in the audit: " + err.Error() + "; they are carried out all the same",
		Remedy:  "see whether the disk of the data directory is full or gone, and whose the folder audit in it is; the audit goes on by itself when it can be written",
	})
}

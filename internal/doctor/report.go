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

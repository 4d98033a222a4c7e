package natskv

import (
	"fmt"
	"math/bits"

	"teal"
	"teal/internal/store"
)

// alertSubject is what the alerts about the disk are about.
const alertSubject = "store"

// Report opens and resolves the alerts of a store by how it is.
func (h Health) Report(alerts store.Alerts) {
	if alert, bad := readOnlyAlert(h); bad {
		alerts.Report(alert)
	} else {
		alerts.Resolve(teal.AlertStoreReadOnly, alertSubject)
	}
	if alert, bad := lowAlert(h); bad {
		alerts.Report(alert)
	} else {
		alerts.Resolve(teal.AlertDiskNearlyFull, alertSubject)
	}
}

// readOnlyAlert is the alert of a store that takes no writes.
func readOnlyAlert(h Health) (alert teal.Alert, bad bool) {
	alert = teal.Alert{Code: teal.AlertStoreReadOnly, Subject: alertSubject, Blocking: true}
	switch {
	case h.Writable:
		return teal.Alert{}, false
	case h.Full:
		alert.Message = fmt.Sprintf("The disk of %s is full (less than %s of %s free): no deploys, no events and no other orders are taken. What runs is served, and a running release can be rolled back.", h.Dir, atMost(h.Free), teal.Bytes(h.Total))
		alert.Remedy = "Free some space on that disk. Teal takes orders again by itself a second later; nothing has to be restarted."
	default:
		alert.Message = fmt.Sprintf("The disk of %s cannot be written: no orders are taken. What runs is served.", h.Dir)
		alert.Remedy = "Look at the disk and at the system's log (dmesg). Teal tries every few seconds and takes orders again by itself; nothing has to be restarted."
	}
	return alert, true
}

// lowAlert is the alert of a disk that will be full soon.
func lowAlert(h Health) (alert teal.Alert, bad bool) {
	if !h.Writable || !h.Low {
		return teal.Alert{}, false
	}
	return teal.Alert{
		Code: teal.AlertDiskNearlyFull, Subject: alertSubject,
		Message: fmt.Sprintf("The disk of %s is nearly full: less than %s of %s free. When it is full, no orders are taken.", h.Dir, atMost(h.Free), teal.Bytes(h.Total)),
		Remedy:  "Free some space on that disk, or move the data directory to a larger one. Old versions and their logs go with a lower `keep` in teal.yaml.",
	}, true
}

// atMost rounds a number of bytes up so far that a disk which fills up does not
// make a new alert each second.
func atMost(free int64) teal.Bytes {
	return teal.Bytes(1) << max(16, bits.Len64(uint64(max(0, free)))) //nolint:gosec // not negative
}

package teal

import "time"

// Alert is one thing that is wrong with a server while it goes on serving: a
// record that cannot be understood, a store that refuses writes, a disk that is
// nearly full. What ends a request or a command is an [Error] instead.
type Alert struct {
	Code    AlertCode `json:"code"`
	Subject string    `json:"subject" doc:"What it is about: a record, a file, an app. One alert of a code for each subject"`
	Message string    `json:"message" doc:"What is wrong, and what it means"`
	Remedy  string    `json:"remedy" doc:"What to do about it"`
	// Blocking: the server takes no orders while it lasts. What runs is served
	// all the same.
	Blocking bool      `json:"blocking"`
	Since    time.Time `json:"since"`
}

// AlertCode is the stable, machine-readable name of a kind of alert. Codes
// are part of the API: they are added, never renamed.
type AlertCode string

// The codes of alerts.
const (
	AlertRecordUnreadable AlertCode = "record_unreadable" // a record cannot be understood
	AlertFileUnreadable   AlertCode = "file_unreadable"   // a file of the data directory was set aside or is missing
	AlertAppIncomplete    AlertCode = "app_incomplete"    // an app lacks a record or code that it needs
	AlertStoreReadOnly    AlertCode = "store_read_only"   // the store cannot be written
	AlertDiskNearlyFull   AlertCode = "disk_nearly_full"  // writes will fail soon
	AlertLogsDropped      AlertCode = "logs_dropped"      // the disk does not keep up with what is logged
	AlertCertificate      AlertCode = "certificate"       // a host has no certificate, or it cannot be renewed
	AlertAuditIncomplete  AlertCode = "audit_incomplete"  // orders are carried out that the audit does not have
	AlertRouteWithheld    AlertCode = "route_withheld"    // two apps have one route; the younger one does without
	AlertSecretUnreadable AlertCode = "secret_unreadable" // a secret, or the key of all, cannot be read
	AlertPartUnavailable  AlertCode = "part_unavailable"  // a part of the server failed and is tried again
)

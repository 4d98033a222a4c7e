package daemon

import (
	"teal/internal/logs"
	"teal/internal/meter"
	"teal/internal/store/natskv"
)

// telemetry is what is told about requests, and may be dropped.
type telemetry struct {
	logs *logs.Store
	own  func() int64 // lines of the server's own log that were dropped; nil: none
	edge edge
}

// lost returns how much was dropped, for the metrics.
func (t telemetry) lost() map[string]int64 {
	lost := map[string]int64{"component_log_lines": t.logs.Lost()}
	if t.own != nil {
		lost["server_log_lines"] = t.own()
	}
	if t.edge.log != nil {
		lost["access_log_lines"] = t.edge.log.Dropped()
	}
	if t.edge.tracer != nil {
		lost["spans"] = t.edge.tracer.Dropped()
	}
	return lost
}

// diskGauges is what the metrics show of the disk.
func diskGauges(h natskv.Health) meter.Disk {
	return meter.Disk{Writable: h.Writable, Free: h.Free, Size: h.Total, Reserve: h.Ballast, Reopened: h.Reopened}
}

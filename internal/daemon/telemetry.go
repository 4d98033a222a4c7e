package daemon

import (
	"teal/internal/meter"
)

// telemetryLost returns how much of what is told about requests was dropped, for
// the metrics.
func (s *server) telemetryLost() map[string]int64 {
	lost := map[string]int64{"component_log_lines": s.logs.Lost()}
	if s.daemon.cfg.LogLost != nil {
		lost["server_log_lines"] = s.daemon.cfg.LogLost()
	}
	if s.edge.log != nil {
		lost["access_log_lines"] = s.edge.log.Dropped()
	}
	if s.edge.tracer != nil {
		lost["spans"] = s.edge.tracer.Dropped()
	}
	return lost
}

// diskGauges is what the metrics show of the disk.
func (s *server) diskGauges() meter.Disk {
	h := s.db.Health()
	return meter.Disk{Writable: h.Writable, Free: h.Free, Size: h.Total, Reserve: h.Ballast, Reopened: h.Reopened}
}

package daemon

import (
	"context"
	"iter"

	"teal"
	"teal/internal/api"
	"teal/internal/logs"
)

// logReader shows the logs to the API.
type logReader struct{ store *logs.Store }

func (l logReader) Read(ctx context.Context, q api.LogQuery) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		for line, err := range l.store.Read(ctx, logs.Query(q)) {
			if !yield(api.LogLine(line), err) {
				return
			}
		}
	}
}

// logsFailing tells people that lines of components are lost, and when that is
// over.
func (s *server) logsFailing(err error) {
	const subject = "logs"
	if err == nil {
		s.alerts.Resolve(teal.AlertLogsDropped, subject)
		return
	}
	s.alerts.Report(teal.Alert{
		Code: teal.AlertLogsDropped, Subject: subject,
		Message: "log lines of components are lost: " + err.Error() + "; requests are served all the same",
		Remedy:  "see whether the disk of the data directory is full, slow or gone; the log goes on by itself when it is back",
	})
}

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

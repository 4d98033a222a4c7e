package meter

import "github.com/prometheus/client_golang/prometheus"

// Queue is what waits in a queue, and what has become of its messages since the server
// has started.
type Queue struct {
	Name   string
	Waits  map[string]int // messages by state: waiting, delayed, in_flight, dead
	Bytes  int64
	Oldest float64           // seconds that the oldest message has been there
	Totals map[string]uint64 // messages by what has become of them: sent, delivered, finished, failed, timed_out, dead, dropped
}

var (
	queueMessagesDesc = prometheus.NewDesc("teal_queue_messages", "Messages in a queue, by state: waiting, delayed, in_flight, dead.", []string{"queue", "state"}, nil)
	queueBytesDesc    = prometheus.NewDesc("teal_queue_bytes", "Size of the messages in a queue, without dead letters.", []string{"queue"}, nil)
	queueOldestDesc   = prometheus.NewDesc("teal_queue_oldest_seconds", "How long the oldest message that is not finished has been there.", []string{"queue"}, nil)
	queueEventsDesc   = prometheus.NewDesc("teal_queue_messages_total", "Messages of a queue, by what has become of them: sent, delivered, finished, failed, timed_out, dead, dropped.", []string{"queue", "event"}, nil)
)

func (m *Meter) collectQueues(to chan<- prometheus.Metric) {
	if m.cfg.Queues == nil {
		return
	}
	for _, q := range m.cfg.Queues() {
		for state, n := range q.Waits {
			to <- prometheus.MustNewConstMetric(queueMessagesDesc, prometheus.GaugeValue, float64(n), q.Name, state)
		}
		to <- prometheus.MustNewConstMetric(queueBytesDesc, prometheus.GaugeValue, float64(q.Bytes), q.Name)
		to <- prometheus.MustNewConstMetric(queueOldestDesc, prometheus.GaugeValue, q.Oldest, q.Name)
		for event, n := range q.Totals {
			to <- prometheus.MustNewConstMetric(queueEventsDesc, prometheus.CounterValue, float64(n), q.Name, event)
		}
	}
}

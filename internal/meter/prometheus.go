package meter

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"teal"
)

// bounds are the buckets for Prometheus: from what a function in memory takes to
// what a person does not wait for.
var bounds = []time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

var (
	labels       = []string{"app", "component", "version", "slot", "role"}
	requestsDesc = describeMetric("teal_requests_total", "Requests of users that have ended, by class of status; none: there was no answer before the client gave up.", "code")
	errorsDesc   = describeMetric("teal_request_errors_total", "Requests of users that the version failed, by fault.", "fault")
	durationDesc = describeMetric("teal_request_duration_seconds", "Time from a request of a user to the first byte of its answer; requests without an answer are not in it.")
	inFlightDesc = describeMetric("teal_requests_in_flight", "Requests of users that have no whole answer yet.")
	lostDesc     = prometheus.NewDesc("teal_telemetry_lost_total", "Log lines and spans that were dropped because they came faster than they could be written.", []string{"kind"}, nil)
	alertsDesc   = prometheus.NewDesc("teal_alerts", "What is wrong with this server, by kind; see teal doctor. Blocking: it takes no orders.", []string{"code", "blocking"}, nil)
)

// diskDescs are in the order in which collectDisk gives them.
var diskDescs = []*prometheus.Desc{
	prometheus.NewDesc("teal_store_writable", "1 while orders can be recorded, else 0.", nil, nil),
	prometheus.NewDesc("teal_store_free_bytes", "What may still be written to the disk of the data directory.", nil, nil),
	prometheus.NewDesc("teal_store_size_bytes", "How large that disk is.", nil, nil),
	prometheus.NewDesc("teal_store_ballast_bytes", "What is set aside there for rollbacks on a full disk.", nil, nil),
	prometheus.NewDesc("teal_store_reopened_total", "How often the store was opened again after an error of the disk or a lost connection.", nil, nil),
}

func describeMetric(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, slices.Concat(labels, more), nil)
}

// retiredFor is how long a version that does not run any more is still shown, so
// that its last requests are seen too.
const retiredFor = 10 * time.Minute

// Handler serves the metrics of all versions, and of the process, to a
// Prometheus.
func (m *Meter) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

var _ prometheus.Collector = (*Meter)(nil)

// Describe implements [prometheus.Collector].
func (m *Meter) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsDesc, errorsDesc, durationDesc, inFlightDesc, alertsDesc, lostDesc, instancesDesc, restartsDesc, memoryDesc, cpuDesc, phaseDesc, waitingDesc, queueMessagesDesc, queueBytesDesc, queueOldestDesc, queueEventsDesc} {
		to <- d
	}
	for _, d := range diskDescs {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *Meter) Collect(to chan<- prometheus.Metric) {
	m.collectAlerts(to)
	m.collectLost(to)
	m.collectDisk(to)
	m.collectQueues(to)
	m.collectRunning(to)
	m.collectReleases(to)
	for _, v := range m.list() {
		slot, runs := m.cfg.Slot(v.app, v.number)
		slot, recorders, show := v.shown(slot, runs, time.Now())
		if !show {
			continue
		}
		for _, r := range recorders {
			r.collect(to, []string{v.app, r.component, v.number.String(), string(slot), string(m.cfg.Role(v.app, v.number))})
		}
	}
}

func (m *Meter) collectLost(to chan<- prometheus.Metric) {
	if m.cfg.Lost == nil {
		return
	}
	for kind, n := range m.cfg.Lost() {
		to <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(n), kind)
	}
}

func (m *Meter) collectAlerts(to chan<- prometheus.Metric) {
	if m.cfg.Alerts == nil {
		return
	}
	type kind struct {
		code     teal.AlertCode
		blocking bool
	}
	counts := map[kind]int{}
	for _, f := range m.cfg.Alerts() {
		counts[kind{f.Code, f.Blocking}]++
	}
	for k, n := range counts {
		to <- prometheus.MustNewConstMetric(alertsDesc, prometheus.GaugeValue, float64(n), string(k.code), strconv.FormatBool(k.blocking))
	}
}

func (m *Meter) collectDisk(to chan<- prometheus.Metric) {
	if m.cfg.Disk == nil {
		return
	}
	d := m.cfg.Disk()
	writable := 0.0
	if d.Writable {
		writable = 1
	}
	for i, value := range []float64{writable, float64(d.Free), float64(d.Size), float64(d.Reserve)} {
		to <- prometheus.MustNewConstMetric(diskDescs[i], prometheus.GaugeValue, value)
	}
	to <- prometheus.MustNewConstMetric(diskDescs[4], prometheus.CounterValue, float64(d.Reopened))
}

// shown returns what to show of a version: nothing of one that has not run for
// some time. It keeps the last slot that the version ran in.
func (v *version) shown(slot teal.Slot, runs bool, now time.Time) (teal.Slot, []*Recorder, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if runs {
		v.slot, v.active = slot, now
	}
	return v.slot, v.recorders, now.Sub(v.active) <= retiredFor
}

func (r *Recorder) collect(to chan<- prometheus.Metric, values []string) {
	counter := func(d *prometheus.Desc, n uint64, label string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append(slices.Clip(values), label)...)
	}
	var nanos int64
	var codes [codeClasses]uint64
	var faults [faultCount]uint64
	for i := range r.shards {
		nanos += r.shards[i].nanos.Load()
		for code := range codes {
			for fault := range faults {
				n := r.shards[i].outcomes[code][fault].Load()
				codes[code] += n
				faults[fault] += n
			}
		}
	}
	counter(requestsDesc, codes[0], "none")
	for code, n := range codes[1:] {
		counter(requestsDesc, n, strconv.Itoa(code+1)+"xx")
	}
	for fault := FaultStatus; fault < faultCount; fault++ {
		counter(errorsDesc, faults[fault], fault.String())
	}
	count, buckets := classicHistogram(measurement((&counts{}).take(r, nil)))
	to <- prometheus.MustNewConstHistogram(durationDesc, count, time.Duration(nanos).Seconds(), buckets, values...)
	to <- prometheus.MustNewConstMetric(inFlightDesc, prometheus.GaugeValue, float64(r.inFlight()), values...)
}

// classicHistogram returns a measurement as a histogram of Prometheus. Cells that a bound
// cuts count above it, so a bucket is wrong by what is within 0.8 % below its
// bound.
func classicHistogram(m teal.Measurement) (count uint64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(bounds))
	next := 0
	for _, bound := range bounds {
		for next < len(m.Latency) && m.Latency[next].UpTo <= bound {
			count += uint64(m.Latency[next].Count)
			next++
		}
		buckets[bound.Seconds()] = count
	}
	return uint64(m.Requests), buckets
}

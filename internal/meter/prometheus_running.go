package meter

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"teal"
)

var (
	instancesDesc = describeMetric("teal_instances", "Instances of a component by state; of an upstream, its addresses.", "state")
	restartsDesc  = describeMetric("teal_instance_restarts_total", "Instances that were started again, or replaced, after they had ended by themselves or had not come up.")
	memoryDesc    = describeMetric("teal_component_memory_bytes", "Resident memory of the instances of a component; of their cgroups, where there are some.")
	cpuDesc       = describeMetric("teal_component_cpu_seconds_total", "CPU time of the instances of a component, those that have ended among them.")
	phaseDesc     = prometheus.NewDesc("teal_release_phase", "Always 1: the phase of the active release of an app, else of its newest one.", []string{"app", "phase"}, nil)
	waitingDesc   = prometheus.NewDesc("teal_release_waiting_since_timestamp_seconds", "Since when the active release of an app does not go on by itself, and why: outage, paused, approval or verdict.", []string{"app", "reason"}, nil)
)

// collectRunning tells what runs, by component. A version that runs twice, because it
// was started again while it was draining, is told of once.
func (m *Meter) collectRunning(to chan<- prometheus.Metric) {
	if m.cfg.Running == nil {
		return
	}
	for _, v := range mergeRunning(m.cfg.Running()) {
		role := string(m.cfg.Role(v.App, v.Version))
		for _, c := range v.Components {
			collectComponent(to, c, []string{v.App, c.Component, v.Version.String(), string(v.Slot), role})
		}
	}
}

func collectComponent(to chan<- prometheus.Metric, c teal.RunningComponent, values []string) {
	for _, state := range c.Kind.InstanceStates() {
		n := 0
		for _, i := range c.Instances {
			if i.State == state {
				n++
			}
		}
		to <- prometheus.MustNewConstMetric(instancesDesc, prometheus.GaugeValue, float64(n), append(slices.Clip(values), string(state))...)
	}
	if !c.Kind.HasProcesses() {
		return
	}
	to <- prometheus.MustNewConstMetric(restartsDesc, prometheus.CounterValue, float64(c.Restarts), values...)
	to <- prometheus.MustNewConstMetric(memoryDesc, prometheus.GaugeValue, float64(c.Usage.Memory), values...)
	to <- prometheus.MustNewConstMetric(cpuDesc, prometheus.CounterValue, c.Usage.CPU.Seconds(), values...)
}

// mergeRunning joins what runs of the same version. The slot is that of the one that is
// not draining.
func mergeRunning(all []teal.RunningVersion) []teal.RunningVersion {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b teal.RunningVersion) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Version, b.Version), compareBool(a.Draining, b.Draining))
	})
	out := all[:0]
	for _, v := range all {
		if last := len(out) - 1; last >= 0 && out[last].App == v.App && out[last].Version == v.Version {
			out[last].Components = mergeComponents(out[last].Components, v.Components)
			continue
		}
		out = append(out, v)
	}
	return out
}

// compareBool puts false first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func mergeComponents(into, more []teal.RunningComponent) []teal.RunningComponent {
	into = slices.Clone(into)
	for _, c := range more {
		at := slices.IndexFunc(into, func(have teal.RunningComponent) bool { return have.Component == c.Component })
		if at < 0 {
			into = append(into, c)
			continue
		}
		into[at].Instances = slices.Concat(into[at].Instances, c.Instances)
		into[at].Restarts += c.Restarts
		into[at].Usage = into[at].Usage.Plus(c.Usage)
	}
	return into
}

// collectReleases tells where the releases of all apps are.
func (m *Meter) collectReleases(to chan<- prometheus.Metric) {
	if m.cfg.Releases == nil {
		return
	}
	for _, r := range m.cfg.Releases() {
		to <- prometheus.MustNewConstMetric(phaseDesc, prometheus.GaugeValue, 1, r.App, string(r.Phase))
		if since, reason := waiting(r); reason != "" {
			to <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(since.UnixMilli())/1e3, r.App, reason)
		}
	}
}

// waiting returns since when a release does not go on by itself, and why; the reason is
// "" when it does.
func waiting(r teal.Release) (since time.Time, reason string) {
	switch {
	case r.Phase.Ended():
	case r.OutageSince != nil:
		return *r.OutageSince, "outage"
	case r.Commands.Pause != nil:
		return r.Commands.Pause.At, "paused"
	case r.WaitsSince != nil:
		return *r.WaitsSince, "approval"
	case r.DoubtSince != nil:
		return *r.DoubtSince, "verdict"
	}
	return time.Time{}, ""
}

package console

import (
	"context"
	"html/template"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"teal"
	"teal/internal/analysis"
	"teal/internal/api"
	"teal/internal/describe"
)

// chartPoints is how many points a chart has at most: what lies between two is put together.
const chartPoints = 120

// drawings are the charts of one release.
type drawings struct {
	Errors, Latency template.HTML
	Evidence        []evidenceChart
	Nothing         bool // nothing was measured
}

type evidenceChart struct {
	Name string
	SVG  template.HTML
}

// drawn keeps the drawings of releases: reading a recording costs more than a page.
type drawn struct {
	mu   sync.Mutex
	byID map[string]kept
}

type kept struct {
	at    time.Time
	ended bool
	drawings
}

// maxDrawn bounds how many releases' drawings are kept.
const maxDrawn = 50

// chartsOf returns the drawings of a release: those of one that has ended do not change,
// others are at most five seconds old.
func (v *viewer) chartsOf(ctx context.Context, r api.ReleaseView) drawings {
	cache, now := &v.console.drawn, v.console.cfg.Now()
	cache.mu.Lock()
	have, ok := cache.byID[r.ID]
	cache.mu.Unlock()
	if ok && have.ended == r.Phase.Ended() && (have.ended || now.Sub(have.at) < 5*time.Second) {
		return have.drawings
	}
	d := v.drawRelease(ctx, r)
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if cache.byID == nil || len(cache.byID) >= maxDrawn {
		cache.byID = map[string]kept{}
	}
	cache.byID[r.ID] = kept{at: now, ended: r.Phase.Ended(), drawings: d}
	return d
}

func (v *viewer) drawRelease(ctx context.Context, r api.ReleaseView) drawings {
	looks, intervals := v.replay(ctx, r.ID)
	if len(intervals) == 0 {
		return drawings{Nothing: true}
	}
	d := drawings{}
	d.Errors, d.Latency = drawSides(intervals, r)
	d.Evidence = drawEvidence(looks)
	return d
}

// replay reads what was measured in a release, and what its judge said of it. A recording
// that cannot be read is one without.
func (v *viewer) replay(ctx context.Context, id string) (looks []analysis.Look, intervals []teal.Interval) {
	read, err := v.api.Intervals(ctx, id)
	if err != nil {
		return nil, nil
	}
	intervals, err = analysis.Read(read)
	_ = read.Close()
	if err != nil || len(intervals) == 0 {
		return nil, nil
	}
	again, err := v.api.Intervals(ctx, id)
	if err != nil {
		return nil, intervals
	}
	defer func() { _ = again.Close() }()
	for look, err := range analysis.Replay(again, nil) {
		if err != nil {
			return nil, intervals
		}
		looks = append(looks, look)
	}
	return looks, intervals
}

// drawSides draws the share of errors and the latency of both versions side by side.
func drawSides(intervals []teal.Interval, r api.ReleaseView) (failed, latency template.HTML) {
	per := (len(intervals) + chartPoints - 1) / chartPoints
	var at []time.Time
	current, next := [2][]float64{}, [2][]float64{}
	for part := range slices.Chunk(intervals, per) {
		var live, green teal.Measurement
		for _, interval := range part {
			live, green = live.Plus(interval.Live), green.Plus(interval.Green)
		}
		at = append(at, part[len(part)-1].At)
		for n := range 2 {
			current[n], next[n] = append(current[n], figures(live)[n]), append(next[n], figures(green)[n])
		}
	}
	names := [2]string{teal.VersionName(r.From) + " (current)", teal.VersionName(r.To) + " (new)"}
	draw := func(title string, n int, unit func(float64) string, limit float64) template.HTML {
		c := chart{Title: title, At: at, Unit: unit, Limit: limit, Lines: []line{{names[0], "current", current[n]}, {names[1], "new", next[n]}}}
		if limit > 0 {
			c.LimitName = "limit " + unit(limit)
		}
		return c.draw()
	}
	share, p99 := limitsOf(r.Policy)
	return draw("share of errors", 0, api.Percent, share), draw("99th percentile of latency", 1, describe.Milliseconds, p99)
}

// limitsOf returns the limits of a policy that are in force besides the comparison, as a
// share and in milliseconds; 0 for none.
func limitsOf(p api.PolicyView) (share, p99 float64) {
	if p.Judge.ErrorRate != nil {
		share = float64(*p.Judge.ErrorRate) / float64(teal.All)
	}
	return share, p.Judge.Latency.P99.Std().Seconds() * 1e3
}

// figures are the share of errors and the latency; NaN where nothing was answered.
func figures(m teal.Measurement) [2]float64 {
	if m.Requests == 0 {
		return [2]float64{math.NaN(), math.NaN()}
	}
	return [2]float64{float64(m.Errors) / float64(m.Requests), m.Latency.Quantile(0.99).Seconds() * 1e3}
}

// drawEvidence draws, for each question of the judge, how far its evidence is from the
// threshold at which the release goes back.
func drawEvidence(looks []analysis.Look) []evidenceChart {
	per := max(1, (len(looks)+chartPoints-1)/chartPoints)
	var names []string
	values := map[string][]float64{}
	limits := map[string]float64{}
	var at []time.Time
	for i := per - 1; i < len(looks); i += per {
		at = append(at, looks[i].At)
		for _, f := range looks[i].Judgement.Findings {
			if f.Statistic == nil || f.Threshold == nil || *f.Threshold <= 1 {
				continue
			}
			if _, seen := values[f.Name]; !seen {
				names = append(names, f.Name)
			}
			for len(values[f.Name]) < len(at)-1 {
				values[f.Name] = append(values[f.Name], math.NaN())
			}
			values[f.Name], limits[f.Name] = append(values[f.Name], max(*f.Statistic, 1)), *f.Threshold
		}
	}
	var charts []evidenceChart
	for _, name := range names {
		if !slices.ContainsFunc(values[name], func(v float64) bool { return v > 1 }) { // nothing ever spoke against the new version
			continue
		}
		for len(values[name]) < len(at) {
			values[name] = append(values[name], math.NaN())
		}
		charts = append(charts, evidenceChart{Name: name, SVG: chart{
			Title: "evidence against the new version: " + name, At: at, Log: true, Limit: limits[name],
			LimitName: "rolls back at " + strconv.FormatFloat(limits[name], 'f', 0, 64),
			Unit:      func(f float64) string { return strconv.FormatFloat(f, 'f', 0, 64) },
			Lines:     []line{{"evidence", "new", values[name]}},
		}.draw()})
	}
	return charts
}

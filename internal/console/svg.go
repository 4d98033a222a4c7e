package console

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
)

// Drawings are SVG with classes for colours, which the style sheet gives for light and dark;
// what they show is in words in their title, and beside them.

// sparkline draws the last values of something, without an axis.
func sparkline(values []float64, what string) template.HTML {
	if len(values) < 2 {
		return ""
	}
	const width, height = 90.0, 20.0
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var points strings.Builder
	for i, v := range values {
		y := height - 1
		if top > 0 {
			y = height - 1 - v/top*(height-2)
		}
		fmt.Fprintf(&points, "%.1f,%.1f ", float64(i)/float64(trendPoints-1)*width, y)
	}
	return template.HTML(fmt.Sprintf(`<svg class="spark" viewBox="0 0 %g %g" role="img" aria-label="%s, last %d minutes"><polyline points="%s"/></svg>`, //nolint:gosec // numbers, and what alone names
		width, height, template.HTMLEscapeString(what), int(trendEvery.Minutes()*trendPoints), points.String()))
}

// splitBar draws which versions have how much of the traffic.
func splitBar(status api.Status) template.HTML {
	live, ok := status.Aliases[teal.AliasLive]
	if !ok {
		return ""
	}
	var b strings.Builder
	b.WriteString(`<svg class="split" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="`)
	b.WriteString(template.HTMLEscapeString(teal.FormatTargets(live.Versions)) + `">`)
	at := 0.0
	for i, target := range live.Versions {
		share := float64(target.Weight) / float64(teal.All) * 100
		class := "current"
		if r := status.Release; i > 0 || r != nil && target.Version == teal.VersionRef(r.To) && !r.Phase.Ended() {
			class = "new"
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%.2f" y="0" width="%.2f" height="8"/>`, class, at, share)
		at += share
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers, and an escaped name
}

// line is one line of a chart.
type line struct {
	Name, Class string
	Values      []float64 // NaN is a gap
}

// chart is what happened over time.
type chart struct {
	Title string
	At    []time.Time // of the values
	Lines []line
	Unit  func(float64) string
	// Limit is drawn across, where it is not 0.
	Limit     float64
	LimitName string
	Log       bool // the scale is logarithmic, from 1
}

const chartWidth, chartHeight, chartLeft, chartBottom = 640.0, 180.0, 64.0, 24.0

// draw draws a chart; "" without values.
func (c chart) draw() template.HTML {
	if len(c.At) < 2 {
		return ""
	}
	top := c.top()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, chartHeight, template.HTMLEscapeString(c.words()))
	for _, part := range []float64{0, 0.5, 1} {
		value := top * part
		if c.Log {
			value = math.Pow(top, part)
		}
		y := c.y(value, top)
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="axis" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartWidth, y, y, chartLeft-6, y+4, template.HTMLEscapeString(c.Unit(value)))
	}
	if c.Limit > 0 {
		y := c.y(c.Limit, top)
		label := y - 4
		if label < 14 { // it would be cut off
			label = y + 13
		}
		fmt.Fprintf(&b, `<line class="limit" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="axis limit" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartWidth, y, y, chartWidth-4, label, template.HTMLEscapeString(c.LimitName))
	}
	for _, l := range c.Lines {
		c.drawLine(&b, l, top)
	}
	first, last := c.At[0], c.At[len(c.At)-1]
	fmt.Fprintf(&b, `<text class="axis" x="%g" y="%g">%s</text><text class="axis" x="%g" y="%g" text-anchor="end">%s</text></svg>`,
		chartLeft, chartHeight-6, first.UTC().Format("15:04:05 UTC"), chartWidth-2, chartHeight-6, last.UTC().Format("15:04:05 UTC"))
	return template.HTML(b.String()) //nolint:gosec // numbers, and escaped names
}

func (c chart) drawLine(b *strings.Builder, l line, top float64) {
	pen := "M"
	var d strings.Builder
	for i, v := range l.Values {
		if math.IsNaN(v) {
			pen = "M"
			continue
		}
		x := chartLeft + float64(i)/float64(len(l.Values)-1)*(chartWidth-chartLeft-2)
		fmt.Fprintf(&d, "%s%.1f %.1f", pen, x, c.y(v, top))
		pen = "L"
	}
	fmt.Fprintf(b, `<path class="%s" d="%s"/>`, l.Class, d.String())
}

func (c chart) top() float64 {
	top := c.Limit * 1.15
	for _, l := range c.Lines {
		for _, v := range l.Values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				top = max(top, v)
			}
		}
	}
	if c.Log {
		return max(top, 10)
	}
	if top == 0 {
		return 1
	}
	return top
}

func (c chart) y(v, top float64) float64 {
	share := v / top
	if c.Log {
		share = math.Log(max(v, 1)) / math.Log(top)
	}
	return 8 + (1-min(max(share, 0), 1))*(chartHeight-chartBottom-8)
}

// words says what the chart shows, for who cannot see it.
func (c chart) words() string {
	parts := []string{c.Title}
	for _, l := range c.Lines {
		for i := len(l.Values) - 1; i >= 0; i-- {
			if !math.IsNaN(l.Values[i]) {
				parts = append(parts, l.Name+" at last "+c.Unit(l.Values[i]))
				break
			}
		}
	}
	if c.LimitName != "" {
		parts = append(parts, c.LimitName)
	}
	return strings.Join(parts, "; ")
}

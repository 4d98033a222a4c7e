package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"teal"
)

// trace is how the evidence grew in one release.
type trace struct {
	class  string
	values []float64
}

const traced = 300 // seconds

// traces runs a few releases of equal versions and two of worse ones, and returns
// the e-value of "does green fail more often than live?" in every second.
func traces(seed uint64) (list []trace, needed float64, err error) {
	equal := newLatency(1, 1)
	for n, kind := range []struct {
		class string
		rate  float64
	}{{"same", 0.01}, {"same", 0.01}, {"same", 0.01}, {"same", 0.01}, {"same", 0.01}, {"same", 0.01}, {"twice", 0.02}, {"five", 0.05}} {
		r := rand.New(rand.NewPCG(seed, 5000+uint64(n)))
		w := world{rate: 100, base: 0.01, pattern: steady, live: equal, green: side{func(float64) float64 { return kind.rate }, equal}}
		j, err := newOurs(w.before(r), teal.Judging{Compare: teal.AliasLive})
		if err != nil {
			return nil, 0, err
		}
		t := trace{class: kind.class}
		for second := range traced {
			j.Add(w.second(r, second, 0.1))
			f := j.Judgement(start).Findings[0]
			needed = *f.Threshold
			t.values = append(t.values, *f.Statistic)
			if *f.Statistic >= needed {
				break
			}
		}
		list = append(list, t)
	}
	return list, needed, nil
}

// The style works on light and on dark pages: an image on GitHub follows the
// reader's choice through the media query.
const style = `<style>
text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:14px;font-weight:600}
.small{font-size:11px;fill:#59636e}
.grid{stroke:#d1d9e0;stroke-width:1}
.limit{stroke:#cf222e;stroke-width:1.5;stroke-dasharray:5 4}
.limittext{fill:#cf222e}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.same{stroke:#8c959f;stroke-width:1.3}
.twice{stroke:#bc4c00}
.five{stroke:#8250df}
.dot{stroke:none}
.b0{fill:#afb8c1}.b1{fill:#0d7d75}.b2{fill:#d4a72c}.b3{fill:#8250df}
.t-twice{fill:#bc4c00}.t-five{fill:#8250df}.t-same{fill:#59636e}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.small{fill:#9198a1}
.grid{stroke:#3d444d}
.limit{stroke:#ff7b72}.limittext{fill:#ff7b72}
.same{stroke:#7d8590}.twice{stroke:#f0883e}.five{stroke:#bc8cff}
.b0{fill:#656c76}.b1{fill:#2dd4bf}.b2{fill:#d29922}.b3{fill:#bc8cff}
.t-twice{fill:#f0883e}.t-five{fill:#bc8cff}.t-same{fill:#9198a1}
}
</style>
`

// picture draws the traces and the delays as one SVG document.
func picture(list []trace, needed float64, delays []*regression) string {
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 720" role="img" aria-label="Evidence over time, and how long each test takes">` + "\n" + style)
	drawTraces(&b, list, needed)
	drawDelays(&b, delays)
	b.WriteString("</svg>\n")
	return b.String()
}

func drawTraces(b *strings.Builder, list []trace, needed float64) {
	const left, top, width, height = 60.0, 40.0, 780.0, 250.0
	const low, high = -2.0, 3.0 // powers of ten
	x := func(second float64) float64 { return left + second/traced*width }
	y := func(e float64) float64 {
		power := min(max(math.Log10(max(e, 1e-9)), low), high)
		return top + (high-power)/(high-low)*height
	}
	fmt.Fprintf(b, `<text class="title" x="%v" y="22">Evidence that green fails more often than live (e-value; 100 req/s, 10 %% on green, live fails 1 %%)</text>`+"\n", left)
	for power := low; power <= high; power++ {
		e := math.Pow(10, power)
		fmt.Fprintf(b, `<line class="grid" x1="%v" x2="%v" y1="%.1f" y2="%.1f"/><text class="small" x="%v" y="%.1f" text-anchor="end">%v</text>`+"\n",
			left, left+width, y(e), y(e), left-8, y(e)+4, e)
	}
	for second := 0; second <= traced; second += 60 {
		fmt.Fprintf(b, `<text class="small" x="%.1f" y="%v" text-anchor="middle">%d s</text>`+"\n", x(float64(second)), top+height+18, second)
	}
	fmt.Fprintf(b, `<line class="limit" x1="%v" x2="%v" y1="%.1f" y2="%.1f"/><text class="limittext" x="%v" y="%.1f" text-anchor="end">rolled back at %.0f</text>`+"\n",
		left, left+width, y(needed), y(needed), left+width, y(needed)-6, needed)
	for _, t := range list {
		points := make([]string, 0, len(t.values)+1)
		points = append(points, fmt.Sprintf("%.1f,%.1f", x(0), y(1)))
		for n, e := range t.values {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(float64(n+1)), y(e)))
		}
		fmt.Fprintf(b, `<polyline class="line %s" points="%s"/>`+"\n", t.class, strings.Join(points, " "))
		if len(t.values) < traced {
			fmt.Fprintf(b, `<circle class="dot t-%s" cx="%.1f" cy="%.1f" r="4"/><text class="t-%s" x="%.1f" y="%.1f">%s, after %d s</text>`+"\n",
				t.class, x(float64(len(t.values))), y(t.values[len(t.values)-1]), t.class, x(float64(len(t.values)))+10,
				y(needed)+26, map[string]string{"twice": "green fails 2 %", "five": "green fails 5 %", "same": "a false alarm"}[t.class], len(t.values))
		}
	}
	fmt.Fprintf(b, `<text class="t-same" x="%v" y="%.1f">green fails as often as live: six times it comes to nothing</text>`+"\n", left+width-330, y(0.03))
}

// drawDelays draws, for each regression at 10 %, the requests of green that each
// test needed, as bars on a scale of powers of ten.
func drawDelays(b *strings.Builder, delays []*regression) {
	const left, top, width, row = 230.0, 372.0, 600.0, 41.0
	const low, high = 1.0, 4.7
	x := func(requests float64) float64 { return left + (math.Log10(max(requests, 10))-low)/(high-low)*width }
	fmt.Fprintf(b, `<text class="title" x="60" y="340">Requests that green served until it was found worse (mean; 10 %% of 100 req/s; logarithmic)</text>`+"\n")
	legend := 60.0
	for n, name := range []string{"Wald's bound", "Teal", "fixed threshold *", "Mann-Whitney *"} {
		fmt.Fprintf(b, `<rect class="b%d" x="%v" y="350" width="10" height="10" rx="2"/><text class="small" x="%v" y="359">%s</text>`+"\n", n, legend, legend+15, name)
		legend += 30 + 7*float64(len(name))
	}
	fmt.Fprintf(b, `<text class="small" x="%v" y="359">* rolls back equal versions too: see the table</text>`+"\n", legend)
	rows := 0
	for _, g := range delays {
		if g.split != 0.1 || g.late > 0 {
			continue
		}
		y := top + row*float64(rows)
		rows++
		fmt.Fprintf(b, `<text x="%v" y="%.1f" text-anchor="end">%s</text>`+"\n", left-10, y+20, g.name)
		bars := []float64{g.asks.bound((1 - g.split) / g.split)}
		for _, name := range []string{byTeal, byThreshold, byRanks} {
			d := g.results[name]
			mean, _ := d.mean()
			if len(d.requests) == 0 {
				mean = 0
			}
			bars = append(bars, mean)
		}
		for n, v := range bars {
			if v > 0 {
				fmt.Fprintf(b, `<rect class="b%d" x="%v" y="%.1f" width="%.1f" height="7" rx="2"/><text class="small" x="%.1f" y="%.1f" style="font-size:9px">%.0f</text>`+"\n",
					n, left, y+float64(n)*8.5, x(v)-left, x(v)+4, y+float64(n)*8.5+7, v)
			}
		}
	}
}

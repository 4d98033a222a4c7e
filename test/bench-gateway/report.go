//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func decodeOutcome(line []byte) (outcome, error) {
	var o outcome
	return o, json.Unmarshal(line, &o)
}

// results are the measurements of all rounds.
type results struct {
	turns map[string]map[string][]measurement // by case, by proxy
	idle  map[string]idle
}

type idle struct {
	connections int
	each        float64
	failed      int
}

func newResults() *results {
	return &results{turns: map[string]map[string][]measurement{}, idle: map[string]idle{}}
}

func (r *results) add(name, proxy string, m measurement) {
	if r.turns[name] == nil {
		r.turns[name] = map[string][]measurement{}
	}
	r.turns[name][proxy] = append(r.turns[name][proxy], m)
}

// median returns the middle of what of says about the turns.
func median[T cmp.Ordered](turns []measurement, of func(measurement) T) T {
	values := make([]T, len(turns))
	for i, m := range turns {
		values[i] = of(m)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// The generated part of the document is between these.
const (
	beginMark = "<!-- bench-gateway: begin -->"
	endMark   = "<!-- bench-gateway: end -->"
)

const preamble = `# Benchmarks of the gateway

Written by ` + "`make bench-gateway`" + `; what is between the marks is replaced at every run.

` + beginMark + "\n" + endMark + "\n"

// writeDocument replaces the generated part of the document.
func writeDocument(o options, l *lab, r *results, took time.Duration) error {
	text := readFile(o.out)
	if text == "" {
		text = preamble
	}
	before, rest, found := strings.Cut(text, beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !found || !ended {
		return fmt.Errorf("%s has no marks %s and %s; put them where the numbers belong", o.out, beginMark, endMark)
	}
	return os.WriteFile(o.out, []byte(before+beginMark+"\n"+r.section(o, l, took)+endMark+after), 0o644)
}

func (r *results) section(o options, l *lab, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s; %s of %d rounds in turns, medians.\n\n", machine(), took.Round(time.Second), o.rounds)
	if o.short {
		b.WriteString("**A smoke run: the numbers mean nothing.**\n\n")
	}
	for _, p := range l.proxies {
		fmt.Fprintf(&b, "- %s: `%s`\n", p.name, p.version)
	}
	for _, missing := range l.missing {
		fmt.Fprintf(&b, "- not measured: %s\n", missing)
	}
	b.WriteString("\nCPU is the proxy's alone, per request, from /proc, to about 1 %. Where requests are sent at a rate, latency counts from when a request was due, " +
		"so waiting behind a stall is in it; elsewhere from when it was sent. Ratios are Teal's figure divided by the other's. " +
		"A switch moves the alias live to another version for Teal, whose function and connections to the backend are its own, and a reload of the configuration for nginx.\n")
	for _, c := range cases(o.short) {
		r.table(&b, c)
	}
	r.idleTable(&b)
	return b.String()
}

func (r *results) table(b *strings.Builder, c testCase) {
	turns := r.turns[c.name]
	if len(turns) == 0 {
		return
	}
	latencies := c.h2load == ""
	fmt.Fprintf(b, "\n### %s\n\n", capital(c.name))
	b.WriteString("| | per second | CPU each |")
	line := "|---|---|---|"
	if latencies {
		b.WriteString(" p50 | p99 | p99.9 |")
		line += "---|---|---|"
	}
	b.WriteString(" failed | Teal's ratio: per second, CPU" + map[bool]string{true: ", p99"}[latencies] + " |\n" + line + "---|---|\n")
	teal := turns["Teal"]
	for _, name := range names {
		list := turns[name]
		if len(list) == 0 {
			continue
		}
		rate := fmt.Sprintf("%.0f", median(list, perSecond))
		if c.bytes {
			rate = fmt.Sprintf("%.0f MB", median(list, bytesPerSecond)/1e6)
		}
		fmt.Fprintf(b, "| %s | %s | %s |", name, rate, micros(median(list, cpuEach)))
		if latencies {
			fmt.Fprintf(b, " %s | %s | %s |", micros(median(list, p50)), micros(median(list, p99)), micros(median(list, p999)))
		}
		fmt.Fprintf(b, " %s | %s |\n", failures(list), ratios(teal, list, name, c.bytes, latencies))
	}
}

func perSecond(m measurement) float64      { return m.rate }
func bytesPerSecond(m measurement) float64 { return m.bytes }
func cpuEach(m measurement) time.Duration  { return m.cpu }
func p50(m measurement) time.Duration      { return m.p50 }
func p99(m measurement) time.Duration      { return m.p99 }
func p999(m measurement) time.Duration     { return m.p999 }

// ratios returns Teal's figures over those of another.
func ratios(teal, other []measurement, name string, bytes, latencies bool) string {
	if name == "Teal" || len(teal) == 0 {
		return ""
	}
	rate := perSecond
	if bytes {
		rate = bytesPerSecond
	}
	text := ratio(median(teal, rate), median(other, rate)) + ", " + ratio(float64(median(teal, cpuEach)), float64(median(other, cpuEach)))
	if latencies {
		text += ", " + ratio(float64(median(teal, p99)), float64(median(other, p99)))
	}
	return text
}

func ratio(a, b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// failures returns how many requests failed in all rounds, and why.
func failures(list []measurement) string {
	n, first := 0, ""
	for _, m := range list {
		if n += m.failed; first == "" {
			first = m.first
		}
	}
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", n, strings.ReplaceAll(first, "|", "\\|"))
}

func micros(d time.Duration) string {
	if d >= 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f µs", float64(d)/1e3)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (r *results) idleTable(b *strings.Builder) {
	if len(r.idle) == 0 {
		return
	}
	b.WriteString("\n### Idle connections\n\n| | connections | memory each | failed |\n|---|---|---|---|\n")
	for _, name := range names {
		if i, found := r.idle[name]; found {
			fmt.Fprintf(b, "| %s | %d | %.1f kB | %d |\n", name, i.connections, i.each/1000, i.failed)
		}
	}
}

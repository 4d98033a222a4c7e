package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/cron"
)

// drawYAML draws a manifest that is often right and sometimes wrong.
func drawYAML(t *rapid.T) string {
	var b strings.Builder
	pick := func(label string, options ...string) string { return rapid.SampledFrom(options).Draw(t, label) }
	maybe := func(format string, options ...string) string {
		if !rapid.Bool().Draw(t, "given") {
			return ""
		}
		return fmt.Sprintf(format, pick(format, options...))
	}
	names := []string{"a", "b", "c-1", "d", "e"}
	fmt.Fprintf(&b, "app: %s\n", pick("app", "shop", "a", "x-1", "Bad"))
	b.WriteString("functions:\n  f0: {runtime: provided}\n")
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, rapid.ID).Draw(t, "functions") {
		fmt.Fprintf(&b, "  %s: {runtime: %s, handler: %s%s%s%s%s%s%s}\n", name,
			pick("runtime", "python3", "python3.12", "nodejs20.x", "nodejs", "provided.al2"), pick("handler", "app.fn", "a/b.c", "src.m.h"),
			maybe(", memory: %s", "16MiB", "1GiB", "0.5GiB", "64GiB", "65GiB"),
			maybe(", timeout: %s", "1ms", "15m", "900s", "0s", "16m"),
			maybe(", idle: %s", "0s", "1h"),
			maybe(", concurrency: {min: %s, max: 5}", "0", "5", "6"),
			maybe(", payload: %s", "1.0", "2.0", `"2.0"`),
			maybe(", env: {A: %s, B_1: x}", "1", "true", "1.10", `""`, "'\\0'"))
	}
	b.WriteString("services:\n  s0: {command: [x]}\n")
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, rapid.ID).Draw(t, "services") {
		fmt.Fprintf(&b, "  %s: {command: [./web%s]%s%s%s%s}\n", name, maybe(", %s", "1", "x"),
			maybe(", instances: %s", "1", "100", "101"), maybe(", health: {path: %s}", "/", "/x", "x"), maybe(", grace: %s", "0s", "5m"), maybe(", protocol: %s", "http1", "h2c", "h2"))
	}
	b.WriteString("routes:\n  - {path: /always, to: s0}\n")
	for range rapid.IntRange(0, 2).Draw(t, "routes") {
		fmt.Fprintf(&b, "  - {path: %s, to: %s%s}\n", pick("path", "/", "/a", "/b/c", "/a/"), pick("to", append(names, "f0", "s0")...), maybe(", host: %s", "h.example", "H"))
	}
	drawRelease(t, &b)
	return b.String()
}

// drawRelease draws a release section that is mostly right: one wrong value in a
// file hides what becomes of the others.
func drawRelease(t *rapid.T, b *strings.Builder) {
	maybe := func(format, bad string, good ...string) {
		if rapid.Bool().Draw(t, "given") {
			value := rapid.SampledFrom(good).Draw(t, format)
			if rapid.IntRange(0, 15).Draw(t, "wrong") == 0 {
				value = bad
			}
			fmt.Fprintf(b, format, value)
		}
	}
	b.WriteString("release:\n  drain: 1s\n")
	maybe("  ready_within: %s\n", "0s", "1s", "2m")
	maybe("  strategy: %s\n", "canery", "canary", "linear")
	maybe("  steps: [{weight: %s, hold: 5m}, {weight: 50%%, approval: true}]\n", "50", "10", "12.5")
	maybe("  checks: [{name: a, to: s0, request: {path: /%s}}, {name: b, command: [x]}]\n", "a b", "x", "")
	maybe("  hooks: {AfterInstall: [{%s}]}\n", "function: s0", "function: f0", "url: 'http://x'", "command: [x]")
	maybe("  freeze: [{cron: '%s', for: 1h}]\n", "0 0 30 2 *", "* * * * *", "0 18 * * FRI")
	maybe("  warm: {replay: 3, rounds: %s}\n", "0", "1", "100")
	b.WriteString("  watch:\n    compare: live\n")
	maybe("    confidence: %s\n", "5", "0s", "1h")
	maybe("    alpha: %s\n", ".nan", "0.05", "0.5")
	maybe("    error_rate: {max: %s}\n", "101", "1%", "0")
	maybe("    latency: {p50: 1s, p99: %s}\n", "1ms", "1s", "2s")
}

func checkOutcome(t interface{ Fatalf(string, ...any) }, file string, m *Manifest, err error) {
	if err == nil {
		spec, policy, err := m.Resolve(digests(m))
		if err != nil {
			t.Fatalf("accepted, but Resolve = %v", err)
		}
		if problems := spec.Check(); len(problems) > 0 {
			t.Fatalf("accepted, but Check = %v", problems)
		}
		if problems := policy.Check(spec, cron.Check); len(problems) > 0 {
			t.Fatalf("accepted, but Check of the policy = %v", problems)
		}
		return
	}
	var list Errors
	if !errors.As(err, &list) || len(list) == 0 || teal.CodeOf(err) != teal.CodeInvalidManifest {
		t.Fatalf("got %T %v", err, err)
	}
	for i, e := range list {
		if e.File != file || e.Line < 1 || e.Column < 1 || e.Message == "" {
			t.Fatalf("an error without a place: %+v", e)
		}
		if i > 0 && (e.Line < list[i-1].Line || e.Line == list[i-1].Line && e.Column < list[i-1].Column) {
			t.Fatalf("not sorted: %v", list)
		}
	}
}

func TestAcceptedManifestsPassTheDomain(t *testing.T) {
	t.Parallel()
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		m, err := Parse("teal.yaml", []byte(drawYAML(rt)))
		if err == nil {
			accepted++
		}
		checkOutcome(rt, "teal.yaml", m, err)
	})
	if accepted == 0 {
		t.Error("no manifest was accepted; the property says nothing")
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.y*ml", "testdata/bad/*.yaml"} {
		for _, file := range glob(f, pattern) {
			f.Add(read1(f, file))
		}
	}
	f.Add([]byte("a: &a [*a]\n? {x: y}\n: |+2\n  z\n"))
	f.Add([]byte("!!str : !!map {<<: [*x, {a: b}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("x.yaml", data)
		checkOutcome(t, "x.yaml", m, err)
	})
}

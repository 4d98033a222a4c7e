package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"teal"
)

// write returns the manifest of the plan.
func (p *plan) write() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Imported from %s.\n# Everything in it is released together.\napp: %s\n\nfunctions:\n", comment(p.from), scalar(p.app))
	for _, f := range p.functions {
		f.write(&b)
	}
	if len(p.routes) > 0 {
		b.WriteString("\n# Which requests go where. A path has everything below it; the longest one wins.\nroutes:\n")
	}
	for _, r := range p.routes {
		methods := ""
		if len(r.methods) > 0 {
			methods = ", methods: [" + strings.Join(r.methods, ", ") + "]"
		}
		fmt.Fprintf(&b, "  - {path: %s%s, to: %s}\n", scalar(r.path), methods, scalar(r.function))
	}
	p.writeRelease(&b)
	return []byte(b.String())
}

func (f *function) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s:\n", scalar(f.name))
	for _, line := range []struct {
		key string
		leaf
	}{
		{"runtime", f.runtime}, {"handler", f.handler}, {"code", f.code},
		{"memory", f.memory}, {"timeout", f.timeout}, {"payload", f.payload},
	} {
		if line.text != "" {
			fmt.Fprintf(b, "    %s: %s\n", line.key, scalar(line.text))
		}
	}
	flow(b, "concurrency", pair{"min", f.min}, pair{"max", f.max})
	if len(f.layers) > 0 {
		folders := make([]string, len(f.layers))
		for i, l := range f.layers {
			folders[i] = scalar(l.text)
		}
		fmt.Fprintf(b, "    layers: [%s]\n", strings.Join(folders, ", "))
	}
	flow(b, "async", pair{"retries", f.retries}, pair{"max_age", f.age})
	if len(f.env) > 0 {
		b.WriteString("    env:\n")
	}
	for _, v := range f.env {
		fmt.Fprintf(b, "      %s: %s\n", scalar(v.name), quoted(v.value.text))
	}
}

// pair is one key of a mapping and its value.
type pair struct {
	key string
	leaf
}

// flow writes a mapping of a function in one line; nothing where no value is known.
func flow(b *strings.Builder, key string, pairs ...pair) {
	var known []string
	for _, p := range pairs {
		if p.text != "" {
			known = append(known, p.key+": "+p.text)
		}
	}
	if len(known) > 0 {
		fmt.Fprintf(b, "    %s: {%s}\n", key, strings.Join(known, ", "))
	}
}

func (p *plan) writeRelease(b *strings.Builder) {
	strategy := p.strategy.text
	if strategy == "" {
		strategy = string(teal.StrategyAllAtOnce)
	}
	fmt.Fprintf(b, "\n# How to release: the old version stands by this long after the switch.\nrelease:\n  strategy: %s\n", scalar(strategy))
	if len(p.hooks) > 0 {
		b.WriteString("  hooks:\n")
	}
	for _, point := range teal.HookPoints {
		of := slices.DeleteFunc(slices.Clone(p.hooks), func(h hook) bool { return h.point != point })
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(b, "    %s:\n", point)
		for _, h := range of {
			fmt.Fprintf(b, "      - {name: %s, function: %s}\n", scalar(h.function), scalar(h.function))
		}
	}
	b.WriteString("  watch: {confidence: 10m}\n")
}

var (
	plain     = regexp.MustCompile(`^[A-Za-z_./][A-Za-z0-9_./-]*$`)
	quantity  = regexp.MustCompile(`^[0-9]+(s|MiB)$`)
	ambiguous = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null|nan|\.nan|\.inf)$`)
)

// scalar writes text as YAML has it, in quotes where it could be read as anything else.
func scalar(text string) string {
	if (plain.MatchString(text) || quantity.MatchString(text)) && !ambiguous.MatchString(text) {
		return text
	}
	return quoted(text)
}

// quoted writes text in YAML's double quotes, whose escapes are Go's.
func quoted(text string) string { return strconv.Quote(text) }

// comment leaves nothing in text that would end a comment.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, text)
}

package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"teal"
)

// fewerAddresses says which upstreams of green have fewer healthy addresses than
// blue's of the same name; "" when none has. One that is down for both versions
// is nobody's reason to wait: the addresses are somebody else's.
func fewerAddresses(r teal.Release, o Observation) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(o.To.Upstreams)) {
		green, blue := o.To.Upstreams[name], o.From.Upstreams[name]
		if needs := min(blue.Healthy, green.Total); green.Healthy < needs {
			list = append(list, fmt.Sprintf("%s: %d of %d addresses healthy, current (v%d) has %d; %s",
				name, green.Healthy, green.Total, r.From, blue.Healthy, strings.Join(green.Down, "; ")))
		}
	}
	return strings.Join(list, "; ")
}

// addressesDown returns evidence of the addresses that green does without; none when
// all are healthy.
func addressesDown(o Observation) []teal.Finding {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(o.To.Upstreams)) {
		if a := o.To.Upstreams[name]; len(a.Down) > 0 {
			list = append(list, fmt.Sprintf("%s: %d of %d addresses healthy; down: %s", name, a.Healthy, a.Total, strings.Join(a.Down, "; ")))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return []teal.Finding{{
		Name: "upstream addresses", Asked: "are all addresses healthy?",
		Seen: strings.Join(list, "; "), Verdict: teal.VerdictInconclusive,
	}}
}

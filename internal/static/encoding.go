package static

import "strings"

// negotiate chooses between the file as it is and what lies compressed beside it, by the
// Accept-Encoding of a request. The file as it is is taken where nothing else is wanted,
// also where it is not wanted either.
func (r *resource) negotiate(accept string) *representation {
	if len(r.compressed) == 0 || accept == "" {
		return r.plain
	}
	best, most := r.plain, max(wanted(accept, "identity")-1, 0) // as much: compressed
	for _, candidate := range r.compressed {
		if q := wanted(accept, candidate.encoding); q > most {
			best, most = candidate, q
		}
	}
	return best
}

// wanted returns how much an encoding is wanted, in thousandths.
func wanted(accept, encoding string) int {
	others := 0 // for what is not named
	for item := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(item, ";")
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, encoding), encoding == "gzip" && strings.EqualFold(name, "x-gzip"):
			return quality(parameters)
		case name == "*":
			others = quality(parameters)
		}
	}
	return others
}

// quality reads the weight among parameters (RFC 9110, 12.4.2), in thousandths. There is
// none where it is not understood.
func quality(parameters string) int {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, found := strings.Cut(parameter, "=")
		if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		return thousandths(strings.TrimSpace(value))
	}
	return 1000
}

// thousandths reads 0, 0.xyz, 1 or 1.000; 0 for anything else.
func thousandths(value string) int {
	whole, rest, _ := strings.Cut(value, ".")
	if (whole != "0" && whole != "1") || len(rest) > 3 || strings.Trim(rest, "0123456789") != "" {
		return 0
	}
	n := int(whole[0]-'0') * 1000
	for i, scale := 0, 100; i < len(rest); i, scale = i+1, scale/10 {
		n += int(rest[i]-'0') * scale
	}
	return min(n, 1000)
}

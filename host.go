package teal

import (
	"fmt"
	"strings"
)

const (
	maxHost      = 253 // RFC 1035
	maxHostLabel = 63
)

// checkHost returns an error that says what is wrong with the host of a route, or nil.
func checkHost(host string) error {
	lower := strings.ToLower(host)
	switch {
	case strings.Contains(host, "://"):
		return fmt.Errorf("%q is not a host name: it is a URL; write its host alone", host)
	case strings.Contains(host, "/"):
		return fmt.Errorf("%q is not a host name: it has a path; write that under path", host)
	case strings.HasPrefix(host, "[") || strings.Count(host, ":") > 1:
		return fmt.Errorf("%q is not a host name: it is an IPv6 address; leave host out, which is any host", host)
	case strings.Contains(host, ":"):
		name, _, _ := strings.Cut(lower, ":")
		if name == "" {
			return fmt.Errorf("%q is not a host name: it is a port, and nothing is before it", host)
		}
		return fmt.Errorf("%q is not a host name: it has a port; write %q, which is served on every port", host, name)
	case strings.ContainsFunc(host, func(r rune) bool { return r > 0x7f }):
		return fmt.Errorf("%q is not a host name: it is not ASCII; write its labels as DNS has them, with xn-- in front", host)
	case host != lower:
		return fmt.Errorf("%q is not a host name as it is compared: write it in lower case, %q", host, lower)
	case host == "*":
		return fmt.Errorf("%q is not a host name: it would be any host; leave host out", host)
	case strings.Contains(strings.TrimPrefix(host, "*."), "*"):
		return fmt.Errorf("%q is not a host name: it has a * elsewhere than for its whole first label; *.example.com is every name that has one label more than example.com", host)
	case strings.HasSuffix(host, "."):
		return fmt.Errorf("%q is not a host name: it ends with a dot; leave it out", host)
	case len(host) > maxHost:
		return fmt.Errorf("%q is not a host name: it has %d characters; host names have at most %d", host, len(host), maxHost)
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(host, "*."), ".") {
		if err := checkHostLabel(host, label); err != nil {
			return err
		}
	}
	return nil
}

func checkHostLabel(host, label string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
	switch wrong := strings.Trim(label, allowed); {
	case label == "":
		return fmt.Errorf("%q is not a host name: it has an empty label: nothing before a dot, or between two", host)
	case wrong != "":
		return fmt.Errorf("%q is not a host name: it has the character %q; host names have letters, digits, dashes and dots", host, wrong[:1])
	case len(label) > maxHostLabel:
		return fmt.Errorf("%q is not a host name: it has a label of %d characters; at most %d are allowed between two dots", host, len(label), maxHostLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Errorf("%q is not a host name: it has a label that begins or ends with a dash", host)
	}
	return nil
}

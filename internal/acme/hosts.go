package acme

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// hosts is what is known of each host, for the one goroutine of Run.
type hosts struct{ byName map[string]*host }

// host is one that has a certificate or is to have one.
type host struct {
	wanted   bool
	busy     bool
	leaf     *x509.Certificate // nil: none yet
	failures int               // since the last certificate
	failure  string            // of the last try, in the authority's words; "" for none
	asked    bool              // the authority itself has failed the last try
	next     time.Time         // not tried before
	alerted  bool
}

// want says which hosts are to have certificates of an authority's.
func (h *hosts) want(names []string) {
	for _, known := range h.byName {
		known.wanted = false
	}
	for _, name := range names {
		if !isPublicName(name) {
			continue
		}
		if h.byName[name] == nil {
			h.byName[name] = &host{}
		}
		h.byName[name].wanted = true
	}
}

// isPublicName reports whether an authority may have a certificate for a host: not for
// an address, nor for a name of one word, which is nobody's.
func isPublicName(name string) bool {
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err != nil && strings.Contains(name, ".")
}

// isWildcard reports whether a host stands for many.
func isWildcard(name string) bool { return strings.HasPrefix(name, "*.") }

// due returns the hosts to work on now, with what is worked on at most so many: those
// without a certificate first, then those whose certificate ends first.
func (h *hosts) due(now time.Time, atOnce int) []string {
	var due []string
	for name, one := range h.byName {
		switch {
		case one.busy:
			atOnce--
		case one.wanted && !isWildcard(name) && !now.Before(one.next) && one.ends(now, 3):
			due = append(due, name)
		}
	}
	slices.SortFunc(due, func(a, b string) int {
		if order := h.byName[a].expiry().Compare(h.byName[b].expiry()); order != 0 {
			return order
		}
		return strings.Compare(a, b)
	})
	return due[:max(0, min(atOnce, len(due)))]
}

// expiry returns when the certificate ends, long ago for none.
func (h *host) expiry() time.Time {
	if h.leaf == nil {
		return time.Time{}
	}
	return h.leaf.NotAfter
}

// ends reports whether less than one part in so many is left of the certificate's time.
func (h *host) ends(now time.Time, parts int64) bool {
	if h.leaf == nil {
		return true
	}
	whole := h.leaf.NotAfter.Sub(h.leaf.NotBefore)
	return h.leaf.NotAfter.Sub(now) < whole/time.Duration(parts)
}

package acme

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"teal"
)

// report tells people about hosts that have no certificate, or one that ends although
// it should have been renewed, and when that is over.
func (m *Manager) report(hosts *hosts) {
	for name, h := range hosts.byName {
		found, wrong := m.alertOf(name, h)
		switch {
		case wrong:
			m.cfg.Alerts.Report(found)
			h.alerted = true
		case h.alerted:
			m.cfg.Alerts.Resolve(teal.AlertCertificate, name)
			h.alerted = false
		}
		if !h.wanted && !h.busy && h.leaf == nil {
			delete(hosts.byName, name)
		}
	}
}

func (m *Manager) alertOf(name string, h *host) (teal.Alert, bool) {
	alert := teal.Alert{Code: teal.AlertCertificate, Subject: name}
	switch {
	case !h.wanted:
		return alert, false
	case isWildcard(name):
		alert.Message = "no certificate for " + name + " can be had automatically: for wildcards an authority wants to see a record in the DNS"
		alert.Remedy = "put a certificate of your own for it into a folder of --tls-dir, or name the hosts in the app's routes"
		return alert, true
	case h.failure == "":
		return alert, false
	case h.leaf == nil:
		alert.Message = fmt.Sprintf("no certificate for %s can be had: %s", name, h.failure)
	default:
		alert.Message = fmt.Sprintf("the certificate for %s, which ends on %s, cannot be renewed: %s", name, h.leaf.NotAfter.UTC().Format(time.DateTime), h.failure)
	}
	if !h.asked {
		alert.Remedy = fmt.Sprintf("see that this server reaches %s, and trusts its certificate (--acme-ca-roots); it is tried again at %s", m.cfg.Directory, h.next.UTC().Format(time.DateTime))
		return alert, true
	}
	alert.Remedy = fmt.Sprintf("see that %s leads to this server from the internet, on port 80 or 443, or put a certificate of your own into a folder of --tls-dir; it is tried again at %s",
		name, h.next.UTC().Format(time.DateTime))
	return alert, true
}

// words returns what an authority has said, else what went wrong on the way to it.
func words(err error) (said string, asked bool) {
	problem := acme.Problem{}
	if !errors.As(err, &problem) {
		return "the authority gives no answer of use: " + err.Error(), false
	}
	said = problem.Detail
	for _, sub := range problem.Subproblems {
		said += "; " + sub.Detail
	}
	kind := problem.Type[strings.LastIndexByte(problem.Type, ':')+1:]
	return fmt.Sprintf("the authority says: %s (%s)", said, kind), true
}

// retryAfter is how long an authority that has had enough is left alone.
func retryAfter(err error) time.Duration {
	if problem := (acme.Problem{}); errors.As(err, &problem) && problem.Type == acme.ProblemTypeRateLimited {
		return time.Hour
	}
	return 0
}

// Package doctor keeps what is wrong with a server that goes on serving. Its
// parts report what they find and resolve it when it is over; readyz, the
// metrics and `teal doctor` tell people.
package doctor

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"teal"
)

// Alerts are the open alerts of one server. Safe for concurrent use; no
// method blocks on I/O other than the logger's. A nil *Alerts keeps nothing.
type Alerts struct {
	logger *slog.Logger
	now    func() time.Time

	mu   sync.Mutex
	open map[key]teal.Alert
}

type key struct {
	code    teal.AlertCode
	subject string
}

// New returns an empty set. It logs to logger; now is the clock, nil is
// [time.Now].
func New(logger *slog.Logger, now func() time.Time) *Alerts {
	if now == nil {
		now = time.Now
	}
	return &Alerts{logger: logger, now: now, open: map[key]teal.Alert{}}
}

// Report opens an alert, or changes the open one of the same code and subject.
// Since stays that of the first report. An alert that says something new is
// logged; the same one again is not.
func (a *Alerts) Report(found teal.Alert) {
	if a == nil {
		return
	}
	k := key{found.Code, found.Subject}
	a.mu.Lock()
	before, known := a.open[k]
	if found.Since = before.Since; !known {
		found.Since = a.now()
	}
	a.open[k] = found
	a.mu.Unlock()
	if !known || before.Message != found.Message {
		a.logger.Warn(found.Message, "code", found.Code, "subject", found.Subject, "remedy", found.Remedy)
	}
}

// Resolve closes the alert of a code and subject; nothing happens when none is
// open.
func (a *Alerts) Resolve(code teal.AlertCode, subject string) {
	if a == nil {
		return
	}
	k := key{code, subject}
	a.mu.Lock()
	before, known := a.open[k]
	delete(a.open, k)
	a.mu.Unlock()
	if known {
		a.logger.Info("resolved: "+before.Message, "code", code, "subject", subject, "after", a.now().Sub(before.Since))
	}
}

// List returns the open alerts: blocking ones first, then by code and subject.
func (a *Alerts) List() []teal.Alert {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	list := make([]teal.Alert, 0, len(a.open))
	for _, found := range a.open {
		list = append(list, found)
	}
	a.mu.Unlock()
	slices.SortFunc(list, func(x, y teal.Alert) int {
		if x.Blocking != y.Blocking {
			if x.Blocking {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(x.Code, y.Code), cmp.Compare(x.Subject, y.Subject))
	})
	return list
}

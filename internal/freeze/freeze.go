// Package freeze says whether a freeze window holds: when nothing is released. It
// reads no clock.
package freeze

import (
	"fmt"
	"time"

	"teal"
	"teal/internal/cron"
)

// Active reports whether the freeze holds at now and, if so, until when: the end
// of the window, and of those that follow it without a gap; zero where so many
// follow that no end is in sight. A freeze that teal.Policy.Check refuses never
// holds.
//
// A window begins when a clock on the wall in its time zone shows what Cron says;
// see package cron for the days on which that is changed.
func Active(f teal.Freeze, now time.Time) (until time.Time, frozen bool) {
	schedule, err := cron.Parse(f.Cron)
	zone, errZone := f.Zone()
	if err != nil || errZone != nil || f.For <= 0 {
		return time.Time{}, false
	}
	last := f.For.Std()
	start, ok := schedule.Latest(now.In(zone), now.Add(-last))
	if !ok {
		return time.Time{}, false
	}
	until = start.Add(last)
	for range maxWindows {
		start, ok = schedule.Latest(until.In(zone), until.Add(-last))
		if !ok || !start.Add(last).After(until) {
			return until, true
		}
		until = start.Add(last)
	}
	return time.Time{}, true
}

// maxWindows bounds how many windows in a row are looked at, a day of minutes:
// some freezes have no end.
const maxWindows = 1500

// Holding is a freeze that holds: why, who has ordered it ("" is a window), and
// until when. A zero Until has no end in sight.
type Holding struct {
	Reason, By string
	Until      time.Time
}

// InForce returns the freeze that holds at now: a window of the list, or the order
// that a person gave, which may be nil; of several the one that holds longest.
func InForce(list []teal.Freeze, order *teal.AppOrder, now time.Time) (h Holding, frozen bool) {
	keep := func(one Holding) {
		if !frozen || one.Until.IsZero() || !h.Until.IsZero() && one.Until.After(h.Until) {
			h, frozen = one, true
		}
	}
	for _, window := range list {
		if until, holds := Active(window, now); holds {
			keep(Holding{Reason: window.Reason, Until: until})
		}
	}
	if order = (teal.App{Frozen: order}).FrozenAt(now); order != nil {
		one := Holding{Reason: order.Why, By: order.By}
		if order.Until != nil {
			one.Until = *order.Until
		}
		keep(one)
	}
	return h, frozen
}

// Refusal is the sentence with which a release of the app is refused meanwhile.
func (h Holding) Refusal(app string) string {
	text, wait := app+" is frozen", "wait, "
	if h.By != "" {
		text += " by " + h.By
	}
	if h.Reason != "" {
		text += fmt.Sprintf(" (%q)", h.Reason)
	}
	switch {
	case !h.Until.IsZero():
		text += " until " + h.Until.Format("2006-01-02 15:04 MST")
	case h.By == "":
		text, wait = text+", with no end in sight", ""
	default:
		wait = ""
	}
	if h.By != "" {
		wait += fmt.Sprintf("end it with `teal unfreeze %s`, ", app)
	}
	if wait != "" {
		wait += "or "
	}
	return text + "; " + wait + "release anyway with `teal deploy --override-freeze REASON`"
}

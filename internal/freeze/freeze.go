// Package freeze says whether a freeze window holds: when nothing is released. It
// reads no clock.
package freeze

import (
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

// Frozen returns the freeze that holds at now, and until when it does, as Active
// has it; of several the one that holds longest.
func Frozen(list []teal.Freeze, now time.Time) (f teal.Freeze, until time.Time, frozen bool) {
	for _, one := range list {
		end, holds := Active(one, now)
		if holds && (!frozen || end.IsZero() || !until.IsZero() && end.After(until)) {
			f, until, frozen = one, end, true
		}
	}
	return f, until, frozen
}

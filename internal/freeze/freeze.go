// Package freeze says whether a freeze window holds: when nothing is released. It
// reads no clock.
package freeze

import (
	"time"

	"teal"
	"teal/internal/cron"
)

// Active reports whether the freeze holds at now and, if so, until when at
// least: the end of the window, and of those that follow it without a gap. A
// freeze that teal.Policy.Check refuses never holds.
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
			break
		}
		until = start.Add(last)
	}
	return until, true
}

// maxWindows bounds how many windows in a row are looked at: some freezes have
// no end.
const maxWindows = 20

// Frozen returns the freeze that holds at now, and until when it does; of
// several the one that holds longest.
func Frozen(list []teal.Freeze, now time.Time) (f teal.Freeze, until time.Time, frozen bool) {
	for _, one := range list {
		if end, holds := Active(one, now); holds && end.After(until) {
			f, until, frozen = one, end, true
		}
	}
	return f, until, frozen
}

package trigger

import (
	"fmt"
	"time"

	"teal"
	"teal/internal/cron"
)

// Times that bound what counts as being on time.
const (
	// onTime is how late a time may be and still be fired as if it were not: a server
	// that is started again within it misses nothing.
	onTime = time.Minute
	// corrected is from when on a clock that has gone back was wrong before: until then,
	// times that come a second time are not fired a second time.
	corrected = 3 * time.Hour
	// countedMissed bounds how many missed times are counted one by one.
	countedMissed = 1000
)

// timetable is when a schedule comes.
type timetable struct {
	trigger teal.Trigger
	cron    cron.Schedule
	zone    *time.Location
}

// newTimetable reads a trigger's schedule; false for one that is none, or that no version
// that was checked can have.
func newTimetable(t teal.Trigger) (timetable, bool) {
	if t.Schedule == nil {
		return timetable{}, false
	}
	times, err := cron.Parse(t.Schedule.Cron)
	if err != nil {
		return timetable{}, false
	}
	zone, err := t.Schedule.Zone()
	return timetable{t, times, zone}, err == nil
}

// next returns the first time after a moment.
func (t timetable) next(after time.Time) time.Time { return t.cron.NextOnce(after.In(t.zone)) }

// nextTimes returns the first n times after a moment.
func (t timetable) nextTimes(after time.Time, n int) []time.Time {
	var list []time.Time
	for range n {
		if after = t.next(after); after.IsZero() {
			break
		}
		list = append(list, after)
	}
	return list
}

// advance decides about every time that has come since the record was written. since is
// from when on a schedule counts that is new, or has been changed. Every firing that it
// adds as waiting is to be run by some version.
func (r *Record) advance(t timetable, now, since time.Time) (changed bool) {
	s := *t.trigger.Schedule
	if r.Cron != s.Cron || r.TimeZone != s.TimeZone || r.Last.IsZero() {
		r.Cron, r.TimeZone = s.Cron, s.TimeZone
		if r.Last.Before(since) {
			r.Last = since
		}
		changed = true
	}
	if r.Last.Sub(now) > corrected {
		r.Last, changed = now, true
	}
	latest, ok := t.cron.LatestOnce(now.In(t.zone), r.Last)
	if !ok {
		return changed
	}
	late := now.Sub(latest) > onTime
	fires := !late || s.Missed == teal.MissedOnce
	from := r.Last
	if fires {
		r.addMissed(t, from, latest.Add(-1), now)
	} else {
		r.addMissed(t, from, latest, now)
	}
	r.Last = latest
	if fires && r.firing(FiringID(r.App, r.Name, latest)) == nil { // else the clock has been put back
		r.add(r.due(s, latest, now, late))
	}
	return true
}

// addMissed notes the times after one moment and until another as missed.
func (r *Record) addMissed(t timetable, after, until, now time.Time) {
	last, ok := t.cron.LatestOnce(until.In(t.zone), after)
	if !ok {
		return
	}
	times := 1
	for at := t.next(after); at.Before(last) && times < countedMissed; at = t.next(at) {
		times++
	}
	r.add(r.missed(last, now, times))
}

func (r *Record) missed(latest, now time.Time, times int) teal.Firing {
	why := "nobody could fire then"
	if times > 1 {
		why = fmt.Sprintf("nobody could fire at %d times until then", times)
	}
	if times >= countedMissed {
		why = fmt.Sprintf("nobody could fire at %d times or more until then", countedMissed)
	}
	return teal.Firing{ID: FiringID(r.App, r.Name, latest) + "-missed", At: latest, State: teal.FiringMissed, FiredAt: now, EndedAt: &now, Missed: times, Why: why}
}

// due is the firing for a time that has come.
func (r *Record) due(s teal.Schedule, at, now time.Time, late bool) teal.Firing {
	f := teal.Firing{ID: FiringID(r.App, r.Name, at), At: at, State: teal.FiringWaiting, FiredAt: now}
	if late {
		f.Why = "late, because nobody could fire then"
	}
	open := len(r.open())
	switch {
	case open == 0:
	case s.Overlap == "" || s.Overlap == teal.OverlapSkip:
		f.State, f.EndedAt, f.Why = teal.FiringSkipped, &now, "the one before had not ended"
	case open >= MaxOpenFirings:
		f.State, f.EndedAt, f.Why = teal.FiringSkipped, &now, fmt.Sprintf("%d before it had not ended, which is the limit", open)
	}
	return f
}

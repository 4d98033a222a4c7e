// Package cron says when a cron expression comes, by a clock on the wall.
//
// A time that the clock shows twice, when summer ends, comes twice; one that it
// skips, when summer begins, comes as much later as the clock was put forward. This
// is why the package is Teal's own: what others have skips such a day. It reads no
// clock and starts nothing.
package cron

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"teal"
)

// Schedule is a cron expression: the values that each field may have. The zero value
// never comes.
type Schedule struct {
	minutes, hours, days, months, weekdays uint64 // one bit for each value
	// Every day or every weekday: of two fields that say something, either is
	// enough; one that says nothing has no say.
	anyDay, anyWeekday bool
}

// field describes one of the five fields.
type field struct {
	name      string
	low, high int
	words     []string // names of the values from low
}

var fields = []field{
	{name: "minute", high: 59},
	{name: "hour", high: 23},
	{name: "day", low: 1, high: 31},
	{name: "month", low: 1, high: 12, words: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "weekday", high: 7, words: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// Parse reads a cron expression of five fields: minute, hour, day of the
// month, month, day of the week, each a list of values, ranges (1-5) and steps
// (*/15, 8-18/2); months and weekdays may be named. It refuses one that never
// comes, with teal.CodeInvalidInput.
func Parse(text string) (Schedule, error) {
	words := strings.Fields(text)
	if len(words) != len(fields) {
		return Schedule{}, teal.Errorf(teal.CodeInvalidInput, "%q has %d fields; a cron expression has five: minute hour day month weekday, such as \"0 18 * * FRI\"", text, len(words))
	}
	var sets [5]uint64
	for i, field := range fields {
		var err error
		if sets[i], err = field.parse(words[i]); err != nil {
			return Schedule{}, err
		}
	}
	c := Schedule{
		minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: sets[4] | sets[4]>>7&1,
		anyDay: strings.HasPrefix(words[2], "*"), anyWeekday: strings.HasPrefix(words[4], "*"),
	}
	if !c.comes() {
		return Schedule{}, teal.Errorf(teal.CodeInvalidInput, "%q never comes: no month of it has such a day", text)
	}
	return c, nil
}

// Check returns an error that says what a cron expression must look like, or nil. It
// is a teal.CronCheck.
func Check(text string) error {
	_, err := Parse(text)
	return err
}

// comes reports whether there is a date that matches.
func (c Schedule) comes() bool {
	if !c.anyWeekday {
		return true // either field is enough, or the day of the month has no say
	}
	for m := time.January; m <= time.December; m++ {
		// 2024 was a leap year.
		for d := 1; d <= time.Date(2024, m+1, 0, 0, 0, 0, 0, time.UTC).Day(); d++ {
			if has(c.months, int(m)) && has(c.days, d) {
				return true
			}
		}
	}
	return false
}

func (f field) parse(text string) (set uint64, err error) {
	for item := range strings.SplitSeq(text, ",") {
		low, high, step, ok := f.item(item)
		if !ok || low > high || step < 1 || step > f.high {
			return 0, teal.Errorf(teal.CodeInvalidInput, "%q is not a %s; expected %s", item, f.name, f.expected())
		}
		for v := low; v <= high; v += step {
			set |= 1 << v
		}
	}
	return set, nil
}

func (f field) expected() string {
	text := strconv.Itoa(f.low) + " to " + strconv.Itoa(f.high)
	if len(f.words) > 0 {
		text += " or " + strings.ToUpper(f.words[0]) + " to " + strings.ToUpper(f.words[len(f.words)-1])
	}
	return text + ", a range such as " + strconv.Itoa(f.low+1) + "-" + strconv.Itoa(f.low+4) + ", or * with a step such as */2"
}

// item reads one item of a list: *, a value or a range, each but a value with an
// optional step.
func (f field) item(text string) (low, high, step int, ok bool) {
	span, by, stepped := strings.Cut(text, "/")
	step = 1
	if stepped {
		if step, ok = number(by); !ok {
			return 0, 0, 0, false
		}
	}
	if span == "*" {
		return f.low, f.high - f.repeated(), step, true
	}
	from, to, ranged := strings.Cut(span, "-")
	if low, ok = f.value(from); !ok {
		return 0, 0, 0, false
	}
	if !ranged {
		return low, low, step, !stepped
	}
	high, ok = f.value(to)
	if high == 0 && f.repeated() > 0 {
		high = f.high // FRI-SUN
	}
	return low, high, step, ok
}

// repeated is 1 for the field whose highest value means its lowest: weekday 7 is
// Sunday, as 0 is.
func (f field) repeated() int {
	if f.high == 7 {
		return 1
	}
	return 0
}

func (f field) value(text string) (int, bool) {
	if i := slices.Index(f.words, strings.ToLower(text)); i >= 0 {
		return f.low + i, true
	}
	v, ok := number(text)
	return v, ok && v >= f.low && v <= f.high
}

// number reads digits alone.
func number(text string) (int, bool) {
	if text == "" || len(text) > 2 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	v, err := strconv.Atoi(text)
	return v, err == nil
}

func has(set uint64, value int) bool { return set>>value&1 == 1 }

// onDay reports whether a date matches.
func (c Schedule) onDay(date time.Time) bool {
	if !has(c.months, int(date.Month())) {
		return false
	}
	day, weekday := has(c.days, date.Day()), has(c.weekdays, int(date.Weekday()))
	switch {
	case c.anyDay || c.anyWeekday:
		return day && weekday
	default:
		return day || weekday
	}
}

// Latest returns the latest start at or before t that is after the other bound,
// in t's location; false when there is none.
func (c Schedule) Latest(t, after time.Time) (start time.Time, ok bool) {
	zone := t.Location()
	// A start that the clock skips comes a little later, and where the date line
	// moved, up to a day later; so a day more is looked at on both sides.
	first, last := civil(after.In(zone)).AddDate(0, 0, -1), civil(t).AddDate(0, 0, 1)
	for date := last; !date.Before(first); date = date.AddDate(0, 0, -1) {
		if ok && date.Before(civil(start).AddDate(0, 0, -1)) {
			break
		}
		if !c.onDay(date) {
			continue
		}
		if s, found := c.latestOf(date, zone, t); found && s.After(after) && (!ok || s.After(start)) {
			start, ok = s, true
		}
	}
	return start, ok
}

// civil returns what the clock shows at t as if it hung in Greenwich, at
// midnight.
func civil(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// latestOf returns the latest start on a date that is not after t.
func (c Schedule) latestOf(date time.Time, zone *time.Location, t time.Time) (start time.Time, ok bool) {
	offsets := offsetsOn(date, zone)
	for h := 23; h >= 0; h-- {
		if !has(c.hours, h) {
			continue
		}
		for m := 59; m >= 0; m-- {
			if !has(c.minutes, m) {
				continue
			}
			wall := date.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
			s, found := offsets.latest(wall, t)
			if found && (!ok || s.After(start)) {
				start, ok = s.In(zone), true
			}
			if found && len(offsets) == 1 {
				return start, ok // earlier on the clock is earlier
			}
		}
	}
	return start, ok
}

// offsets are the offsets from UTC that a zone has one after another.
type offsets []offset

type offset struct {
	from, to time.Time // zero: without bound
	east     time.Duration
}

// offsetsOn returns the offsets that a zone has on a date and a day around it.
func offsetsOn(date time.Time, zone *time.Location) offsets {
	var list offsets
	end := date.AddDate(0, 0, 3)
	for at := date.AddDate(0, 0, -2).In(zone); ; {
		from, to := at.ZoneBounds()
		_, east := at.Zone()
		list = append(list, offset{from, to, time.Duration(east) * time.Second})
		if to.IsZero() || to.After(end) {
			return list
		}
		at = to
	}
}

// latest returns the latest moment, not after t, at which the clock shows wall,
// given as if the clock hung in Greenwich.
func (list offsets) latest(wall, t time.Time) (at time.Time, ok bool) {
	list.moments(wall, func(s time.Time) {
		if !s.After(t) && (!ok || s.After(at)) {
			at, ok = s, true
		}
	})
	return at, ok
}

// earliest returns the earliest moment, after t, at which the clock shows wall.
func (list offsets) earliest(wall, t time.Time) (at time.Time, ok bool) {
	list.moments(wall, func(s time.Time) {
		if s.After(t) && (!ok || s.Before(at)) {
			at, ok = s, true
		}
	})
	return at, ok
}

// moments calls visit with every moment at which the clock shows wall, or at which
// what it skips begins.
func (list offsets) moments(wall time.Time, visit func(time.Time)) {
	for i, o := range list {
		s := wall.Add(-o.east)
		shown := !s.Before(o.from) && (o.to.IsZero() || s.Before(o.to))
		// Skipped: not before the end of one offset, and before the start of the
		// next.
		skipped := i+1 < len(list) && !s.Before(o.to) && wall.Add(-list[i+1].east).Before(o.to)
		if shown || skipped {
			visit(s)
		}
	}
}

// horizon is how far ahead Next looks: a 29 February that must be a certain day of
// the week may be 40 years away.
const horizon = 100 * 366

// Next returns the first start after t, in t's location; the zero time when there is
// none in a hundred years, which no schedule that Parse returns leads to.
func (c Schedule) Next(t time.Time) time.Time {
	var start time.Time
	ok := false
	date := civil(t).AddDate(0, 0, -1) // see Latest
	for range horizon {
		if ok && date.After(civil(start).AddDate(0, 0, 1)) {
			break
		}
		if c.onDay(date) {
			if s, found := c.earliestOf(date, t); found && (!ok || s.Before(start)) {
				start, ok = s, true
			}
		}
		date = date.AddDate(0, 0, 1)
	}
	return start
}

// earliestOf returns the earliest start on a date that is after t.
func (c Schedule) earliestOf(date, t time.Time) (start time.Time, ok bool) {
	offsets := offsetsOn(date, t.Location())
	for h := range 24 {
		for m := range 60 {
			if !has(c.hours, h) || !has(c.minutes, m) {
				continue
			}
			s, found := offsets.earliest(date.Add(time.Duration(h)*time.Hour+time.Duration(m)*time.Minute), t)
			if found && (!ok || s.Before(start)) {
				start, ok = s.In(t.Location()), true
			}
			if found && len(offsets) == 1 {
				return start, ok // later on the clock is later
			}
		}
	}
	return start, ok
}

// NextOnce is Next for what is to be done once a day at a time on the clock: where the
// clock shows a time twice, the second one does not count. Only a schedule that comes in
// every hour goes on through both, because it counts hours and not times of the day.
func (c Schedule) NextOnce(t time.Time) time.Time {
	for t = c.Next(t); !t.IsZero() && c.isRepeated(t); {
		t = c.Next(t)
	}
	return t
}

// LatestOnce is Latest, as NextOnce is Next.
func (c Schedule) LatestOnce(t, after time.Time) (start time.Time, ok bool) {
	for start, ok = c.Latest(t, after); ok && c.isRepeated(start); {
		start, ok = c.Latest(start.Add(-1), after)
	}
	return start, ok
}

// everyHour is what hours holds of a schedule that comes in every hour.
const everyHour = 1<<24 - 1

// isRepeated reports whether a start comes the second time that the clock shows it, to a
// schedule that is for the first.
func (c Schedule) isRepeated(start time.Time) bool {
	if c.hours == everyHour {
		return false
	}
	from, _ := start.ZoneBounds()
	if from.IsZero() {
		return false
	}
	_, now := start.Zone()
	_, before := from.Add(-1).Zone()
	return start.Sub(from) < time.Duration(before-now)*time.Second
}

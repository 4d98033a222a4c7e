package freeze_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests need every zone

	"pgregory.net/rapid"

	"teal"
	"teal/internal/cron"
	"teal/internal/freeze"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFreezes(t *testing.T) {
	t.Parallel()
	hours := func(n int) teal.Duration { return teal.Duration(time.Duration(n) * time.Hour) }
	for _, tt := range []struct {
		name  string
		f     teal.Freeze
		now   string
		until string // "": not frozen
	}{
		{"first moment", teal.Freeze{Cron: "0 18 * * FRI", For: hours(62), TimeZone: "UTC"}, "2026-01-02T18:00:00Z", "2026-01-05T08:00:00Z"},
		{"last moment", teal.Freeze{Cron: "0 18 * * FRI", For: hours(62), TimeZone: "UTC"}, "2026-01-05T07:59:59Z", "2026-01-05T08:00:00Z"},
		{"just over", teal.Freeze{Cron: "0 18 * * FRI", For: hours(62), TimeZone: "UTC"}, "2026-01-05T08:00:00Z", ""},
		{"not yet", teal.Freeze{Cron: "0 18 * * FRI", For: hours(62), TimeZone: "UTC"}, "2026-01-02T17:59:59Z", ""},
		{"no zone is UTC", teal.Freeze{Cron: "0 18 * * 5", For: hours(1)}, "2026-01-02T18:30:00Z", "2026-01-02T19:00:00Z"},
		{"a zone", teal.Freeze{Cron: "0 18 * * *", For: hours(1), TimeZone: "Asia/Kathmandu"}, "2026-01-02T12:15:00Z", "2026-01-02T13:15:00Z"},
		{"windows in a row", teal.Freeze{Cron: "0 9,10 * * *", For: hours(1), TimeZone: "UTC"}, "2026-01-02T09:30:00Z", "2026-01-02T11:00:00Z"},
		{"overlapping windows", teal.Freeze{Cron: "0 9,10 * * *", For: hours(3), TimeZone: "UTC"}, "2026-01-02T09:30:00Z", "2026-01-02T13:00:00Z"},
		{"the 31st", teal.Freeze{Cron: "0 0 31 * *", For: hours(24), TimeZone: "UTC"}, "2026-03-31T12:00:00Z", "2026-04-01T00:00:00Z"},
		{"a leap day", teal.Freeze{Cron: "0 0 29 2 *", For: hours(24), TimeZone: "UTC"}, "2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"},
		{"day or weekday", teal.Freeze{Cron: "0 0 13 * FRI", For: hours(1), TimeZone: "UTC"}, "2026-01-13T00:30:00Z", "2026-01-13T01:00:00Z"},
		{"sunday is 7 too", teal.Freeze{Cron: "0 0 * * 7", For: hours(1), TimeZone: "UTC"}, "2026-01-04T00:30:00Z", "2026-01-04T01:00:00Z"},
		{"a range over sunday", teal.Freeze{Cron: "0 0 * * FRI-SUN", For: hours(1), TimeZone: "UTC"}, "2026-01-04T00:30:00Z", "2026-01-04T01:00:00Z"},
		{"for a year", teal.Freeze{Cron: "0 0 1 1 *", For: hours(365 * 24), TimeZone: "UTC"}, "2026-12-31T23:00:00Z", "2028-12-31T00:00:00Z"},
		// Summer begins on 29 March in Berlin: 02:30 does not come; the window
		// begins an hour later on the clock, a day after the one before.
		{"skipped", teal.Freeze{Cron: "30 2 * * *", For: hours(1), TimeZone: "Europe/Berlin"}, "2026-03-29T01:45:00Z", "2026-03-29T02:30:00Z"},
		{"before the skipped one", teal.Freeze{Cron: "30 2 * * *", For: hours(1), TimeZone: "Europe/Berlin"}, "2026-03-29T01:15:00Z", ""},
		{"the day after", teal.Freeze{Cron: "30 2 * * *", For: hours(1), TimeZone: "Europe/Berlin"}, "2026-03-30T00:30:00Z", "2026-03-30T01:30:00Z"},
		// Summer ends on 25 October: 02:30 comes twice.
		{"the first of two", teal.Freeze{Cron: "30 2 * * *", For: teal.Duration(10 * time.Minute), TimeZone: "Europe/Berlin"}, "2026-10-25T00:35:00Z", "2026-10-25T00:40:00Z"},
		{"the second of two", teal.Freeze{Cron: "30 2 * * *", For: teal.Duration(10 * time.Minute), TimeZone: "Europe/Berlin"}, "2026-10-25T01:35:00Z", "2026-10-25T01:40:00Z"},
		{"between the two", teal.Freeze{Cron: "30 2 * * *", For: teal.Duration(10 * time.Minute), TimeZone: "Europe/Berlin"}, "2026-10-25T01:15:00Z", ""},
		// A day of 25 hours is frozen from its first moment for 25 hours.
		{"the long day", teal.Freeze{Cron: "* * * * SUN", For: teal.Duration(time.Minute), TimeZone: "Europe/Berlin"}, "2026-10-25T22:59:30Z", "2026-10-25T23:00:00Z"},
		{"half an hour of summer", teal.Freeze{Cron: "15 2 * * *", For: hours(1), TimeZone: "Australia/Lord_Howe"}, "2026-10-03T15:50:00Z", "2026-10-03T16:45:00Z"},
		{"a day that never was", teal.Freeze{Cron: "0 12 30 12 *", For: hours(1), TimeZone: "Pacific/Apia"}, "2011-12-30T22:30:00Z", "2011-12-30T23:00:00Z"},
		{"refused by Check", teal.Freeze{Cron: "nonsense", For: hours(1)}, "2026-01-02T18:00:00Z", ""},
		{"refused zone", teal.Freeze{Cron: "* * * * *", For: hours(1), TimeZone: "Europe/Atlantis"}, "2026-01-02T18:00:00Z", ""},
	} {
		until, frozen := freeze.Active(tt.f, at(t, tt.now))
		want, wanted := time.Time{}, tt.until != ""
		if wanted {
			want = at(t, tt.until)
		}
		if frozen != wanted || !until.Equal(want) {
			t.Errorf("%s: until %s, %t; want %q", tt.name, until.UTC().Format(time.RFC3339), frozen, tt.until)
		}
	}
}

func TestFrozenTellsTheLongest(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-01-02T18:30:00Z")
	list := []teal.Freeze{
		{Cron: "0 6 * * *", For: teal.Duration(time.Hour), Reason: "over"},
		{Cron: "0 18 * * *", For: teal.Duration(time.Hour), Reason: "short"},
		{Cron: "0 18 * * FRI", For: teal.Duration(62 * time.Hour), Reason: "weekend"},
	}
	h, frozen := freeze.InForce(list, nil, now)
	if !frozen || h.Reason != "weekend" || !h.Until.Equal(at(t, "2026-01-05T08:00:00Z")) {
		t.Errorf("%+v, %t", h, frozen)
	}
	// Seen red when the end of the last window that is looked at was the end.
	endless := teal.Freeze{Cron: "0 0 * * *", For: teal.Duration(48 * time.Hour), Reason: "closed"}
	for _, list := range [][]teal.Freeze{{endless}, append([]teal.Freeze{endless}, list...), append(list[:len(list):len(list)], endless)} {
		if h, frozen := freeze.InForce(list, nil, now); !frozen || h != (freeze.Holding{Reason: "closed"}) {
			t.Errorf("a freeze without an end: %+v, frozen %t", h, frozen)
		}
	}
	if h, frozen := freeze.InForce(list[:1], nil, now); frozen || h != (freeze.Holding{}) {
		t.Errorf("%+v, %t", h, frozen)
	}
}

// A freeze that a person has ordered holds like a window, until its end, if it has
// one. Seen red without the look at the order, and when its end counted as in it.
func TestAnOrderedFreezeHolds(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-01-02T18:30:00Z")
	order := func(until string) *teal.AppOrder {
		o := &teal.AppOrder{Kind: teal.OrderFreeze, By: "ann", Why: "audit"}
		if until != "" {
			end := at(t, until)
			o.Until = &end
		}
		return o
	}
	weekend := []teal.Freeze{{Cron: "0 18 * * FRI", For: teal.Duration(62 * time.Hour), Reason: "weekend"}}
	for _, tt := range []struct {
		name  string
		list  []teal.Freeze
		order *teal.AppOrder
		want  string // the refusal; "" is none
	}{
		{"one that is over", nil, order("2026-01-02T18:30:00Z"), ""},
		{"one with an end", nil, order("2026-01-02T18:31:00Z"), `shop is frozen by ann ("audit") until 2026-01-02 18:31 UTC; wait, end it with ` + "`teal unfreeze shop`, or release anyway with `teal deploy --override-freeze REASON`"},
		{"one without", weekend, order(""), `shop is frozen by ann ("audit"); end it with ` + "`teal unfreeze shop`, or release anyway with `teal deploy --override-freeze REASON`"},
		{"a window that is longer", weekend, order("2026-01-02T18:31:00Z"), `shop is frozen ("weekend") until 2026-01-05 08:00 UTC; wait, ` + "or release anyway with `teal deploy --override-freeze REASON`"},
	} {
		h, frozen := freeze.InForce(tt.list, tt.order, now)
		if got := h.Refusal("shop"); frozen != (tt.want != "") || frozen && got != tt.want {
			t.Errorf("%s: frozen %t\ngot  %s\nwant %s", tt.name, frozen, got, tt.want)
		}
	}
}

func TestTimeZones(t *testing.T) {
	t.Parallel()
	for zone, ok := range map[string]bool{
		"": true, "UTC": true, "Europe/Berlin": true, "America/Argentina/Buenos_Aires": true,
		"Local": false, "Europe/Atlantis": false, "../../etc/passwd": false, "/etc/localtime": false, "europe berlin": false, "CEST": false, "+01:00": false, "\x00": false,
	} {
		p := teal.DefaultPolicy()
		p.Freeze = []teal.Freeze{{Cron: "* * * * *", For: teal.Duration(time.Minute), TimeZone: zone}}
		if err := p.Validate(cron.Check); (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), "release.freeze.0.time_zone: ") {
			t.Errorf("%q: %v", zone, err)
		}
	}
}

// A clock on the wall, read minute by minute, is the oracle. Seen red without
// the case of a start that is skipped, and with the last offset of a day for all
// of it.
func TestFreezesFollowTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "Pacific/Chatham", "Pacific/Apia"}).Draw(rt, "zone")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			rt.Fatal(err)
		}
		// Near a change of the clocks, most of the time.
		near := time.Unix(rapid.Int64Range(1_300_000_000, 1_900_000_000).Draw(rt, "near"), 0)
		if _, end := near.In(loc).ZoneBounds(); !end.IsZero() && rapid.IntRange(0, 3).Draw(rt, "change") > 0 {
			near = end
		}
		now := near.Add(time.Duration(rapid.IntRange(-30*3600, 30*3600).Draw(rt, "off")) * time.Second)
		minute, hour := rapid.IntRange(0, 59).Draw(rt, "minute"), rapid.IntRange(0, 23).Draw(rt, "hour")
		weekday := now.In(loc).AddDate(0, 0, rapid.IntRange(-1, 1).Draw(rt, "day")).Weekday()
		length := time.Duration(rapid.IntRange(1, 2000).Draw(rt, "length")) * time.Minute
		f := teal.Freeze{
			Cron:     strings.Join([]string{strconv.Itoa(minute), strconv.Itoa(hour), "*", "*", strconv.Itoa(int(weekday))}, " "),
			TimeZone: zone, For: teal.Duration(length),
		}
		until, frozen := freeze.Active(f, now)
		want := startWithin(loc, now.Add(-length), now, hour, minute, weekday)
		if frozen != want {
			rt.Fatalf("%+v at %s: frozen %t, want %t", f, now.In(loc), frozen, want)
		}
		if frozen && (!until.After(now) || startWithin(loc, until.Add(-length), until, hour, minute, weekday)) {
			rt.Fatalf("%+v at %s: until %s", f, now.In(loc), until.In(loc))
		}
	})
}

// startWithin reports whether the clock on the wall shows, or skips, the time
// after one moment and until another.
func startWithin(loc *time.Location, after, until time.Time, hour, minute int, weekday time.Weekday) bool {
	shows := func(wall time.Time) bool {
		return wall.Hour() == hour && wall.Minute() == minute && wall.Weekday() == weekday
	}
	wall := func(at time.Time) time.Time {
		_, east := at.In(loc).Zone()
		return at.UTC().Add(time.Duration(east) * time.Second)
	}
	from := after.Add(-25 * time.Hour).Truncate(time.Minute) // a skip may lie a day back
	for at := from; !at.After(until); at = at.Add(time.Minute) {
		inside := func(t time.Time) bool { return t.After(after) && !t.After(until) }
		if shows(wall(at)) && inside(at) {
			return true
		}
		jump := wall(at).Sub(wall(at.Add(-time.Minute)))
		for skipped := time.Minute; skipped < jump; skipped += time.Minute {
			if shows(wall(at.Add(-time.Minute)).Add(skipped)) && inside(at.Add(skipped-time.Minute)) {
				return true
			}
		}
	}
	return false
}

func FuzzFreeze(f *testing.F) {
	f.Add("*/15 8-18/2 1,15 jan-mar MON-FRI", "Europe/Berlin", int64(1_780_000_000), int64(time.Hour))
	f.Add("0 0 29 2 *", "", int64(0), int64(1))
	f.Add("* * * * *", "Pacific/Apia", int64(-1<<33), int64(time.Minute))
	f.Fuzz(func(t *testing.T, text, zone string, sec, length int64) {
		f := teal.Freeze{Cron: text, TimeZone: zone, For: teal.Duration(length)}
		now := time.Unix(sec%(1<<34), 0)
		p := teal.DefaultPolicy()
		p.Freeze = []teal.Freeze{f}
		refused := p.Validate(cron.Check) != nil
		if length > int64(teal.MaxFreeze) {
			return
		}
		if until, frozen := freeze.Active(f, now); frozen && (refused || !until.IsZero() && !until.After(now)) {
			t.Errorf("%+v at %s: until %s, refused %t", f, now, until, refused)
		}
	})
}

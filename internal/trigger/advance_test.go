package trigger

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests need every zone

	"pgregory.net/rapid"

	"teal"
)

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func table(t testing.TB, s teal.Schedule) timetable {
	t.Helper()
	times, ok := newTimetable(teal.Trigger{Name: "a", To: "b", Schedule: &s})
	if !ok {
		t.Fatalf("%+v is no schedule", s)
	}
	return times
}

// history writes what became of the times of a record: "03:00 waiting".
func history(r Record) string {
	var list []string
	for _, f := range r.Firings {
		text := f.At.Format("02T15:04 ") + string(f.State)
		if f.Missed > 0 {
			text += fmt.Sprintf(" %d", f.Missed)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// advanced is a case of advance: looks at the clock, one after the other.
type advanced struct {
	name  string
	s     teal.Schedule
	looks []string
	ends  bool // what waits has succeeded before the next look
	want  string
}

var cases = []advanced{
	{
		"a new schedule begins now", teal.Schedule{Cron: "0 3 * * *"},
		[]string{"2026-01-02T04:00:00Z", "2026-01-02T05:00:00Z"}, true, "",
	},
	{
		"every time once, however often it is looked", teal.Schedule{Cron: "0 * * * *"},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T03:00:00Z", "2026-01-02T03:00:00.5Z", "2026-01-02T03:59:59Z", "2026-01-02T04:00:01Z"}, true,
		"02T03:00 succeeded, 02T04:00 succeeded",
	},
	{
		"a restart within a minute misses nothing", teal.Schedule{Cron: "0 * * * *"},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T03:00:59Z"}, true, "02T03:00 succeeded",
	},
	{
		"a long stop: skip", teal.Schedule{Cron: "0 * * * *"},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T05:30:00Z"}, true, "02T05:00 missed 3",
	},
	{
		"a long stop: once", teal.Schedule{Cron: "0 * * * *", Missed: teal.MissedOnce},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T05:30:00Z"}, true, "02T04:00 missed 2, 02T05:00 succeeded",
	},
	{
		"a long stop that ends on a time", teal.Schedule{Cron: "0 * * * *"},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T05:00:03Z"}, true, "02T04:00 missed 2, 02T05:00 succeeded",
	},
	{
		"a year is not counted", teal.Schedule{Cron: "* * * * *"},
		[]string{"2026-01-02T02:59:59Z", "2027-01-02T02:58:59Z"}, true, "02T02:57 missed 1000, 02T02:58 succeeded",
	},
	{
		"overlap: skip", teal.Schedule{Cron: "* * * * *"},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T03:00:00Z", "2026-01-02T03:01:00Z"}, false, "02T03:00 waiting, 02T03:01 skipped",
	},
	{
		"overlap: queue", teal.Schedule{Cron: "* * * * *", Overlap: teal.OverlapQueue},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T03:00:00Z", "2026-01-02T03:01:00Z"}, false, "02T03:00 waiting, 02T03:01 waiting",
	},
	{
		"overlap: allow", teal.Schedule{Cron: "* * * * *", Overlap: teal.OverlapAllow},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T03:00:00Z", "2026-01-02T03:01:00Z"}, false, "02T03:00 waiting, 02T03:01 waiting",
	},
	{
		"the clock goes back a little: nothing comes twice", teal.Schedule{Cron: "0 * * * *"},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T03:00:00Z", "2026-01-02T02:50:00Z", "2026-01-02T03:00:00Z", "2026-01-02T04:00:00Z"}, true,
		"02T03:00 succeeded, 02T04:00 succeeded",
	},
	{
		"the clock was years ahead: it goes on, and what it had fired is not fired again", teal.Schedule{Cron: "0 * * * *"},
		[]string{"2026-01-02T02:59:59Z", "2026-01-02T09:00:00Z", "2026-01-02T03:00:00Z", "2026-01-02T04:00:00Z", "2026-01-02T09:00:00Z"}, true,
		"02T08:00 missed 6, 02T09:00 succeeded, 02T04:00 succeeded, 02T08:00 missed 4",
	},
	{
		"summer begins: the time that is skipped comes an hour later", teal.Schedule{Cron: "30 2 * * *", TimeZone: "Europe/Berlin"},
		[]string{"2026-03-28T12:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"}, true, "29T03:30 succeeded",
	},
	{
		"summer ends: once a day stays once", teal.Schedule{Cron: "30 2 * * *", TimeZone: "Europe/Berlin"},
		[]string{"2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z", "2026-10-26T01:30:00Z"}, true,
		"25T02:30 succeeded, 26T02:30 succeeded",
	},
	{
		"summer ends: what comes every hour goes on", teal.Schedule{Cron: "30 * * * *", TimeZone: "Europe/Berlin"},
		[]string{"2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}, true,
		"25T02:30 succeeded, 25T02:30 succeeded, 25T03:30 succeeded",
	},
	{
		"summer ends by half an hour", teal.Schedule{Cron: "45 1 * * *", TimeZone: "Australia/Lord_Howe"},
		[]string{"2026-04-04T12:00:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-05T15:15:00Z"}, true, "05T01:45 succeeded, 06T01:45 succeeded",
	},
}

// Seen red with Last moved to now and not to the latest time (the times between two looks
// were lost), with firings of a clock that was put back fired again, with cron.Next in
// place of NextOnce, and without corrected (nothing came any more).
func TestAdvance(t *testing.T) {
	t.Parallel()
	for _, c := range cases {
		if c.s.TimeZone == "" {
			c.s.TimeZone = "UTC"
		}
		times := table(t, c.s)
		r := Record{App: "shop", Name: "a"}
		for _, look := range c.looks {
			now := moment(t, look)
			r.advance(times, now, now.Add(-lookEvery))
			for _, f := range r.open() {
				if c.ends {
					_ = r.end(f.ID, teal.FiringSucceeded, "", now)
				}
			}
		}
		if got := history(r); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// A changed schedule begins anew: what it would have fired before it was there was not
// missed. Seen red without a look at Cron and TimeZone in advance.
func TestAChangedScheduleBeginsAnew(t *testing.T) {
	t.Parallel()
	r := Record{App: "shop", Name: "a"}
	now := moment(t, "2026-01-02T08:00:00Z")
	r.advance(table(t, teal.Schedule{Cron: "0 9 * * *", TimeZone: "UTC"}), now.Add(-24*time.Hour), now.Add(-24*time.Hour))
	r.advance(table(t, teal.Schedule{Cron: "0 7 * * *", TimeZone: "UTC", Missed: teal.MissedOnce}), now, now)
	if len(r.Firings) != 0 {
		t.Errorf("%s", history(r))
	}
}

// However the clock is looked at while it goes forward, every time of a schedule is fired
// once, in its order, or counted as missed; and what is kept is bounded.
//
// Seen red with before left out where the latest is fired.
func TestEveryTimeIsAccountedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := teal.Schedule{
			Cron:     rapid.SampledFrom([]string{"* * * * *", "*/7 * * * *", "30 2 * * *", "0 */2 * * *", "15 1,2,3 * * SUN"}).Draw(t, "cron"),
			TimeZone: rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Australia/Lord_Howe"}).Draw(t, "zone"),
			Overlap:  teal.OverlapAllow, Missed: rapid.SampledFrom([]teal.Missed{teal.MissedSkip, teal.MissedOnce}).Draw(t, "missed"),
		}
		times, _ := newTimetable(teal.Trigger{Name: "a", To: "b", Schedule: &s})
		now := rapid.SampledFrom([]time.Time{
			time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC), time.Date(2026, 4, 4, 10, 0, 0, 0, time.UTC),
		}).Draw(t, "start")
		begun := now
		r := Record{App: "shop", Name: "a"}
		r.advance(times, now, now)
		fired, missed := map[string]bool{}, 0
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "seconds")) * time.Second)
			r.advance(times, now, now)
			for _, f := range r.Firings {
				if f.State == teal.FiringMissed {
					missed += f.Missed
					continue
				}
				if fired[f.ID] {
					t.Fatalf("%s twice", f.At)
				}
				fired[f.ID] = true
			}
			r.Firings = nil // it has been counted
		}
		want := 0
		for at := times.next(begun); !at.After(now); at = times.next(at) {
			want++
		}
		if got := len(fired) + missed; got != want {
			t.Errorf("%d fired and %d missed of %d times", len(fired), missed, want)
		}
	})
}

// Seen red with what has not ended counted among what is forgotten.
func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	r := Record{App: "shop", Name: "a"}
	times := table(t, teal.Schedule{Cron: "* * * * *", TimeZone: "UTC", Overlap: teal.OverlapQueue})
	now := moment(t, "2026-01-02T02:59:59Z")
	for range 200 {
		r.advance(times, now, now)
		now = now.Add(time.Minute)
	}
	if open := r.open(); len(open) != MaxOpenFirings || len(r.Firings) != MaxOpenFirings+MaxFirings || open[0].At != moment(t, "2026-01-02T03:00:00Z").In(open[0].At.Location()) {
		t.Errorf("%d of %d have not ended: %s", len(open), len(r.Firings), history(r))
	}
}

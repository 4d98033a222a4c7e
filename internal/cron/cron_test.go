package cron_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests need every zone

	"pgregory.net/rapid"

	"teal"
	"teal/internal/cron"
)

// next is a case of Next: the first start after a moment.
type next struct{ name, expression, zone, after, want string }

// The table by which a parser of others was looked for. Of the two that Go programs
// use, robfig/cron v3.0.1 and adhocore/gronx v1.20.4, both leave out the day when its
// time is skipped, and refuse FRI-SUN; gronx comes once where the clock shows a time
// twice; robfig refuses 7, takes a step for no restriction, finds no leap day beyond
// 2100, and never returns for the day that never was.
var nexts = []next{
	{"spring: an hour later", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"},
	{"spring: the day after is as ever", "30 2 * * *", "Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
	{"spring in New York", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T07:30:00Z"},
	{"spring, once a week", "30 2 * * SUN", "Europe/Berlin", "2026-03-23T12:00:00Z", "2026-03-29T01:30:00Z"},
	{"spring by half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:45:00Z"},
	{"spring at midnight", "0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z"},
	{"autumn: the first", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
	{"autumn: the second", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
	{"autumn: no third", "30 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
	{"autumn, every quarter", "*/15 * * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z"},
	{"autumn by half an hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"},
	{"a day that never was", "0 12 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-30T22:00:00Z"},
	{"a day that never was, from the day after", "0 12 30 12 *", "Pacific/Apia", "2011-12-30T11:00:00Z", "2011-12-30T22:00:00Z"},
	{"a zone with quarters", "0 18 * * *", "Asia/Kathmandu", "2026-01-02T00:00:00Z", "2026-01-02T12:15:00Z"},
	{"at the moment itself: the next one", "0 18 * * *", "UTC", "2026-01-02T18:00:00Z", "2026-01-03T18:00:00Z"},
	{"day of the month or of the week", "0 0 13 * FRI", "UTC", "2026-01-12T12:00:00Z", "2026-01-13T00:00:00Z"},
	{"day of the week or of the month", "0 0 13 * FRI", "UTC", "2026-01-13T12:00:00Z", "2026-01-16T00:00:00Z"},
	{"a step has no say of its own", "0 0 */2 * MON", "UTC", "2026-01-05T12:00:00Z", "2026-01-19T00:00:00Z"},
	{"7 is Sunday", "0 0 * * 7", "UTC", "2026-01-01T12:00:00Z", "2026-01-04T00:00:00Z"},
	{"a range over Sunday", "0 0 * * FRI-SUN", "UTC", "2026-01-03T12:00:00Z", "2026-01-04T00:00:00Z"},
	{"a range with a step", "0 8-18/2 * * *", "UTC", "2026-01-03T08:30:00Z", "2026-01-03T10:00:00Z"},
	{"names", "0 0 * jan,JUL *", "UTC", "2026-02-03T08:30:00Z", "2026-07-01T00:00:00Z"},
	{"the 31st", "0 0 31 * *", "UTC", "2026-03-31T12:00:00Z", "2026-05-31T00:00:00Z"},
	{"a leap day", "0 0 29 2 *", "UTC", "2026-01-03T12:00:00Z", "2028-02-29T00:00:00Z"},
	{"no leap day in 2100", "0 0 29 2 *", "UTC", "2096-03-03T12:00:00Z", "2104-02-29T00:00:00Z"},
	{"a leap day that is a Sunday", "0 0 29 2 */7", "UTC", "2026-01-03T12:00:00Z", "2032-02-29T00:00:00Z"},
}

// Seen red without skipped in moments, and without the day before in Next (the day that
// never was).
func TestNext(t *testing.T) {
	t.Parallel()
	for _, n := range nexts {
		s, err := cron.Parse(n.expression)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation(n.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(at(t, n.after).In(zone)); !got.Equal(at(t, n.want)) || got.Location() != zone {
			t.Errorf("%s: %s, want %s", n.name, got.UTC().Format(time.RFC3339), n.want)
		}
	}
	if got := (cron.Schedule{}).Next(time.Now()); !got.IsZero() {
		t.Errorf("a schedule without a time comes at %s", got)
	}
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Next and Latest are two ways to ask for the same: what comes next is the latest
// when it has come, and nothing lies between. Seen red when
// earliestOf took the first time on the clock, also where that is put back.
func TestNextAndLatestAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "Pacific/Chatham", "Pacific/Apia", "America/Santiago"}).Draw(rt, "zone")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			rt.Fatal(err)
		}
		near := time.Unix(rapid.Int64Range(1_300_000_000, 1_900_000_000).Draw(rt, "near"), 0)
		if _, end := near.In(loc).ZoneBounds(); !end.IsZero() && rapid.IntRange(0, 3).Draw(rt, "change") > 0 {
			near = end
		}
		now := near.Add(time.Duration(rapid.IntRange(-30*3600, 30*3600).Draw(rt, "off")) * time.Second).In(loc)
		number := func(low, high int, name string) string {
			n := rapid.IntRange(low-2, high).Draw(rt, name)
			if n < low {
				return "*"
			}
			return strconv.Itoa(n)
		}
		text := strings.Join([]string{number(0, 59, "minute"), number(0, 23, "hour"), number(1, 28, "day"), "*", number(0, 7, "weekday")}, " ")
		s, err := cron.Parse(text)
		if err != nil {
			rt.Fatal(err)
		}
		next := s.Next(now)
		if !next.After(now) {
			rt.Fatalf("%q after %s: %s", text, now, next)
		}
		if latest, ok := s.Latest(next, now); !ok || !latest.Equal(next) {
			rt.Fatalf("%q: the latest at %s is %s, %t", text, next, latest, ok)
		}
		if between, ok := s.Latest(next.Add(-time.Second), now); ok {
			rt.Fatalf("%q after %s: %s, and before that %s", text, now, next, between)
		}
	})
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"* * * * *", "0 0 1 1 0", "59 23 31 12 7", "*/15 8-18/2 1,15,31 jan,JUL Mon-Fri", "0,30 * * * sun", "  0   0 * *\t* ", "0 0 29 2 *", "0 0 30 2 MON", "5-5 * * * *",
	} {
		if err := cron.Check(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "*", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8", "-1 * * * *",
		"5-1 * * * *", "*/0 * * * *", "*/60 * * * *", "5/2 * * * *", "1- * * * *", "-5 * * * *", "1,,2 * * * *", ",1 * * * *", "1, * * * *", "a * * * *", "* * * mon *", "* * * * jan",
		"0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "1-2-3 * * * *", "*/ * * * *", "** * * * *", "*-5 * * * *", "1.5 * * * *", "0x1 * * * *", "+1 * * * *", "٣ * * * *", "? * * * *", "0 0 L * *", "0 0 * * 5#2", "000 * * * *",
	} {
		if err := cron.Check(text); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

package teal

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written as text ("1m30s") in JSON and
// YAML. A number without a unit is refused: nobody can tell seconds from
// milliseconds.
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String formats d as time.Duration does, without trailing zero units: "5m",
// not "5m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// ParseDuration reads a duration that is not negative, as everything of Teal takes it: as
// [time.ParseDuration] does, and with weeks (w) and days (d) before the hours, which are
// of 24 hours whatever the clocks do: "2w", "1d12h", "300ms". The error carries
// CodeInvalidInput.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, ok := cutDays(text)
	if !ok {
		return 0, notADuration(text)
	}
	if rest == "" && days > 0 {
		return days, nil
	}
	v, err := time.ParseDuration(rest)
	if err != nil || days > 0 && (v < 0 || v > math.MaxInt64-days || strings.HasPrefix(rest, "+")) {
		return 0, notADuration(text)
	}
	if v < 0 {
		return 0, Errorf(CodeInvalidInput, "the duration %q is negative", text)
	}
	return days + v, nil
}

// cutDays reads the weeks and days at the beginning of a duration.
func cutDays(text string) (days time.Duration, rest string, ok bool) {
	rest = text
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, found := strings.Cut(rest, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || n == 0 || time.Duration(n) > (math.MaxInt64-days)/unit.is {
			return 0, "", false
		}
		days, rest = days+time.Duration(n)*unit.is, after
	}
	return days, rest, true
}

func notADuration(text string) error {
	return Errorf(CodeInvalidInput, "%q is not a duration; write a number with a unit, such as 300ms, 30s, 5m, 1h or 2d", text)
}

// Bytes is a size in bytes that is written as text ("128MiB") in JSON and YAML.
type Bytes int64

// The units that Bytes understands.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// byteUnits is ordered so that no suffix hides a longer one.
var byteUnits = []struct {
	suffix string
	size   float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// String formats b in the largest binary unit that divides it: "128MiB".
func (b Bytes) String() string {
	switch {
	case b != 0 && b%GiB == 0:
		return strconv.FormatInt(int64(b/GiB), 10) + "GiB"
	case b != 0 && b%MiB == 0:
		return strconv.FormatInt(int64(b/MiB), 10) + "MiB"
	case b != 0 && b%KiB == 0:
		return strconv.FormatInt(int64(b/KiB), 10) + "KiB"
	default:
		return strconv.FormatInt(int64(b), 10) + "B"
	}
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := string(text)
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		number = strings.TrimSpace(number)
		// Integers first: a float holds them exactly only up to 2^53.
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/int64(u.size) {
			*b = Bytes(n * int64(u.size))
			return nil
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || v < 0 || v*u.size > math.MaxInt64/2 || math.IsNaN(v) {
			break
		}
		*b = Bytes(v * u.size)
		return nil
	}
	return Errorf(CodeInvalidInput, "%q is not a size; write a number with a unit, such as 512KiB, 128MiB or 1GiB", text)
}

// Weight is a share of traffic in hundredths of a percent: 0 is nothing, All is
// everything, 1250 is 12.5 %. In JSON and on the command line it is a number in
// percent. An integer, so that weights add up exactly.
type Weight int32

// All is the whole of the traffic.
const All Weight = 10_000

// Percent returns the weight of a whole number of percent.
func Percent(p int) Weight { return Weight(p * 100) }

// ParseWeight reads a weight written in percent, such as "10" or "12.5"; a
// trailing % sign is allowed. It must be between 0 and 100, with at most two
// decimals.
func ParseWeight(s string) (Weight, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > 100 {
		return 0, Errorf(CodeInvalidWeights, "%q is not a weight; write a percentage between 0 and 100", s)
	}
	w := math.Round(v * 100)
	if w/100 != v { // both are the float nearest to their decimal
		return 0, Errorf(CodeInvalidWeights, "the weight %s has more than two decimals", s)
	}
	return Weight(w), nil
}

// String formats the weight in percent without a sign: "90", "12.5".
func (w Weight) String() string {
	return strconv.FormatFloat(float64(w)/100, 'f', -1, 64)
}

// MarshalJSON implements json.Marshaler: a number in percent.
func (w Weight) MarshalJSON() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (w *Weight) UnmarshalJSON(data []byte) error {
	v, err := ParseWeight(string(data))
	if err != nil {
		return fmt.Errorf("weight: %w", err)
	}
	*w = v
	return nil
}

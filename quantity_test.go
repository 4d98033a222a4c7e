package teal_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal"
)

func TestDurationText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"300ms": 300 * time.Millisecond, "30s": 30 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour,
		"1h30m": 90 * time.Minute, "1m30s": 90 * time.Second, "1h0m5s": time.Hour + 5*time.Second, "0s": 0, "10m": 10 * time.Minute,
	} {
		var d teal.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%q: %v, %v", text, d.Std(), err)
		}
		if got := teal.Duration(want).String(); got != text {
			t.Errorf("%v is written %q, want %q", want, got, text)
		}
	}
	for text, want := range map[string]time.Duration{"2d": 48 * time.Hour, "1w": 168 * time.Hour, "1w1d1h": 193 * time.Hour, "1d0s": 24 * time.Hour, "106751d23h": 2562047 * time.Hour} {
		if got, err := teal.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "30", "30 s", "-1s", "d", "1.5d", "-1d", "+1d", "1d-1h", "1d+1h", "1h1d", "1d1w", "0d", "99999999999999d", "106751d24h", "s", "1e3s", "99999999h"} {
		d := teal.Duration(7)
		if err := d.UnmarshalText([]byte(bad)); !teal.IsCode(err, teal.CodeInvalidInput) || d != 7 {
			t.Errorf("%q: %v, %v", bad, d, err)
		}
	}
}

func TestDurationsSurviveText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 1e3, 1e6, 1e9, 60e9, 3600e9}).Draw(t, "unit")
		d := teal.Duration(unit * rapid.Int64Range(0, math.MaxInt64/unit).Draw(t, "n"))
		var back teal.Duration
		if err := back.UnmarshalText([]byte(d.String())); err != nil || back != d {
			t.Fatalf("%d is written %q, read %d: %v", d, d, back, err)
		}
	})
}

func TestBytesText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]teal.Bytes{
		"0B": 0, "1B": 1, "512KiB": 512 << 10, "128MiB": 128 << 20, "1GiB": 1 << 30, "1500B": 1500, "3GiB": 3 << 30,
	} {
		var b teal.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q: %d, %v", text, b, err)
		}
		if want.String() != text {
			t.Errorf("%d is written %q, want %q", want, want, text)
		}
	}
	for text, want := range map[string]teal.Bytes{"1kB": 1000, "1KB": 1000, "2MB": 2e6, "1GB": 1e9, "1.5KiB": 1536, "5 MiB": 5 << 20, "0.5GiB": 512 << 20} {
		var b teal.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q: %d, %v", text, b, err)
		}
	}
	for _, bad := range []string{"", "B", "MiB", "128", "-1MiB", "128mib", "1TiB", "NaNB", "InfGiB", "1e30GiB", "9223372036854775807KiB", "x1B", "1 M iB"} {
		b := teal.Bytes(7)
		if err := b.UnmarshalText([]byte(bad)); !teal.IsCode(err, teal.CodeInvalidInput) || b != 7 {
			t.Errorf("%q: %d, %v", bad, b, err)
		}
	}
}

// Seen to fail: sizes read through a float alone, which holds integers exactly
// only up to 2^53.
func TestSizesSurviveText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]teal.Bytes{1, teal.KiB, teal.MiB, teal.GiB}).Draw(t, "unit")
		b := unit * teal.Bytes(rapid.Int64Range(0, math.MaxInt64/int64(unit)).Draw(t, "n"))
		var back teal.Bytes
		if err := back.UnmarshalText([]byte(b.String())); err != nil || back != b {
			t.Fatalf("%d is written %q, read %d: %v", b, b, back, err)
		}
	})
}

// Seen to fail: decimals beyond the second compared with a tolerance.
func TestParseWeight(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]teal.Weight{
		"0": 0, "100": teal.All, "10": 1000, "12.5": 1250, "0.01": 1, "99.99": 9999, "10%": 1000, "50.50": 5050, "007": 700,
	} {
		if got, err := teal.ParseWeight(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "%", "x", "-1", "-0.01", "100.01", "101", "NaN", "Inf", "0.001", "99.999", "0.00000001", "10%%", "1 0", "1,5"} {
		if got, err := teal.ParseWeight(bad); !teal.IsCode(err, teal.CodeInvalidWeights) {
			t.Errorf("%q: %d, %v", bad, got, err)
		}
	}
	for w := teal.Weight(0); w <= teal.All; w++ {
		if got, err := teal.ParseWeight(w.String()); err != nil || got != w {
			t.Fatalf("%d is written %q, read %d: %v", w, w, got, err)
		}
	}
	if teal.Percent(12) != 1200 || teal.Percent(100) != teal.All {
		t.Error("Percent")
	}
}

func TestQuantitiesInJSON(t *testing.T) {
	t.Parallel()
	type doc struct {
		D teal.Duration `json:"d"`
		B teal.Bytes    `json:"b"`
		W teal.Weight   `json:"w"`
	}
	in := doc{D: teal.Duration(90 * time.Second), B: 128 * teal.MiB, W: 1250}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"d":"1m30s","b":"128MiB","w":12.5}`; string(data) != want {
		t.Errorf("%s, want %s", data, want)
	}
	var out doc
	if err := json.Unmarshal(data, &out); err != nil || out != in {
		t.Errorf("%+v, %v", out, err)
	}
	for _, bad := range []string{`{"d":30}`, `{"b":128}`, `{"w":"10"}`} {
		if err := json.Unmarshal([]byte(bad), &out); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"1h30m", "0", "-1s", "1e3s", "9223372036854775807ns", ".5s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, back teal.Duration
		if d.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := back.UnmarshalText([]byte(d.String())); err != nil || back != d || d < 0 {
			t.Fatalf("%q is %d, written %q, read %d: %v", text, d, d, back, err)
		}
	})
}

func FuzzBytes(f *testing.F) {
	for _, seed := range []string{"1.5KiB", "128MiB", "0x1p4B", "1e3GB", "NaNB", "9223372036854775807B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, back teal.Bytes
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := back.UnmarshalText([]byte(b.String())); err != nil || back != b || b < 0 {
			t.Fatalf("%q is %d, written %q, read %d: %v", text, b, b, back, err)
		}
	})
}

func FuzzParseWeight(f *testing.F) {
	for _, seed := range []string{"12.5", "10%", "0.001", "1e1", "-0", "0x1p3", "+5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := teal.ParseWeight(text)
		if err != nil {
			return
		}
		if back, err := teal.ParseWeight(w.String()); err != nil || back != w || w < 0 || w > teal.All {
			t.Fatalf("%q is %d, written %q, read %d: %v", text, w, w, back, err)
		}
	})
}

package check

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Seen red with numbers compared as float64: 64-bit ids that differ in their last
// digits were the same.
func TestNumbersAreComparedExactly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		number, wanted string
		same           bool
	}{
		{"9007199254740993", "9007199254740992", false},
		{"18446744073709551615", "18446744073709551615", true},
		{"1e3", "1000", true}, {"1000.0", "1E+3", true}, {"0.10", ".1", false}, {"0.10", "0.1", true},
		{"-0", "0", true}, {"0e5", "0.0", true}, {"-1", "1", false}, {"0.001", "1e-3", true}, {"00", "x", false},
		{"1e999999999", "1e999999998", false}, {"10e999999998", "1e999999999", true}, {"1e99999999999", "1", false},
	} {
		if got := sameText(json.Number(c.number), c.wanted); got != c.same {
			t.Errorf("%s and %s: %v", c.number, c.wanted, got)
		}
	}
	if sameText("1e3", "1000") {
		t.Error("a string was taken for a number")
	}
}

func TestDecimalsAgreeWithRationals(t *testing.T) {
	t.Parallel()
	number := rapid.StringMatching(`-?[0-9]{1,6}(\.[0-9]{1,6})?([eE][+-]?[0-9])?`)
	rapid.Check(t, func(rt *rapid.T) {
		a, b := number.Draw(rt, "a"), number.Draw(rt, "b")
		if rapid.Bool().Draw(rt, "related") {
			b = strings.Replace(a, ".", "", 1) + "e-1"
		}
		x, okX := decimalOf(a)
		y, okY := decimalOf(b)
		p, okP := new(big.Rat).SetString(a)
		q, okQ := new(big.Rat).SetString(b)
		if okX != okP || okY != okQ {
			rt.Fatalf("%s and %s: %v %v, math/big says %v %v", a, b, okX, okY, okP, okQ)
		}
		if okX && okY && (x == y) != (p.Cmp(q) == 0) {
			rt.Fatalf("%s and %s: %+v and %+v", a, b, x, y)
		}
	})
}

// Seen red with every dot taken for a step.
func TestKeysMayHaveDots(t *testing.T) {
	t.Parallel()
	var document any
	if err := json.Unmarshal([]byte(`{"a.b": 1, "a": {"b": 2, "c.d": {"e": [10, {"f.g": 3}]}}, "x": {}, "x.y": 4, "": {"": 5}}`), &document); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"a.b": "2", "a.c.d.e.1.f.g": "3", "x.y": "4", "a.c.d.e.0": "10", ".": "5"} {
		if value, err := lookUp(document, path); err != nil || jsonText(value) != want {
			t.Errorf("%s: %v, %v; want %s", path, value, err, want)
		}
	}
	for _, path := range []string{"a.c", "a.c.d.e.2", "a.b.c", "x.z", "a.c.d.e.-1"} {
		if value, err := lookUp(document, path); err == nil {
			t.Errorf("%s: %v, want nothing", path, value)
		}
	}
}

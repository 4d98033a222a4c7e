package analysis

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

func TestChart(t *testing.T) {
	t.Parallel()
	green := func(n int) teal.Measurement {
		switch {
		case n < 20:
			return teal.Measurement{}
		case n < 60:
			return did(50, 0)
		}
		return did(50, int64(n-59))
	}
	got := Chart(looks(t, recording(t, 80, always(did(450, 1)), green).String(), compared), 20)
	want := "" +
		"current  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  failed 80 of 36000 requests (0.22 %)\n" +
		"new           ▁▁▁▁▁▁▁▁▁▁▂▃▅▆█  failed 210 of 3000 requests (7 %)\n" +
		"         ?????✓✓✓✓✓✓✓✓✓✓?✗✗✗✗  ✓ pass  ? inconclusive  ✗ fail\n" +
		"         15:00:00    15:01:19 UTC\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := Chart(nil, 20); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	if got, want := Chart(looks(t, recording(t, 1, always(did(1, 0)), always(did(0, 0))).String(), compared), 20),
		"current  ▁  failed 0 of 1 requests (0 %)\nnew         failed 0 of 0 requests\n         ?  ✓ pass  ? inconclusive  ✗ fail\n         15:00:00 15:00:00 UTC\n"; got != want {
		t.Errorf("of one look:\n%s", got)
	}
}

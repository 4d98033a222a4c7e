package console

import (
	"context"
	"html/template"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"teal/internal/await"
)

// Who never takes what there is holds nobody up, and gets the newest when they do. Seen
// red with a hub that waits for each of them: the second one saw nothing.
func TestWhoIsSlowHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	l := newLive(time.Millisecond)
	var round atomic.Int64
	write := func(context.Context) (page, error) {
		return page{Sections: []section{{ID: "n", HTML: template.HTML(strconv.FormatInt(round.Add(1), 10))}}}, nil //nolint:gosec // a number
	}
	slow, quick := l.join("k", write), l.join("k", write)
	defer l.leave("k", quick)
	seen := 0
	for seen < 10 {
		await.Value(t, "what has changed", quick.wake)
		sections, _, _ := quick.take()
		if sections["n"] != "" {
			seen++
		}
	}
	sections, _, _ := slow.take()
	if n, err := strconv.Atoi(string(sections["n"])); err != nil || n < 10 {
		t.Errorf("the slow one gets %q", sections["n"])
	}
	l.leave("k", slow)
}

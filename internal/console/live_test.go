package console

import (
	"context"
	"html/template"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"teal"
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

// What changed before the page could not be written is sent when it can be again, to who
// had not taken it. Seen red with sections that are taken together with what is wrong.
func TestTroubleKeepsWhatIsToBeSent(t *testing.T) {
	t.Parallel()
	w := &watcher{wake: make(chan struct{}, 1), pending: map[string]template.HTML{}}
	s := &show{viewers: map[*watcher]bool{w: true}, last: map[string]template.HTML{}}
	l := newLive(time.Hour)
	changed := page{Sections: []section{{ID: "n", HTML: "new"}}}
	l.publish(s, changed, nil)
	l.publish(s, page{}, teal.Errorf(teal.CodeUnavailable, "not now"))
	if sections, trouble, _ := w.take(); len(sections) != 0 || trouble == "" {
		t.Errorf("%v %q", sections, trouble)
	}
	l.publish(s, changed, nil)
	if sections, trouble, alive := w.take(); sections["n"] != "new" || trouble != "" || !alive {
		t.Errorf("%v %q %v", sections, trouble, alive)
	}
}

package release_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/release"
)

// behindNode is a switch that the gateway of node b does not follow yet.
func behindNode(s *situation) { s.Route.Holds, s.Route.Behind = false, []string{"b"} }

// A release that waits for a gateway names its node, once, in every phase in which it may
// wait for one, and keeps the reason that it has; when it goes on, nobody is named any
// more. One that is given up over it says so.
//
// Seen red without noteBehind, with it also where nothing is to be changed (it noted the
// same for ever), with a reason of its own (that of the rollback was lost), and without
// the node in pastDeadline.
func TestAReleaseNamesTheNodeThatIsBehind(t *testing.T) {
	t.Parallel()
	only1, only2 := live(teal.Only(1)...), live(teal.Only(2)...)
	for name, given := range map[string]situation{
		"at the switch":         in("shifting", only2, behindNode),
		"on the way back":       in("rolling-back", only1, behindNode),
		"at the end of the way": in("watching", only2, atStep(1), order(teal.CommandFinish), behindNode),
	} {
		r := given.Release
		r.Reason = "the cause"
		d := release.Decide(r, given.Observation)
		if err := d.Record(&r, given.Now); err != nil || !slices.Equal(r.Behind, []string{"b"}) || r.Reason != "the cause" {
			t.Errorf("%s: %q is behind, the reason is %q (%v)", name, r.Behind, r.Reason, err)
		}
		if d := release.Decide(r, given.Observation); !d.Waits() {
			t.Errorf("%s: noted, it does not wait: %+v", name, d)
		}
		there := given.Observation
		there.Route.Holds, there.Route.Behind = true, nil
		if err := release.Decide(r, there).Record(&r, given.Now); err != nil || len(r.Behind) > 0 {
			t.Errorf("%s: it goes on, and %q is said to be behind (%v)", name, r.Behind, err)
		}
	}
	split := live(teal.Target{Version: 1, Weight: teal.Percent(90)}, teal.Target{Version: 2, Weight: teal.Percent(10)})
	late := in("shifting", split, canary, atStep(1), within(time.Minute), behindNode)
	if d := release.Decide(late.Release, late.Observation); !strings.HasSuffix(d.Reason, "the gateway of node b did not follow") {
		t.Errorf("it is given up with the reason %q", d.Reason)
	}
}

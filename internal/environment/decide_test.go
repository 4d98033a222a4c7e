package environment

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

func TestChooseSlot(t *testing.T) {
	for _, c := range []struct {
		name  string
		taken []teal.Slot
		live  teal.Slot
		want  teal.Slot
	}{
		{"the first environment is blue", nil, teal.SlotNone, teal.SlotBlue},
		{"green beside a live blue", []teal.Slot{teal.SlotBlue}, teal.SlotBlue, teal.SlotGreen},
		{"blue beside a live green: the roles alternate", []teal.Slot{teal.SlotGreen}, teal.SlotGreen, teal.SlotBlue},
		{"a preview is green even while nothing is live", []teal.Slot{teal.SlotBlue}, teal.SlotNone, teal.SlotGreen},
		{"both taken", []teal.Slot{teal.SlotBlue, teal.SlotGreen}, teal.SlotBlue, teal.SlotNone},
		{"one beside the slots takes none", []teal.Slot{teal.SlotBlue, teal.SlotNone}, teal.SlotBlue, teal.SlotGreen},
	} {
		t.Run(c.name, func(t *testing.T) {
			taken := map[teal.Slot]bool{}
			for _, slot := range c.taken {
				taken[slot] = true
			}
			if got := chooseSlot(taken, c.live); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	ready := condition{ready: true}
	starting := condition{reason: "1 of 2 healthy", output: "listening soon"}
	failed := condition{failed: true, reason: "exit status 1", output: "SyntaxError"}
	for _, c := range []struct {
		name       string
		conditions map[string]condition
		wasReady   bool
		want       health
	}{
		{"all ready", map[string]condition{"a": ready, "b": ready}, false, health{state: teal.EnvironmentReady, serves: true}},
		{"one is starting", map[string]condition{"a": ready, "b": starting}, false,
			health{state: teal.EnvironmentStarting, reason: "b: 1 of 2 healthy", output: "listening soon"}},
		{"one does not start", map[string]condition{"a": starting, "b": failed}, false,
			health{state: teal.EnvironmentFailed, reason: "a: 1 of 2 healthy; b: exit status 1", output: "listening soon"}},
		{"trouble after it was ready is not a failed start", map[string]condition{"a": ready, "b": failed}, true,
			health{state: teal.EnvironmentDegraded, reason: "b: exit status 1", output: "SyntaxError"}},
		{"growing for a load is not trouble", map[string]condition{"a": ready, "b": {ready: true, growing: true}}, true,
			health{state: teal.EnvironmentStarting, reason: "b: is starting the instances for the load that it is to take", serves: true}},
		{"an address of an upstream that is down is named", map[string]condition{"a": {ready: true, total: 2, healthy: 1, down: []string{"http://x: nothing answers"}}}, false,
			health{state: teal.EnvironmentReady, serves: true, reason: "a: http://x: nothing answers"}},
		{"a process that ended is a crash", map[string]condition{"a": {reason: "gone", crashed: true}, "b": {reason: "503"}}, true,
			health{state: teal.EnvironmentDegraded, reason: "a: gone; b: 503", crashed: true}},
		{"growing beside trouble", map[string]condition{"a": {reason: "gone"}, "b": {ready: true, growing: true, reason: "no memory"}}, true,
			health{state: teal.EnvironmentDegraded, reason: "a: gone; b: no memory"}},
		{"no reason given", map[string]condition{"a": {}}, false,
			health{state: teal.EnvironmentStarting, reason: "a: is starting"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			names := []string{"a", "b"}[:len(c.conditions)]
			if got := summarize(names, c.conditions, c.wasReady); got != c.want {
				t.Error(cmp.Diff(c.want, got, cmp.AllowUnexported(health{})))
			}
		})
	}
}

// Seen red with the case of letters not ignored (Node), and without the look at reason.
func TestWithReadOnlyHint(t *testing.T) {
	t.Parallel()
	const ways = "it ended: exit status 1; its code is read-only: have it write to $TMPDIR, or to $TEAL_STATE_DIR what is to stay"
	for _, c := range []struct{ reason, output, other, want string }{
		{"it ended: exit status 1", "OSError: [Errno 30] Read-only file system: 'web.pid'", "", ways},
		{"it ended: exit status 1", "Error: EROFS: read-only file system, open 'web.pid'\n    at Object.open", ", or else", ways + ", or else"},
		{"it ended: exit status 1", "SyntaxError", "", "it ended: exit status 1"},
		{"", "Read-only file system", "", ""},
	} {
		if got := withReadOnlyHint(c.reason, c.output, c.other); got != c.want {
			t.Errorf("%q with %q: %q", c.reason, c.output, got)
		}
	}
}

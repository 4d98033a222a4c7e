package process_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"teal/internal/process"
)

// What a server executes beside its Runners' processes bears no mark of theirs, so
// it and its children do not end with one of them. Seen red with exec.Command (every
// second one bore a mark, every fifth lost its child), and with a Start that does not
// wait for a fork under way.
func TestCommandIsNobodysProcess(t *testing.T) {
	t.Parallel()
	r := run(t, process.Config{Guard: guardCmd}, (*process.Runner).WithoutCgroups)
	var enough atomic.Bool
	var starts sync.WaitGroup
	for range 2 {
		starts.Go(func() {
			for !enough.Load() {
				p, err := r.Start(process.Spec{Path: "/bin/true"})
				if err != nil {
					t.Error(err)
					return
				}
				<-p.Done()
			}
		})
	}
	for range 50 {
		out, err := process.Command(t.Context(), "/bin/bash", "-c", "ulimit -x; sleep 0.02; echo $?").CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || len(got) != 2 || got[0] != "unlimited" || got[1] != "0" {
			t.Errorf("it printed %q (%v), want no limit and no failure", out, err)
		}
	}
	enough.Store(true)
	inTime(t, "all of them return", starts.Wait)
}

// Seen red with an Output and a CombinedOutput that forget where the output went.
func TestCommandOutput(t *testing.T) {
	t.Parallel()
	const script = "echo out; echo err >&2; exit 3"
	for what, want := range map[string]string{"Output": "out\n", "CombinedOutput": "out\nerr\n"} {
		run := process.Cmd.Output
		if what == "CombinedOutput" {
			run = process.Cmd.CombinedOutput
		}
		c := process.Command(t.Context(), "/bin/sh", "-c", script)
		if out, err := run(c); string(out) != want || err == nil || err.Error() != "exit status 3" {
			t.Errorf("%s: %q, %v", what, out, err)
		}
		if out, err := run(c); err == nil {
			t.Errorf("%s of a command that has run: %q", what, out)
		}
	}
	if err := process.Command(t.Context(), "/does/not/exist").Run(); err == nil {
		t.Error("it ran")
	}
}

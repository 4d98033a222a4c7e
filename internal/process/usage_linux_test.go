package process_test

import (
	"os"
	"testing"

	"teal"
	"teal/internal/process"
)

// What a process uses is what all that it has started uses, with cgroups and without;
// its CPU time stays known when it has ended. Seen red with the process alone asked for
// (a shell of 2 MiB), and with the time forgotten at the end.
func TestUsage(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*process.Runner){"as it is": func(*process.Runner) {}, "without cgroups": (*process.Runner).WithoutCgroups} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, process.Config{Guard: guardCmd}, change)
			out := newOutput()
			script := `"$0" eat 80 & i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; wait`
			p := r.start(process.Spec{Path: "sh", Args: []string{"-c", script, os.Args[0]}, Output: out.add})
			out.line(t, 0)
			eventually(t, "the memory of the child and the time of the shell to be seen", func() bool {
				u := p.Usage()
				return u.Memory > 80*teal.MiB && u.CPU > 0 && u.Load > 0
			})
			before := p.Usage()
			p.Kill()
			done(t, p)
			if after := p.Usage(); after.CPU < before.CPU || after.Memory != 0 || after.Load != 0 {
				t.Errorf("ended with %+v, before %+v", after, before)
			}
		})
	}
}

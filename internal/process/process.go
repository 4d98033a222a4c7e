package process

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"teal"
)

// Config is what a Runner needs to know.
type Config struct {
	// Logger gets the Runner's state changes; nil discards them.
	Logger *slog.Logger
	// Guard is the argv of a program that calls [Guard] on its standard input,
	// such as {"/usr/bin/teal", "guard"}. Empty means that there is no guard:
	// the Runner works, logs a word about it, and grandchildren may outlive a
	// server that was killed with SIGKILL.
	Guard []string
	// Name names the server in the names of its cgroups: letters, digits, '-'
	// and '_'; empty is "server". Leftovers of a dead server of the same name
	// are removed by New; those of a live one are left alone.
	Name string
}

// Spec says what to start.
type Spec struct {
	// Path is the program. One without a slash is looked up in the PATH of
	// Env; a relative one is relative to Dir.
	Path string
	// Args are the program's arguments, without the program's own name.
	Args []string
	// Env is the whole environment, as NAME=value.
	Env []string
	// Dir is the working directory; empty is the server's.
	Dir string
	// Memory is the limit for the process and all that it starts; 0 is none.
	Memory teal.Bytes
	// Output gets every line of output without its newline; stream is "stdout"
	// or "stderr". Lines over MaxLine are cut into pieces. It is called from
	// one goroutine per stream, must not keep line, and while it runs the
	// process waits as soon as its pipe is full. Nil discards the output.
	Output func(stream string, line []byte)
}

// MaxLine is the length in bytes at which a line of output is cut.
const MaxLine = 64 << 10

// Exit says how a process ended.
type Exit struct {
	Code        int        // the exit status; -1 when a signal ended it
	Signal      string     // the signal that ended it, such as "killed"; else ""
	OutOfMemory bool       // the kernel killed it, or a part of it, for going over its limit
	Memory      teal.Bytes // the limit that it had; 0 is none
}

// String returns a phrase for people: "exit status 1", "killed by signal
// terminated", "out of memory: over 128MiB".
func (e Exit) String() string {
	switch {
	case e.OutOfMemory && e.Memory > 0:
		return "out of memory: over " + e.Memory.String()
	case e.OutOfMemory:
		return "out of memory"
	case e.Signal != "":
		return "killed by signal " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Runner starts processes and sees to their end. It is safe for concurrent use.
type Runner struct{}

// Process is a running or ended process. It is safe for concurrent use.
type Process struct{}

// New finds out what limits the machine offers and removes what a dead server
// of the same name left behind. It starts nothing.
//
// On cgroup v2, where only leaves may hold processes, it moves the server into
// a leaf of its own cgroup, if it is alone there.
func New(cfg Config) (*Runner, error) { return &Runner{}, nil }

// Run keeps the guard running (a new one learns what the old one knew) until
// ctx ends; then it kills every process that is left, and returns when all of
// them, the guard and the Runner's goroutines have ended. It returns nil then.
// It may be called once.
func (r *Runner) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// MemoryLimit returns how memory is limited, for people: "cgroup v2", "cgroup
// v1", or a sentence that starts with "rlimit (coarse)" or "none" and says why
// it is not better.
func (r *Runner) MemoryLimit() string { return "none" }

// Start starts a process. It returns when the program has been executed, a
// millisecond or so; a program that cannot be executed is an error of Start.
//
// Start may be called before Run; once Run's context has ended it returns an
// error with teal.CodeUnavailable.
//
// The kernel ties a child's death signal to the thread that forked it, not to
// the process. All forks therefore happen on one thread that the Runner holds
// from the first Start to the end of Run; a Runner whose Run is never called
// holds it for ever.
func (r *Runner) Start(spec Spec) (*Process, error) {
	return nil, teal.Errorf(teal.CodeUnavailable, "not yet")
}

// PID returns the process ID, which is the ID of its process group too.
func (p *Process) PID() int { return 0 }

// Done returns a channel that is closed when the process has been reaped, its
// group and its cgroup have been killed and its output has been read.
func (p *Process) Done() <-chan struct{} { return nil }

// Exit returns how the process ended; the zero Exit before Done is closed.
func (p *Process) Exit() Exit { return Exit{} }

// Stop sends SIGTERM to the group, SIGKILL to the group and the cgroup after
// grace, and returns when the process is gone (see Done). It may be called many
// times and from many goroutines: SIGTERM is sent once, the shortest grace wins.
func (p *Process) Stop(grace time.Duration) {}

// Kill sends SIGKILL to the group and the cgroup, and does not wait.
func (p *Process) Kill() {}

// PeakMemory returns the most memory that was resident so far: of the cgroup,
// which includes children and the page cache they caused, else of the process
// alone. It keeps its last value when the process has ended. It reads one small
// file.
func (p *Process) PeakMemory() teal.Bytes { return 0 }

package process

import (
	"fmt"
	"log/slog"

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
	// Owner names what the process is a part of, such as an environment; see
	// Runner.Caller.
	Owner string
	// ReadOnly are folders that the process and all that it starts cannot change,
	// where Runner.Protects.
	ReadOnly []string
	// Tmp is a folder that it has in the place of /tmp, where Runner.Protects,
	// unless the folder itself, Path, Dir or ReadOnly is below /tmp; "" is none.
	Tmp string
	// Memory is the limit for the process and all that it starts; 0 is none.
	Memory teal.Bytes
	// Output gets every line of output without its newline; stream is "stdout"
	// or "stderr". Lines over MaxLine are cut into pieces. There is one call per
	// stream at a time; it must not keep line, and while it runs the process
	// waits as soon as its pipe is full. Nil discards the output.
	Output func(stream string, line []byte)
	// Mask, where set, is called once for each stream, and returns what hides parts of it
	// before Output gets it: it is called with each line, or piece of one; ended is false
	// when more of the line may come. What it returns is good until its next call.
	Mask func() func(piece []byte, ended bool) []byte
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

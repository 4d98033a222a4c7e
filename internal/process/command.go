package process

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"sync"
)

// forking is held while this program forks. It bears a mark itself for that moment,
// for the child to inherit, and whatever else it forked then would bear it, too: it
// would be told to end, and be killed, with a process that it has nothing to do with.
var forking sync.Mutex

// Cmd is an [exec.Cmd] that bears no Runner's mark. All that a program which uses
// Runners executes beside them must be started through it.
type Cmd struct{ *exec.Cmd }

// Command returns the command to execute a program, as [exec.CommandContext] does.
func Command(ctx context.Context, name string, args ...string) Cmd {
	return Cmd{exec.CommandContext(ctx, name, args...)}
}

// Start starts the program and does not wait for it. It returns when the program
// has been executed, after every other fork that is under way.
func (c Cmd) Start() error {
	forking.Lock()
	defer forking.Unlock()
	return c.Cmd.Start()
}

// Run starts the program and waits for its end.
func (c Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns what it wrote to its standard output.
func (c Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("process: the standard output goes elsewhere")
	}
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput runs the program and returns what it wrote to its standard output
// and its standard error.
func (c Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("process: the output goes elsewhere")
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

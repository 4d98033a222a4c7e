package process

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// guardWriteTimeout bounds a write to the guard: it reads all the time, so a full
	// pipe means that it does not work.
	guardWriteTimeout = time.Second
	// guardStopTimeout is how long the guard may take to end when told to: it ends what
	// carries the server's mark and then empties the cgroups, each for as long as
	// cgroupRemoveTimeout where something does not end. One that is killed before leaves
	// what it was to end.
	guardStopTimeout = 2*cgroupRemoveTimeout + time.Second
)

// guardLink is the server's end of the guard: what it must know, and the pipe
// to tell it, nil while no guard runs.
type guardLink struct {
	greeting string
	mu       sync.Mutex
	groups   map[int]uint64
	pipe     *os.File
	pid      int
}

// add registers a group, whose leader must not have been reaped.
func (g *guardLink) add(pgid int) error {
	start := startTime(pgid)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.groups == nil {
		g.groups = map[int]uint64{}
	}
	g.groups[pgid] = start
	return g.tellLocked(addLine(pgid, start))
}

// remove is to be called before the group's leader is reaped.
func (g *guardLink) remove(pgid int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.groups, pgid)
	return g.tellLocked(removeLine(pgid))
}

// attach tells a new guard all there is to know.
func (g *guardLink) attach(pid int, pipe *os.File) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pid, g.pipe = pid, pipe
	text := []byte(g.greeting)
	for pgid, start := range g.groups {
		text = append(text, addLine(pgid, start)...)
	}
	return g.tellLocked(string(text))
}

// detach closes the pipe. A guard that lives kills what is registered then, and
// ends.
func (g *guardLink) detach() {
	g.mu.Lock()
	defer g.mu.Unlock()
	closeQuietly(g.pipe)
	g.pipe, g.pid = nil, 0
}

// kill ends the guard without giving it the time to do its work.
func (g *guardLink) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pid != 0 {
		send(g.pid, syscall.SIGKILL)
	}
}

// tellLocked writes to the guard, if there is one.
func (g *guardLink) tellLocked(text string) error {
	if g.pipe == nil {
		return nil
	}
	if err := g.pipe.SetWriteDeadline(time.Now().Add(guardWriteTimeout)); err != nil {
		return err
	}
	_, err := g.pipe.WriteString(text)
	return err
}

// tellGuard tells the guard something. A guard that cannot be told is killed,
// and keepGuard starts the next; to close its pipe would make it kill all.
func (r *Runner) tellGuard(tell func(*guardLink) error) {
	if len(r.guardCmd) == 0 {
		return
	}
	if err := tell(&r.guard); err != nil {
		r.log.Warn("the guard does not listen; it is replaced", "error", err)
		r.guard.kill()
	}
}

// keepGuard keeps a guard running until ctx ends, and ends it then.
func (r *Runner) keepGuard(ctx context.Context) {
	if len(r.guardCmd) == 0 {
		r.log.Warn("there is no guard: what instances start may outlive a server that is killed with SIGKILL")
		return
	}
	var backoff Backoff
	for ctx.Err() == nil {
		started := time.Now()
		err := r.runGuard(ctx)
		if ctx.Err() != nil {
			return
		}
		delay := backoff.Next(time.Since(started))
		r.log.Warn("the guard has ended; it is started again", "error", err, "delay", delay)
		pause(ctx, delay)
	}
}

// runGuard starts a guard and returns when it has ended.
func (r *Runner) runGuard(ctx context.Context) error {
	c, pipe, err := r.forkGuard()
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.awaitExit()
	}()
	r.tellGuard(func(g *guardLink) error { return g.attach(c.pid, pipe) })
	select {
	case <-ended:
	case <-ctx.Done():
	}
	r.guard.detach()
	insist := time.AfterFunc(guardStopTimeout, func() { send(c.pid, syscall.SIGKILL) })
	<-ended
	insist.Stop()
	_, _, err = reap(c.pid)
	return err
}

func (r *Runner) forkGuard() (child, *os.File, error) {
	in, w, err := pipe()
	if err != nil {
		return child{}, nil, err
	}
	defer closeQuietly(os.NewFile(uintptr(in), "guard"))
	if err := syscall.SetNonblock(w, true); err != nil {
		return child{}, nil, errors.Join(err, syscall.Close(w))
	}
	out := os.NewFile(uintptr(w), "guard")
	path, err := lookPath(Spec{Path: r.guardCmd[0], Env: os.Environ()})
	if err != nil {
		return child{}, nil, errors.Join(err, out.Close())
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return child{}, nil, errors.Join(err, out.Close())
	}
	defer closeQuietly(null)
	c, err := r.starter.fork(forkRequest{
		path: path, argv: r.guardCmd, env: append(os.Environ(), "GOMAXPROCS=1"),
		files: []uintptr{uintptr(in), null.Fd(), 2}, session: true,
	})
	if err != nil {
		return child{}, nil, errors.Join(err, out.Close())
	}
	return c, out, nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

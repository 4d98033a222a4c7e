package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"teal/internal/process"
)

// platform is the stream of what Teal itself has to say in an instance's log.
const platform = "platform"

// stableUptime is how long a process must have been up for its end to be treated as
// the first one: restarted at once.
const stableUptime = 10 * time.Second

// restarter says how long to wait before a restart: not at all the first time,
// then longer and longer.
type restarter struct {
	backoff   process.Backoff
	restarted bool
}

func (r *restarter) delay(upFor time.Duration) time.Duration {
	delay := r.backoff.Next(upFor)
	if !r.restarted || upFor >= stableUptime {
		r.restarted = true
		return 0
	}
	return delay
}

// runResult is how one run of a process went.
type runResult struct {
	upFor   time.Duration
	healthy bool // passed a check
}

// runService keeps one process running until ctx ends. A life that ends before
// its first good check may have ended because the program cannot bind a port
// that is kept for it, so the next one is tried the other way.
func (s *Set) runService(ctx context.Context, sl *slot) {
	var restart restarter
	for keep := true; ctx.Err() == nil; {
		l := s.live(ctx, sl, keep)
		if ctx.Err() != nil {
			return
		}
		if !l.healthy {
			keep = !keep
		}
		delay, reason := restart.delay(l.upFor), s.reasonOf(sl)
		s.cfg.Logger.Warn("an instance is not running; starting it again", "instance", sl.name, "reason", reason, "in", delay)
		s.cfg.Log(sl.name, platform, fmt.Sprintf("%s; starting it again in %s", reason, delay))
		sleep(ctx, delay, sl.retry)
	}
}

// live starts the process, checks it until it ends or ctx does, and returns when
// it is gone.
func (s *Set) live(ctx context.Context, sl *slot, keep bool) runResult {
	select {
	case <-sl.retry: // it was asked for before this start
	default:
	}
	port, err := choose(keep)
	if err != nil {
		s.notStarted(sl, err)
		return runResult{}
	}
	defer func() {
		if err := port.release(); err != nil {
			s.cfg.Logger.Warn("a port's reservation could not be given back", "port", port.port, "error", err)
		}
	}()
	s.mu.Lock()
	sl.starts++
	s.mu.Unlock()
	began := time.Now()
	dirs, err := s.makeDirs(sl)
	defer s.removeDirs(dirs)
	if err != nil {
		s.notStarted(sl, err)
		return runResult{}
	}
	proc, err := s.start(sl, dirs, port.port)
	if err != nil {
		s.notStarted(sl, err)
		return runResult{}
	}
	s.has(sl, proc)
	defer s.spent(sl, proc)
	wasHealthy := s.superviseSlot(ctx, sl, proc, port.port)
	return runResult{upFor: time.Since(began), healthy: wasHealthy}
}

func (s *Set) start(sl *slot, dirs instanceDirs, port int) (*process.Process, error) {
	service := s.cfg.Service
	env := environment(os.LookupEnv, service.Env, s.cfg.Env, dirs.tmp, port)
	program, err := findProgram(service.Command[0], dirs.code, env["PATH"])
	if err != nil {
		return nil, err
	}
	return s.cfg.Start(process.Spec{
		Path:   program,
		Args:   process.Expand(service.Command[1:], env),
		Env:    pairs(env),
		Dir:    dirs.code,
		Tmp:    dirs.tmp,
		Memory: service.Memory,
		Output: func(stream string, line []byte) {
			text := string(line)
			sl.tail.add(stream, text)
			s.cfg.Log(sl.name, stream, text)
		},
	})
}

// superviseSlot opens the endpoint of a running process, checks it, and closes it when
// the process ends or ctx does; then it sees to it that the process is gone. It
// reports whether a check was ever passed.
func (s *Set) superviseSlot(ctx context.Context, sl *slot, proc *process.Process, port int) bool {
	host := net.JoinHostPort(loopback, strconv.Itoa(port))
	e := s.open(sl, &Endpoint{scheme: "http", host: host, address: host, name: sl.name})
	p := s.probe("http://"+host+s.asks.Path, host+s.asks.Path)

	alive, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-proc.Done():
			cancel()
		case <-alive.Done():
		}
	})
	s.monitor(alive, sl, e, s.checkOf(p, &listener{process: proc, port: port}))
	cancel()
	watching.Wait()

	if ctx.Err() != nil {
		s.down(sl)
		proc.Stop(s.cfg.Service.Grace.Std())
		return true
	}
	return s.ended(sl, proc.Exit())
}

// checkOf returns a check that believes an answer only when it comes from the
// process itself.
func (s *Set) checkOf(p *probe, l *listener) func(context.Context) error {
	return func(ctx context.Context) error {
		err := p.check(ctx)
		var unreachable *errUnreachable
		if errors.As(err, &unreachable) {
			return err
		}
		switch owner := l.verify(); {
		case errors.Is(owner, errCannotTell):
			s.warned.Do(func() {
				s.cfg.Logger.Warn("health checks believe whoever answers on an instance's port", "reason", owner)
			})
		case owner != nil:
			return fmt.Errorf("%w %s", owner, p.shown)
		}
		return err
	}
}

// notStarted records that there is no process, and why.
func (s *Set) notStarted(sl *slot, err error) {
	s.update(func() {
		sl.trouble = ""
		sl.exit = "cannot be started: " + err.Error()
		sl.ends++
	})
}

// ended records how a process ended, and reports whether it had been healthy.
func (s *Set) ended(sl *slot, exit process.Exit) bool {
	var wasHealthy bool
	s.update(func() {
		wasHealthy = sl.health.proven
		sl.crashed = sl.health.phase == healthy || sl.health.phase == suspect || sl.health.phase == starting && (sl.crashed || !sl.health.ever)
		sl.endpoint = nil
		sl.health.died()
		sl.trouble = ""
		sl.exit = describe(exit)
		sl.ends++
	})
	return wasHealthy
}

func describe(exit process.Exit) string {
	switch {
	case exit.OutOfMemory:
		return "ended: " + exit.String() + "; give it more memory"
	case exit.Code == 0 && exit.Signal == "":
		return "ended by itself with exit status 0; a service must keep running in the foreground"
	}
	return "ended: " + exit.String()
}

func (s *Set) reasonOf(sl *slot) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sl.reason()
}

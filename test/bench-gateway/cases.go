//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// testCase is one thing that is measured of every proxy.
type testCase struct {
	name     string
	plan     plan   // for the load of this program …
	h2load   string // … or "h1" or "h2": over TLS, by h2load
	half     bool   // at half of what nginx can do
	switches bool   // during a switch every second
	tealOnly bool
	bytes    bool // what counts is bytes
}

// cases returns what is measured, in the order of the tables. The first one says
// what half of nginx's maximum is.
func cases(short bool) []testCase {
	second := time.Second
	if short {
		second = 100 * time.Millisecond
	}
	many, together := 1000, 16
	if short {
		many, together = 50, 1
	}
	load := func(conns int, path string) plan { return plan{conns: conns, lasting: 2 * second, path: path} }
	with := func(p plan, change func(*plan)) plan { change(&p); return p }
	longer := func(p *plan) { p.lasting = 3 * second }
	minute := func(p *plan) { p.lasting = 20 * second } // in three rounds
	return []testCase{
		{name: small, plan: load(64, "/128")},
		{name: "small GETs, 1 000 connections", plan: load(many, "/128")},
		{name: "small GETs at half of nginx's maximum", plan: with(load(64, "/128"), longer), half: true},
		{name: "small GETs, TLS, HTTP/1.1, 64 connections", plan: load(64, "/128"), h2load: "h1"},
		{name: "small GETs, TLS, HTTP/2, 16 connections of 16 streams", plan: load(16, "/128"), h2load: "h2"},
		{name: "a new connection per request, 64 at once", plan: with(load(64, "/128"), func(p *plan) { p.fresh = true })},
		{name: "answers of 1 kB", plan: load(16, "/1000")},
		{name: "answers of 100 kB", plan: load(16, "/100000"), bytes: true},
		{name: "answers of 1 MB", plan: load(8, "/1000000"), bytes: true},
		{name: "answers of 10 MB", plan: load(4, "/10000000"), bytes: true},
		{name: "requests of 1 kB", plan: with(load(16, "/sink"), func(p *plan) { p.send = 1000 })},
		{name: "requests of 1 MB", plan: with(load(8, "/sink"), func(p *plan) { p.send = 1_000_000 }), bytes: true},
		{name: "requests of 10 MB", plan: with(load(4, "/sink"), func(p *plan) { p.send = 10_000_000 }), bytes: true},
		{name: "WebSocket messages, echoed, 64 connections", plan: with(load(64, ""), func(p *plan) { p.sockets = true })},
		{name: "small GETs, 64 connections, a switch every second", plan: with(load(64, "/128"), minute), switches: true},
		{name: "the same at half of nginx's maximum", plan: with(load(64, "/128"), minute), half: true, switches: true},
		{name: "warm invocations of a Go function, one at a time", plan: load(1, "/fn"), tealOnly: true},
		{name: "warm invocations of a Go function, 16 at once", plan: load(together, "/fn"), tealOnly: true},
	}
}

const idleName = "idle connections"

const small = "small GETs, 64 connections"

// turn measures one case of every proxy. Who begins changes from round to round.
func (l *lab) turn(ctx context.Context, c testCase, round int, r *results) error {
	for i := range l.proxies {
		p := l.proxies[(i+round)%len(l.proxies)]
		if c.tealOnly && p.name != "Teal" || c.h2load != "" && l.h2load == "" || c.switches && p.reload == nil {
			continue
		}
		m, err := l.measure(ctx, c, p)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.name, p.name, err)
		}
		r.add(c.name, p.name, m)
		if c.name == small && (p.name == "nginx" || l.most == 0) {
			l.most = m.rate
		}
	}
	return nil
}

// measurement is what is known of one turn.
type measurement struct {
	rate, bytes    float64 // per second
	cpu            time.Duration
	p50, p99, p999 time.Duration
	requests       int
	failed         int
	first          string
}

func (l *lab) measure(ctx context.Context, c testCase, p *proxy) (measurement, error) {
	if c.half {
		c.plan.rate = max(int(l.most/2), 100)
	}
	c.plan.address = p.plain
	stop := func() error { return nil }
	if c.switches {
		stop = every(time.Second, p.reload)
	}
	before := cpuOf(p.cmd.Process.Pid)
	var o outcome
	var err error
	if c.h2load != "" {
		o, err = l.fireH2load(ctx, c, p)
	} else {
		o, err = l.fire(ctx, c.plan)
	}
	used := cpuOf(p.cmd.Process.Pid) - before
	if err := errors.Join(err, stop()); err != nil {
		return measurement{}, err
	}
	m := measurement{requests: o.Requests, failed: o.Failed, first: o.First, p50: o.P50, p99: o.P99, p999: o.P999,
		rate: float64(o.Requests) / o.Seconds, bytes: float64(o.Bytes) / o.Seconds}
	if o.Requests > 0 {
		m.cpu = used / time.Duration(o.Requests)
	}
	return m, nil
}

// every does something again and again until it is stopped.
func every(pause time.Duration, do func() error) (stop func() error) {
	done := make(chan struct{})
	var running sync.WaitGroup
	var failed error
	running.Go(func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				failed = errors.Join(failed, do())
			}
		}
	})
	return func() error {
		close(done)
		running.Wait()
		return failed
	}
}

var (
	finished = regexp.MustCompile(`finished in ([0-9.]+)(us|ms|s), ([0-9.]+) req/s`)
	counted  = regexp.MustCompile(`requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed`)
)

// fireH2load makes a load over TLS. What h2load says of latencies is from when a
// request was sent, so it is not used.
func (l *lab) fireH2load(ctx context.Context, c testCase, p *proxy) (outcome, error) {
	seconds := max(int(c.plan.lasting/time.Second), 1)
	args := []string{"-D", strconv.Itoa(seconds), "-t1", "-c", strconv.Itoa(c.plan.conns), "--warm-up-time=0"}
	if c.h2load == "h1" {
		args = append(args, "--h1")
	} else {
		args = append(args, "-m16")
	}
	ctx, cancel := context.WithTimeout(ctx, c.plan.lasting+30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, l.h2load, append(args, "https://"+p.secure+c.plan.path)...).CombinedOutput()
	if err != nil {
		return outcome{}, fmt.Errorf("h2load: %w\n%s", err, out)
	}
	count := counted.FindSubmatch(out)
	if finished.FindSubmatch(out) == nil || count == nil {
		return outcome{}, fmt.Errorf("h2load says something else than expected:\n%s", out)
	}
	o := outcome{Seconds: float64(seconds)}
	o.Requests, _ = strconv.Atoi(string(count[2]))
	o.Failed, _ = strconv.Atoi(string(count[3]))
	if o.Failed > 0 {
		o.First = "h2load does not say why"
	}
	return o, nil
}

// idleConnections measures what a connection costs that has been used once.
func (l *lab) idleConnections(ctx context.Context, short bool, r *results) error {
	n := min(10_000, mostConnections()-100) // every proxy has to be able to take them
	if short {
		n = 100
	}
	for _, p := range l.proxies {
		before := residentOf(p.cmd.Process.Pid)
		after, failed, err := l.hold(ctx, plan{address: p.plain, conns: n, lasting: 30 * time.Second, path: "/128", hold: true}, p)
		if err != nil {
			return fmt.Errorf("idle connections, %s: %w", p.name, err)
		}
		r.idle[p.name] = idle{connections: n, each: float64(after-before) / float64(n), failed: failed}
	}
	return nil
}

func (l *lab) hold(ctx context.Context, what plan, p *proxy) (resident int64, failed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.self, what.args()...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		time.Sleep(time.Second) // what was only for the requests is given back
		resident = residentOf(p.cmd.Process.Pid)
	}
	_ = stdin.Close()
	_, _ = io.Copy(io.Discard, out)
	o, decodeErr := decodeOutcome(line)
	return resident, o.Failed, errors.Join(err, decodeErr, cmd.Wait())
}

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	warmRounds = 5
	warmRound  = 1500 * time.Millisecond
	warmMany   = 16
)

const warmManifest = `
app: warm
functions:
  one:  {runtime: provided, code: ./fn, concurrency: {min: 1, max: 1}}
  many: {runtime: provided, code: ./fn, concurrency: {min: 16, max: 16}}
routes:
  - {path: /one, to: one}
  - {path: /many, to: many}
`

// contestant is something that loads are fired at in turns.
type contestant struct {
	load  load
	shots []shot
	cpu   func() usage // of those that do the work; nil: nobody asks
	used  usage
}

// usage is CPU time by who has used it.
type usage struct{ server, instances time.Duration }

func (u usage) minus(v usage) usage {
	return usage{u.server - v.server, u.instances - v.instances}
}

// inTurns fires at all contestants, round by round.
func (l *lab) inTurns(ctx context.Context, rounds int, all ...*contestant) error {
	for range rounds {
		for _, c := range all {
			var before usage
			if c.cpu != nil {
				before = c.cpu()
			}
			s, err := l.fire(ctx, c.load)
			if err != nil {
				return err
			}
			c.shots = append(c.shots, s)
			if c.cpu != nil {
				spent := c.cpu().minus(before)
				c.used.server += spent.server
				c.used.instances += spent.instances
			}
		}
	}
	return nil
}

func (c *contestant) latency(name string, goal float64) row {
	var all []time.Duration
	for _, s := range c.shots {
		all = append(all, s.Took...)
	}
	return measured(name, "µs", durations(all, time.Microsecond), goal)
}

func (c *contestant) rates() sample {
	var list sample
	for _, s := range c.shots {
		list = append(list, s.perSecond())
	}
	return list
}

// split says who used how much CPU time for one answer.
func (c *contestant) split() string {
	answers := 0
	var client time.Duration
	for _, s := range c.shots {
		answers += len(s.Took) + warmUp*c.load.conns
		client += s.CPU
	}
	per := func(d time.Duration) string {
		return fmt.Sprintf("%.0f µs", float64(d.Microseconds())/float64(max(answers, 1)))
	}
	return fmt.Sprintf("%s in the server, %s in the handler's process, %s in the client", per(c.used.server), per(c.used.instances), per(client))
}

// usageOf adds up what a server and its children have used.
func (s *server) usage() usage {
	u := usage{server: cpuOf(s.cmd.Process.Pid)}
	for _, c := range childrenOf(s.cmd.Process.Pid) {
		if strings.Contains(c.command, "bootstrap") {
			u.instances += cpuOf(c.pid)
		}
	}
	return u
}

// measureWarm invokes Go functions that run already.
func measureWarm(ctx context.Context, l *lab) ([]section, error) {
	s, err := l.server(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	dir, err := l.app(warmManifest, map[string]string{"fn/bootstrap": linkTo + l.fn})
	if err != nil {
		return nil, err
	}
	if _, err := s.run(ctx, "deploy", dir); err != nil {
		return nil, err
	}
	canned, err := l.rival(ctx, roleCanned)
	if err != nil {
		return nil, err
	}
	defer canned.stop()
	floor := &contestant{load: load{canned.address, "/", 1, warmRound / 3}}
	one := &contestant{load: load{s.http, "/one", 1, warmRound}, cpu: s.usage}
	many := &contestant{load: load{s.http, "/many", warmMany, warmRound}, cpu: s.usage}
	if err := l.inTurns(ctx, warmRounds, floor, one, many); err != nil {
		return nil, err
	}
	return []section{{
		Title: "Warm invocation of a Go function (HTTP request to HTTP answer)",
		Rows: []row{
			one.latency("one after the other, one connection", 150),
			many.latency("16 at a time, 16 instances", 0),
			rate("16 at a time, 16 instances: throughput", "/s", many.rates()),
			floor.latency("for comparison: one hop, client to a server that does nothing", 0),
		},
		Notes: []string{
			"The way: client → gateway → Runtime API → handler (aws-lambda-go) and back, over one keep-alive connection for each client. That is two hops between processes there and two back.",
			"CPU time for one invocation, one after the other: " + one.split() + ".",
			"CPU time for one invocation, 16 at a time: " + many.split() + ".",
		},
	}}, nil
}

const proxyRounds = 5

const proxyManifest = `
app: proxied
services:
  web: {command: ["./web"], code: ./web, health: {interval: 1s}}
routes:
  - {path: /, to: web}
`

// measureProxy sends requests to one and the same service process: directly,
// through Go's own reverse proxy, and through Teal.
func measureProxy(ctx context.Context, l *lab) ([]section, error) {
	s, err := l.server(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	dir, err := l.app(proxyManifest, map[string]string{"web/web": linkTo + l.web})
	if err != nil {
		return nil, err
	}
	if _, err := s.run(ctx, "deploy", dir); err != nil {
		return nil, err
	}
	w, err := dial(s.http, "/port")
	if err != nil {
		return nil, err
	}
	defer w.close()
	if _, err := w.ask(); err != nil {
		return nil, err
	}
	backend := "127.0.0.1:" + string(w.body)
	bare, err := l.rival(ctx, roleProxy, "http://"+backend)
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	return l.compareProxies(ctx, backend, bare.address, s.http)
}

func (l *lab) compareProxies(ctx context.Context, addresses ...string) ([]section, error) {
	names := []string{"directly", "httputil.ReverseProxy, bare", "Teal"}
	var one, many, all []*contestant
	for _, address := range addresses {
		one = append(one, &contestant{load: load{address, "/", 1, warmRound / 3}})
		many = append(many, &contestant{load: load{address, "/", warmMany, 2 * warmRound / 3}})
	}
	all = append(append(all, one...), many...)
	if err := l.inTurns(ctx, proxyRounds, all...); err != nil {
		return nil, err
	}
	out := section{Title: "Proxy to a service"}
	for i, name := range names {
		out.Rows = append(out.Rows, one[i].latency(name+": one after the other", 0))
	}
	for i, name := range names {
		out.Rows = append(out.Rows, rate(name+": 16 at a time", "/s", many[i].rates()))
	}
	out.Notes = []string{
		"All three lead to the same process, in turns in the same run.",
		fmt.Sprintf("Teal takes %.2f times as long as the bare proxy one after the other, and answers %.2f times as many requests 16 at a time.",
			out.Rows[2].Median/out.Rows[1].Median, out.Rows[5].Median/out.Rows[4].Median),
	}
	return []section{out}, nil
}

// measureSize looks at the binary, and at servers that have one function and
// nothing to do.
func measureSize(ctx context.Context, l *lab) ([]section, error) {
	info, err := os.Stat(l.teal)
	if err != nil {
		return nil, err
	}
	server, guard, err := l.idleMemory(ctx)
	if err != nil {
		return nil, err
	}
	of := func(list []memory, f func(memory) float64) sample {
		var s sample
		for _, m := range list {
			s = append(s, f(m))
		}
		return s
	}
	rss, pss := func(m memory) float64 { return m.rss }, func(m memory) float64 { return m.pss }
	return []section{{
		Title: "Size",
		Rows: []row{
			measured("the binary, stripped", "MB", sample{float64(info.Size()) / mega}, 40),
			measured("idle server, resident (RSS)", "MB", of(server, rss), 40),
			measured("idle server, proportional (PSS)", "MB", of(server, pss), 0),
			measured("idle guard process, resident (RSS)", "MB", of(guard, rss), 0),
			measured("idle guard process, proportional (PSS)", "MB", of(guard, pss), 0),
		},
		Notes: []string{
			fmt.Sprintf("Idle: one app with one function, deployed, never invoked, %s later; the function's own process is not counted. %d servers at once; RSS counts the pages of the program itself in full for each process.", idleFor, idleServers),
			"MB are millions of bytes.",
		},
	}}, nil
}

const (
	idleServers = 3
	idleFor     = 10 * time.Second
)

// idleMemory starts servers, waits, and returns what they hold.
func (l *lab) idleMemory(ctx context.Context) (servers, guards []memory, err error) {
	var running []*server
	defer func() {
		for _, s := range running {
			s.stop()
		}
	}()
	dir, err := l.app(switchManifest, map[string]string{"web/bootstrap": linkTo + l.fn})
	if err != nil {
		return nil, nil, err
	}
	for range idleServers {
		s, err := l.server(ctx)
		if err != nil {
			return nil, nil, err
		}
		running = append(running, s)
		if _, err := s.run(ctx, "deploy", dir); err != nil {
			return nil, nil, err
		}
	}
	if err := pause(ctx, idleFor); err != nil {
		return nil, nil, err
	}
	for _, s := range running {
		pid := s.cmd.Process.Pid
		m, err := memoryOf(pid)
		if err != nil {
			return nil, nil, err
		}
		servers = append(servers, m)
		for _, c := range childrenOf(pid) {
			if strings.HasSuffix(c.command, " guard") {
				if m, err = memoryOf(c.pid); err != nil {
					return nil, nil, err
				}
				guards = append(guards, m)
			}
		}
	}
	return servers, guards, nil
}

package main

import (
	"context"
	"fmt"
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

// usage adds up what a server and its children have used.
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
	direct, err := l.rival(ctx, roleDirect, l.fn)
	if err != nil {
		return nil, err
	}
	defer direct.stop()
	hop := &contestant{load: load{canned.address, "/", 1, warmRound / 3}}
	least := &contestant{load: load{direct.address, "/", 1, warmRound}}
	one := &contestant{load: load{s.http, "/one", 1, warmRound}, cpu: s.usage}
	many := &contestant{load: load{s.http, "/many", warmMany, warmRound}, cpu: s.usage}
	if err := l.inTurns(ctx, warmRounds, hop, least, one, many); err != nil {
		return nil, err
	}
	wire := least.latency("for comparison: the same function with nothing but a wire before it", 0)
	return []section{{
		Title: "Warm invocation of a Go function (HTTP request to HTTP answer)",
		Rows: []row{
			one.latency("one after the other, one connection", 150).because("The same function with nothing but a wire before it takes %s here.", figure(wire.Median, wire.Unit)),
			many.latency("16 at a time, 16 instances", 0),
			rate("16 at a time, 16 instances: throughput", "/s", many.rates()),
			wire,
			hop.latency("for comparison: one hop, client to a server that does nothing", 0),
		},
		Notes: []string{
			"The way: client → gateway → Runtime API → handler (aws-lambda-go) and back, over one keep-alive connection for each client.",
			"Nothing but a wire: one goroutine that passes an event, made once, to the function's process and a fixed answer to the client. What is above that is Teal's; what is below is the handler's, the client's and the kernel's.",
			"CPU time for one invocation, one after the other: " + one.split() + ".",
			"CPU time for one invocation, 16 at a time: " + many.split() + ".",
		},
	}}, nil
}

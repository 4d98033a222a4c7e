package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

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

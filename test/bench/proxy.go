package main

import (
	"context"
	"fmt"
)

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

package main

import (
	"context"
	"fmt"
	"time"

	"teal"
	"teal/internal/gateway"
)

const (
	tableApps   = 10_000
	tableRounds = 2000
)

// measureTable changes one app among many in the gateway's table, in this
// process.
func measureTable(context.Context, *lab) ([]section, error) {
	g := gateway.New()
	if err := g.Update(func(t *gateway.Table) (*gateway.Table, error) {
		var err error
		for i := range tableApps {
			if t, err = t.With(tableApp(i, 0)); err != nil {
				return nil, err
			}
		}
		return t, nil
	}); err != nil {
		return nil, err
	}
	blue, green := tableApp(tableApps/2, 0), tableApp(tableApps/2, teal.All)
	var took []time.Duration
	for i := range tableRounds {
		next := blue
		if i%2 == 0 {
			next = green
		}
		start := time.Now()
		err := g.Update(func(t *gateway.Table) (*gateway.Table, error) { return t.With(next) })
		took = append(took, time.Since(start))
		if err != nil {
			return nil, err
		}
	}
	return []section{{
		Title: "Routing table",
		Rows:  []row{measured("one app of 10 000 changed: new table, swapped", "µs", durations(took, time.Microsecond), 100)},
		Notes: []string{"Called directly in the benchmark's process: `gateway.Update` with an app whose weight goes from 0 to 100 % and back."},
	}}, nil
}

// tableApp is an app with two versions that run, three routes, and a weight for
// the second version.
func tableApp(n int, weight teal.Weight) gateway.App {
	host := fmt.Sprintf("app-%d.example", n)
	name := fmt.Sprintf("app-%d", n)
	app := gateway.App{
		Name:         name,
		Aliases:      map[string][]teal.Target{teal.AliasLive: {{Version: 1, Weight: teal.All - weight}, {Version: 2, Weight: weight}}},
		Environments: map[teal.VersionRef]*gateway.Environment{},
	}
	for version := teal.VersionRef(1); version <= 2; version++ {
		app.Environments[version] = gateway.NewEnvironment(gateway.EnvironmentConfig{
			App: name, Version: version,
			Routes: []teal.Route{
				{Host: host, Path: "/", To: "web"},
				{Host: host, Path: "/api", To: "api"},
				{Host: host, Path: "/api/orders", To: "orders"},
			},
			Components: map[string]*gateway.Component{"web": {Name: "web"}, "api": {Name: "api"}, "orders": {Name: "orders"}},
		})
	}
	return app
}

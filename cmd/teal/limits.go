package main

import (
	"slices"
	"strings"

	"teal"
	"teal/internal/cli"
	"teal/internal/event"
	"teal/internal/gateway"
	"teal/internal/queue"
)

// limits is what the server was told about its limits.
type limits struct {
	gateway gateway.Limits
	events  event.Limits
	queues  queue.Limits
}

// parseLimits returns what the server was told about its limits; of two values for
// one of them the later.
func parseLimits(given []cli.Limit) (l limits, err error) {
	for _, limit := range given {
		name, value := limit.Name, limit.Value
		switch {
		case slices.Contains(event.LimitNames(), name):
			err = l.events.SetLimit(name, value)
		case slices.Contains(queue.LimitNames(), name):
			err = l.queues.SetLimit(name, value)
		case slices.Contains(gateway.LimitNames(), name):
			err = l.gateway.SetLimit(name, value)
		default:
			names := slices.Concat(gateway.LimitNames(), event.LimitNames(), queue.LimitNames())
			err = teal.Errorf(teal.CodeInvalidInput, "there is no limit %q; there are %s", name, strings.Join(names, ", "))
		}
		if err != nil {
			return l, teal.Errorf(teal.CodeInvalidInput, "%s: %w", limit.Where, err)
		}
	}
	return l, nil
}

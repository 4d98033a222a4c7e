package main

import (
	"slices"
	"strings"

	"teal"
	"teal/internal/cli"
	"teal/internal/event"
	"teal/internal/gateway"
)

// parseLimits returns what the server was told about its limits; of two values for
// one of them the later.
func parseLimits(given []cli.Limit) (l gateway.Limits, events event.Limits, err error) {
	for _, limit := range given {
		name, value := limit.Name, limit.Value
		switch {
		case slices.Contains(event.LimitNames(), name):
			err = events.SetLimit(name, value)
		case slices.Contains(gateway.LimitNames(), name):
			err = l.SetLimit(name, value)
		default:
			names := append(gateway.LimitNames(), event.LimitNames()...)
			err = teal.Errorf(teal.CodeInvalidInput, "there is no limit %q; there are %s", name, strings.Join(names, ", "))
		}
		if err != nil {
			return l, events, teal.Errorf(teal.CodeInvalidInput, "%s: %w", limit.Where, err)
		}
	}
	return l, events, nil
}

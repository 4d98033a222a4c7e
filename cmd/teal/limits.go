package main

import (
	"slices"
	"strings"

	"teal"
	"teal/internal/event"
	"teal/internal/gateway"
)

// parseLimits returns the limits that pairs of a name and a value set.
func parseLimits(pairs [][2]string) (l gateway.Limits, events event.Limits, err error) {
	for _, pair := range pairs {
		name, value := pair[0], pair[1]
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
			return l, events, teal.Errorf(teal.CodeInvalidInput, "--limit: %w", err)
		}
	}
	return l, events, nil
}

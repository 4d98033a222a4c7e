package teal_test

import (
	"slices"
	"testing"
	"time"

	"teal"
)

// Orders change what they say they change, are remembered when they do, and a freeze
// that is over is none. Seen red when a freeze that was over stayed in the record (its
// unfreeze was remembered), and when an order that changes nothing was remembered.
func TestOrdersForAnApp(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	app := teal.App{Name: "shop"}
	give := func(kind teal.AppOrderKind, after, length time.Duration) bool {
		order := teal.AppOrder{Kind: kind, By: "ann", At: start.Add(after)}
		if length > 0 {
			until := order.At.Add(length)
			order.Until = &until
		}
		return app.Give(order)
	}
	for i, step := range []struct {
		kind            teal.AppOrderKind
		after, length   time.Duration
		changes         bool
		stopped, frozen bool // then
	}{
		{teal.OrderStart, 0, 0, false, false, false},
		{teal.OrderUnfreeze, 0, 0, false, false, false},
		{teal.OrderStop, 0, 0, true, true, false},
		{teal.OrderStop, 1, 0, false, true, false},
		{teal.OrderFreeze, 2, time.Hour, true, true, true},
		{teal.OrderFreeze, 3, 0, true, true, true},
		{teal.OrderStart, 4, 0, true, false, true},
		{teal.OrderUnfreeze, 5, 0, true, false, false},
		{teal.OrderFreeze, 6, time.Minute, true, false, true},
		{teal.OrderUnfreeze, time.Hour, 0, true, false, false}, // it is over, and goes from the record
		{teal.OrderUnfreeze, time.Hour, 0, false, false, false},
		{teal.AppOrderKind("sell"), time.Hour, 0, false, false, false},
	} {
		changes := give(step.kind, step.after, step.length)
		if changes != step.changes || app.Stopped != nil != step.stopped || app.Frozen != nil != step.frozen {
			t.Errorf("order %d, %s: changes %t, stopped %v, frozen %v", i, step.kind, changes, app.Stopped, app.Frozen)
		}
	}
	var kinds []teal.AppOrderKind
	for _, o := range app.Orders {
		kinds = append(kinds, o.Kind)
	}
	want := []teal.AppOrderKind{teal.OrderStop, teal.OrderFreeze, teal.OrderFreeze, teal.OrderStart, teal.OrderUnfreeze, teal.OrderFreeze}
	if !slices.Equal(kinds, want) {
		t.Errorf("remembered: %v, want %v", kinds, want)
	}
	for range 2 * teal.MaxAppOrders {
		give(teal.OrderFreeze, time.Hour, 0)
	}
	if n := len(app.Orders); n != teal.MaxAppOrders {
		t.Errorf("%d orders are remembered", n)
	}
}

package teal

import (
	"slices"
	"time"
)

// AppOrderKind names what a person may ask of an app as a whole, whatever is
// released of it.
type AppOrderKind string

// The orders.
const (
	OrderStop     AppOrderKind = "stop"     // run nothing; routes answer 503
	OrderStart    AppOrderKind = "start"    // run again what aliases point to
	OrderFreeze   AppOrderKind = "freeze"   // release nothing
	OrderUnfreeze AppOrderKind = "unfreeze" // end that
)

// AppOrder is one order, who gave it, when and why.
type AppOrder struct {
	Kind  AppOrderKind `json:"kind"`
	By    string       `json:"by"`
	Why   string       `json:"why,omitempty"`
	At    time.Time    `json:"at"`
	Until *time.Time   `json:"until,omitempty"` // of a freeze: its end; nil is none
}

// MaxAppOrders is how many of its last orders an app remembers.
const MaxAppOrders = 20

// Give records an order, and drops a freeze that is over. It reports whether that
// changes anything: who stops what is stopped has not stopped it.
func (a *App) Give(order AppOrder) bool {
	frozen, stale := a.FrozenAt(order.At), a.Frozen
	a.Frozen = frozen
	if !a.given(order) {
		return stale != frozen
	}
	a.Orders = append(slices.Clip(a.Orders), order)
	a.Orders = a.Orders[max(0, len(a.Orders)-MaxAppOrders):]
	return true
}

// given does what an order says, unless it is so already.
func (a *App) given(order AppOrder) bool {
	switch order.Kind {
	case OrderStop:
		if a.Stopped != nil {
			return false
		}
		a.Stopped = &order
	case OrderStart:
		if a.Stopped == nil {
			return false
		}
		a.Stopped = nil
	case OrderFreeze:
		a.Frozen = &order
	case OrderUnfreeze:
		if a.Frozen == nil {
			return false
		}
		a.Frozen = nil
	default:
		return false
	}
	return true
}

// FrozenAt returns the freeze that somebody has ordered and that has not ended at
// now; nil for none.
func (a App) FrozenAt(now time.Time) *AppOrder {
	if a.Frozen == nil || a.Frozen.Until != nil && !now.Before(*a.Frozen.Until) {
		return nil
	}
	return a.Frozen
}

package release

import "teal"

// fitting returns an order as it is to be recorded, or an error with
// teal.CodeConflict that says why it makes no sense now.
func fitting(r teal.Release, order teal.Order) (teal.Order, error) {
	moved := r.Step > len(r.Policy.Steps)
	switch order.Kind {
	case teal.OrderApprove:
		if order.Step == 0 {
			order.Step = nextApproval(r)
		}
		if order.Step < 1 || order.Step > len(r.Policy.Steps) || !r.Policy.Steps[order.Step-1].Approval {
			return order, teal.Errorf(teal.CodeConflict, "release %s waits for no approval; it is %s", r.ID, r.Phase)
		}
	case teal.OrderPause, teal.OrderResume:
		if moved || r.Phase == teal.PhaseRollingBack {
			return order, teal.Errorf(teal.CodeConflict, "release %s is %s; only one that has not given green everything can be paused or go on", r.ID, r.Phase)
		}
	case teal.OrderPromote:
		if moved || r.Phase == teal.PhaseRollingBack {
			return order, teal.Errorf(teal.CodeConflict, "release %s is %s; there is nothing left to promote", r.ID, r.Phase)
		}
	}
	return order, nil
}

// nextApproval returns the first step, from the one that the release is at, that
// waits for an approval; 0 for none.
func nextApproval(r teal.Release) int {
	for i := max(r.Step, 1); i <= len(r.Policy.Steps); i++ {
		if r.Policy.Steps[i-1].Approval && !r.Orders.Approved(i) {
			return i
		}
	}
	return 0
}

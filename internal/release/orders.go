package release

import "teal"

// validateOrder returns an order as it is to be recorded, or an error with
// teal.CodeConflict that says why it makes no sense now.
func validateOrder(r teal.Release, order teal.Order) (teal.Order, error) {
	done := r.Step > len(r.Policy.Steps) || r.Phase == teal.PhaseRollingBack || r.Orders.Rollback != nil
	switch order.Kind {
	case teal.OrderApprove:
		if order.Step == 0 && awaitsApproval(r) {
			order.Step = r.Step
		}
		if done || order.Step < 1 || order.Step > len(r.Policy.Steps) || !r.Policy.Steps[order.Step-1].Approval {
			return order, teal.Errorf(teal.CodeConflict, "release %s is %s and not waiting for approval", r.ID, r.Phase)
		}
	case teal.OrderPause:
		if done || r.From == 0 {
			return order, teal.Errorf(teal.CodeConflict, "release %s is %s; only a release that still has traffic to move from another version can be paused", r.ID, r.Phase)
		}
	case teal.OrderResume:
		if done || r.Orders.Pause == nil {
			return order, teal.Errorf(teal.CodeConflict, "release %s is %s, not paused", r.ID, r.Phase)
		}
	case teal.OrderPromote:
		if done {
			return order, teal.Errorf(teal.CodeConflict, "release %s is %s; there is nothing left to promote", r.ID, r.Phase)
		}
	}
	return order, nil
}

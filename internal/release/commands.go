package release

import "teal"

// validateCommand returns a command as it is to be recorded, or an error with
// teal.CodeConflict that says why it makes no sense now.
func validateCommand(r teal.Release, command teal.Command) (teal.Command, error) {
	done := r.Step > len(r.Policy.Steps) || r.Phase == teal.PhaseRollingBack || r.Commands.Rollback != nil
	switch command.Kind {
	case teal.CommandApprove:
		if command.Step == 0 && awaitsApproval(r) {
			command.Step = r.Step
		}
		if done || command.Step < 1 || command.Step > len(r.Policy.Steps) || !r.Policy.Steps[command.Step-1].Approval {
			return command, teal.Errorf(teal.CodeConflict, "release %s is %s and not waiting for approval", r.ID, r.Phase)
		}
	case teal.CommandPause:
		if done || r.From == 0 {
			return command, teal.Errorf(teal.CodeConflict, "release %s is %s; only a release that still has traffic to move from another version can be paused", r.ID, r.Phase)
		}
	case teal.CommandResume:
		if done || r.Commands.Pause == nil {
			return command, teal.Errorf(teal.CodeConflict, "release %s is %s, not paused", r.ID, r.Phase)
		}
	case teal.CommandPromote:
		if done {
			return command, teal.Errorf(teal.CodeConflict, "release %s is %s; there is nothing left to promote", r.ID, r.Phase)
		}
	}
	return command, nil
}

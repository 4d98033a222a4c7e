package teal

// RollbackTarget decides where a rollback leads when no release is running: to
// the version asked for; out of a split to its primary version; else to the
// version that was live before. A rollback that has happened already is done,
// and is returned instead: two callers who ask for the same thing both get it.
func RollbackTarget(app string, live Alias, history []Release, to int) (target int, done *Release, err error) {
	last := LastMove(history)
	primary, _ := live.Primary().Number()
	switch {
	case len(live.Targets) == 0:
		return 0, nil, Errorf(CodeNothingToRollBackTo, "%s has never been live", app)
	case to != 0 && !live.IsOnly(to):
		return to, nil, nil
	case to == 0 && len(live.Targets) == 2:
		return primary, nil, nil
	case last == nil:
		return 0, nil, Errorf(CodeNothingToRollBackTo, "%s v%d is live and no release has brought it there; name a version with --to", app, primary)
	case to != 0, last.Phase == PhaseRolledBack && live.IsOnly(last.From), last.Back && live.IsOnly(last.To):
		return 0, last, nil
	case !live.IsOnly(last.To) || last.From == 0:
		return 0, nil, Errorf(CodeNothingToRollBackTo, "%s has no version before v%d; name one with --to", app, primary)
	}
	return last.From, nil, nil
}

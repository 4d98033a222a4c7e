package store

import (
	"errors"
	"fmt"

	"teal"
)

// UnknownApp is the error for an app that is not there, or that nobody may see any
// more because it is being deleted.
func UnknownApp(app string) error {
	return teal.Errorf(teal.CodeUnknownApp, "There is no app %s.", app)
}

// StillDeleting is the error for an app that has been deleted while a part of it
// still runs.
func StillDeleting(app string) error {
	return teal.Errorf(teal.CodeConflict, "the app %s has been deleted and still finishes what it was doing; try again in a moment", app)
}

// CheckStarted returns the error for an app of which nothing is started, because
// somebody has stopped it; nil for any other.
func CheckStarted(app teal.App) error {
	if app.Stopped == nil {
		return nil
	}
	why := ""
	if app.Stopped.Why != "" {
		why = fmt.Sprintf(" (%q)", app.Stopped.Why)
	}
	return teal.Errorf(teal.CodeConflict, "%s was stopped by %s%s; start it first with `teal start %s`", app.Name, app.Stopped.By, why, app.Name)
}

// IgnoreMissing returns nil for the error of a record that is not there, and any
// other error as it is.
func IgnoreMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// IsLost reports whether an error says that a record is missing or cannot be
// understood. Of another app, that is no reason to refuse anything to this one.
func IsLost(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnreadable)
}

// Values returns what the records hold.
func Values[T any](list []Record[T]) []T {
	out := make([]T, len(list))
	for i, record := range list {
		out[i] = record.Value
	}
	return out
}

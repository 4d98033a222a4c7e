package control

import (
	"context"
	"slices"

	"teal"
	"teal/internal/store"
)

// Aside takes records that cannot be understood out of the way.
type Aside struct {
	kv     store.KV
	alerts Alerts
	done   func()
}

// Alerts is what is wrong with the server.
type Alerts interface{ List() []teal.Alert }

// NewAside returns what moves records of a store aside, and calls done after it has:
// who waits for a record may go on.
func NewAside(kv store.KV, alerts Alerts, done func()) Aside {
	return Aside{kv: kv, alerts: alerts, done: done}
}

// Set moves a record that cannot be understood out of the way. Nobody has read
// it, so nobody in this process holds a copy that would be behind.
func (a Aside) Set(ctx context.Context, key string) error {
	known := slices.ContainsFunc(a.alerts.List(), func(found teal.Alert) bool { return found.Code == teal.AlertRecordUnreadable && found.Subject == key })
	if !known {
		return teal.Errorf(teal.CodeNotFound, "there is no record %s that cannot be understood; `teal doctor` lists those that there are", key)
	}
	if err := store.SetAside(context.WithoutCancel(ctx), a.kv, key); err != nil {
		return err
	}
	a.done()
	return nil
}

package control

import (
	"context"
	"slices"

	"teal"
	"teal/internal/store"
)

// SetAside moves a record that cannot be understood out of the way. Nobody has read
// it, so nobody in this process holds a copy that would be behind.
func (c *Control) SetAside(ctx context.Context, key string) error {
	known := slices.ContainsFunc(c.cfg.Alerts.List(), func(found teal.Alert) bool { return found.Code == teal.AlertRecordUnreadable && found.Subject == key })
	if !known {
		return teal.Errorf(teal.CodeNotFound, "there is no record %s that cannot be understood; `teal doctor` lists those that there are", key)
	}
	if err := store.SetAside(context.WithoutCancel(ctx), c.cfg.KV, key); err != nil {
		return err
	}
	c.cfg.Garbage.Nudge() // it waits for records that cannot be understood
	return nil
}

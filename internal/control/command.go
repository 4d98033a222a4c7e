package control

import (
	"context"
	"io"
	"time"

	"teal"
)

// Command implements [api.Releaser].
func (c *Control) Command(ctx context.Context, app string, command teal.Command) (teal.Release, error) {
	moving, err := c.cfg.Journal.Moving(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	if moving == nil {
		return teal.Release{}, teal.Errorf(teal.CodeNoActiveRelease, "%s has no release to %s; `teal history %s` shows how the last one ended", app, command.Kind, app)
	}
	command.At = time.Now()
	return c.cfg.Engine.Command(ctx, moving.ID, command)
}

// AnswerHook implements [api.Releaser].
func (c *Control) AnswerHook(ctx context.Context, id, token string, verdict teal.Verdict, why string) error {
	if _, err := c.cfg.Store.Releases.Get(ctx, id); err != nil {
		return err
	}
	return c.cfg.Hooks.Answer(id, token, verdict, why)
}

// Intervals implements [api.Catalog].
func (c *Control) Intervals(ctx context.Context, id string) (io.ReadCloser, error) {
	if _, err := c.cfg.Store.Releases.Get(ctx, id); err != nil {
		return nil, err
	}
	return c.cfg.Recordings.Read(id)
}

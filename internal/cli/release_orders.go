package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
)

func (s *session) promoteCommand() *cobra.Command {
	var wait string
	cmd := &cobra.Command{
		Use:   "promote APP",
		Short: "Release the preview version, or the second version of a split",
		Long: "Releases the preview version, or the second version of a split, with the policy of the last\n" +
			"deploy. While a release is running, moves all traffic to its version now and skips the\n" +
			"remaining steps.",
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			until, err := parseWait(wait)
			if err != nil {
				return err
			}
			return s.promote(cmd.Context(), args[0], until)
		},
	}
	cmd.Flags().StringVar(&wait, "wait", string(waitLive), "return when the release is live, or when it is completed (monitored to the end)")
	return cmd
}

func (s *session) promote(ctx context.Context, app string, until waitFor) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	release, err := c.Promote(ctx, app, api.PromoteBody{By: s.by()})
	if err != nil {
		return interruptedDeploy(err, app)
	}
	if release.Commands.Promote != nil {
		s.say("%s: release %s moves all traffic to v%d now", app, release.ID, release.To)
	} else {
		s.say("%s: releasing v%d", app, release.To)
	}
	release, err = s.follow(ctx, release, until)
	if err != nil {
		return err
	}
	s.show(release, func() {})
	return nil
}

func (s *session) rollbackCommand() *cobra.Command {
	var to int
	var why string
	cmd := &cobra.Command{
		Use:   "rollback APP",
		Short: "Move all traffic back to the previous version; returns when it has it",
		Long: "Moves all traffic back to the version that it came from, or to --to. While that version is on\n" +
			"standby this is immediate; later it is started again first. Safe to call twice.",
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("to") && to < 1 {
				return usagef(cmd, "--to: %d is not a version; versions start at 1", to)
			}
			return s.rollback(cmd.Context(), args[0], to, why)
		},
	}
	cmd.Flags().IntVar(&to, "to", 0, "version to go back to")
	cmd.Flags().StringVar(&why, "reason", "", "the reason, for the record")
	return cmd
}

func (s *session) rollback(ctx context.Context, app string, to int, why string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	start := s.env.Now()
	release, err := c.Rollback(ctx, app, api.RollbackBody{To: to, By: s.by(), Why: why})
	if err != nil {
		return interruptedRequest(err, "rollback", app)
	}
	back := release.From
	if release.Phase != teal.PhaseRollingBack && release.Phase != teal.PhaseRolledBack {
		back = release.To // a release of its own that goes to the old version
	}
	s.show(release, func() {
		if release.Phase == teal.PhaseAborted {
			s.out.line("%s: release %s %s; %s", app, release.ID, afterAbort(release), whoHasTraffic(release))
			return
		}
		s.out.line("%s: v%d has all traffic again, after %s", app, back, describe.Duration(s.env.Now().Sub(start)))
	})
	return nil
}

func (s *session) abortCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "abort APP",
		Short: "End the running release; the current version keeps, or gets back, all traffic",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.abort(cmd.Context(), args[0], why)
		},
	}
	cmd.Flags().StringVar(&why, "reason", "", "the reason, for the record")
	return cmd
}

func (s *session) abort(ctx context.Context, app, why string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	release, err := c.Abort(ctx, app, api.AbortBody{By: s.by(), Why: why})
	if err != nil {
		return interruptedRequest(err, "abort", app)
	}
	s.show(release, func() {
		s.out.line("%s: release %s %s; %s", app, release.ID, afterAbort(release), whoHasTraffic(release))
	})
	return nil
}

// afterAbort says how a release is after it was ordered to end.
func afterAbort(r api.ReleaseView) string {
	switch {
	case r.Phase == teal.PhaseRolledBack:
		return "rolled back"
	case r.Phase.Ended():
		return string(r.Phase)
	}
	return "is ending"
}

// whoHasTraffic says which version has the traffic of a release that was ended.
func whoHasTraffic(r api.ReleaseView) string {
	switch {
	case r.From == 0:
		return "no version is live"
	case r.Phase == teal.PhaseRolledBack:
		return fmt.Sprintf("v%d has all traffic again", r.From)
	}
	return fmt.Sprintf("v%d has all traffic", r.From)
}

func (s *session) pauseCommand() *cobra.Command {
	return s.orderCommand(teal.CommandPause, "Hold the running release at its current step", func(ctx context.Context, c *client.Client, app, why string) (api.ReleaseView, error) {
		return c.Pause(ctx, app, api.OrderBody{By: s.by(), Why: why})
	})
}

func (s *session) resumeCommand() *cobra.Command {
	return s.orderCommand(teal.CommandResume, "Continue a paused release", func(ctx context.Context, c *client.Client, app, why string) (api.ReleaseView, error) {
		return c.Resume(ctx, app, api.OrderBody{By: s.by(), Why: why})
	})
}

func (s *session) approveCommand() *cobra.Command {
	return s.orderCommand(teal.CommandApprove, "Approve the step that the running release is waiting at", func(ctx context.Context, c *client.Client, app, why string) (api.ReleaseView, error) {
		return c.Approve(ctx, app, api.ApproveBody{By: s.by(), Why: why})
	})
}

// orderCommand is a command that tells the running release something.
func (s *session) orderCommand(kind teal.CommandKind, short string, give func(ctx context.Context, c *client.Client, app, why string) (api.ReleaseView, error)) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: string(kind) + " APP", Short: short, Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connect(cmd.Context())
			if err != nil {
				return err
			}
			release, err := give(cmd.Context(), c, args[0], why)
			if err != nil {
				return interruptedRequest(err, string(kind), args[0])
			}
			s.show(release, func() { s.out.line("%s: release %s %s", args[0], release.ID, afterOrder(release, kind)) })
			return nil
		},
	}
	cmd.Flags().StringVar(&why, "reason", "", "the reason, for the record")
	return cmd
}

// afterOrder says how a release is after an order.
func afterOrder(r api.ReleaseView, kind teal.CommandKind) string {
	where := describe.AtStep(r)
	if where == "" {
		where = string(r.Phase)
	}
	switch kind {
	case teal.CommandPause:
		return fmt.Sprintf("paused (%s); continue with `teal resume %s`", where, r.App)
	case teal.CommandApprove:
		return "approved (" + where + ")"
	}
	return "resumed (" + where + ")"
}

func interruptedRequest(err error, order, app string) error {
	if errors.Is(err, context.Canceled) {
		return interruptedf("interrupted; the server may still carry out the %s: see `teal status %s`", order, app)
	}
	return err
}

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
)

func (s *session) promoteCommand() *cobra.Command {
	var wait string
	cmd := &cobra.Command{
		Use:   "promote APP",
		Short: "Release the version in preview, or the second one of a split",
		Long: "Releases the version in preview, or the second one of a split, by the policy of the last\n" +
			"deploy. While a release runs, gives its version everything now, without the rest of the steps.",
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			until, err := parseWait(wait)
			if err != nil {
				return err
			}
			return s.promote(cmd.Context(), args[0], until)
		},
	}
	cmd.Flags().StringVar(&wait, "wait", string(waitLive), "return when the release is live or completed")
	return cmd
}

func (s *session) promote(ctx context.Context, app string, until waitFor) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	release, err := c.Promote(ctx, app, api.PromoteBody{By: s.by("promote")})
	if err != nil {
		return unsure(err, app)
	}
	if release.Orders.Promote != nil {
		s.say("%s: release %s gives version %d everything now", app, release.ID, release.To)
	} else {
		s.say("%s: releasing version %d", app, release.To)
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
		Short: "Point live back to the version before; returns when it does",
		Long: "Points live back to the version that the traffic came from, or to --to. While that version\n" +
			"stands by this takes no time; afterwards it is started again first. May be called twice.",
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("to") && to < 1 {
				return usagef(cmd, "%d is not a version; versions start at 1", to)
			}
			return s.rollback(cmd.Context(), args[0], to, why)
		},
	}
	cmd.Flags().IntVar(&to, "to", 0, "go back to this version")
	cmd.Flags().StringVar(&why, "reason", "", "why, for the record")
	return cmd
}

func (s *session) rollback(ctx context.Context, app string, to int, why string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	start := s.env.Now()
	release, err := c.Rollback(ctx, app, api.RollbackBody{To: to, By: s.by("rollback"), Why: why})
	if err != nil {
		return interruptedOrder(err, "rollback", app)
	}
	back := release.From
	if release.Phase != teal.PhaseRollingBack && release.Phase != teal.PhaseRolledBack {
		back = release.To // a release of its own that goes to the old version
	}
	s.show(release, func() {
		if release.Phase == teal.PhaseAborted {
			s.out.line("%s: release %s is aborted; %s never lost any traffic", app, release.ID, teal.FormatTargets(teal.Only(release.From)))
			return
		}
		s.out.line("%s: version %d has all traffic again after %s", app, back, took(s.env.Now().Sub(start)))
	})
	return nil
}

func (s *session) abortCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "abort APP",
		Short: "End the running release; the old version has all traffic",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.abort(cmd.Context(), args[0], why)
		},
	}
	cmd.Flags().StringVar(&why, "reason", "", "why, for the record")
	return cmd
}

func (s *session) abort(ctx context.Context, app, why string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	release, err := c.Abort(ctx, app, api.AbortBody{By: s.by("abort"), Why: why})
	if err != nil {
		return interruptedOrder(err, "abort", app)
	}
	s.show(release, func() {
		rest := "no version is live"
		if release.From != 0 {
			rest = fmt.Sprintf("version %d has all traffic", release.From)
		}
		state := string(release.Phase)
		if !release.Phase.Ended() {
			state = "ending"
		}
		s.out.line("%s: release %s is %s; %s", app, release.ID, state, rest)
	})
	return nil
}

func (s *session) pauseCommand() *cobra.Command {
	return s.orderCommand(teal.OrderPause, "Let the running release stay where it is", func(ctx context.Context, c *client.Client, app, why string) (api.ReleaseView, error) {
		return c.Pause(ctx, app, api.OrderBody{By: s.by("pause"), Why: why})
	})
}

func (s *session) resumeCommand() *cobra.Command {
	return s.orderCommand(teal.OrderResume, "Let a paused release go on", func(ctx context.Context, c *client.Client, app, why string) (api.ReleaseView, error) {
		return c.Resume(ctx, app, api.OrderBody{By: s.by("resume"), Why: why})
	})
}

func (s *session) approveCommand() *cobra.Command {
	return s.orderCommand(teal.OrderApprove, "Say that a release that waits for it may go on", func(ctx context.Context, c *client.Client, app, why string) (api.ReleaseView, error) {
		return c.Approve(ctx, app, api.ApproveBody{By: s.by("approve"), Why: why})
	})
}

// orderCommand is a command that tells the running release something.
func (s *session) orderCommand(kind teal.OrderKind, short string, give func(ctx context.Context, c *client.Client, app, why string) (api.ReleaseView, error)) *cobra.Command {
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
				return interruptedOrder(err, string(kind), args[0])
			}
			s.show(release, func() { s.out.line("%s: release %s %s", args[0], release.ID, afterOrder(release, kind)) })
			return nil
		},
	}
	cmd.Flags().StringVar(&why, "reason", "", "why, for the record")
	return cmd
}

// afterOrder says how a release is after an order.
func afterOrder(r api.ReleaseView, kind teal.OrderKind) string {
	where := atStep(r)
	if where == "" {
		where = string(r.Phase)
	}
	switch kind {
	case teal.OrderPause:
		return fmt.Sprintf("is paused (%s); go on with `teal resume %s`", where, r.App)
	case teal.OrderApprove:
		return "is approved (" + where + ")"
	}
	return "goes on (" + where + ")"
}

func interruptedOrder(err error, order, app string) error {
	if errors.Is(err, context.Canceled) {
		return interruptedf("interrupted; the server may carry out the %s: see `teal status %s`", order, app)
	}
	return err
}

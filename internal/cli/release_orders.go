package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) promoteCommand() *cobra.Command {
	var wait string
	cmd := &cobra.Command{
		Use:   "promote APP",
		Short: "Release the version in preview, or the second one of a split",
		Args:  arguments(1, 1),
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
	release, err := c.Promote(ctx, app, api.PromoteBody{By: "promote"})
	if err != nil {
		return unsure(err, app)
	}
	s.say("%s: releasing version %d", app, release.To)
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

func interruptedOrder(err error, order, app string) error {
	if errors.Is(err, context.Canceled) {
		return interruptedf("interrupted; the server may carry out the %s: see `teal status %s`", order, app)
	}
	return err
}

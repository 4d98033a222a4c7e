package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
	"teal/internal/freeze"
)

func (s *session) stopCommand() *cobra.Command {
	return s.haltCommand(teal.OrderStop, "Run nothing of an app; its routes answer 503 until it is started",
		"Lets everything that runs of an app finish its requests and end. Its routes stay its own and\n"+
			"answer 503; aliases, versions and history stay, and a restart of the server starts nothing of\n"+
			"it. Nothing is deployed to a stopped app: start it first.",
		func(status api.Status) {
			s.out.line("%s: stopped; its routes answer 503 until `teal start %s`", status.App, status.App)
		})
}

func (s *session) startCommand() *cobra.Command {
	return s.haltCommand(teal.OrderStart, "Run a stopped app again; returns when its live version is healthy",
		"Starts the versions that the aliases of a stopped app point to, and returns when the live one is\n"+
			"healthy. A version that no alias points to, such as a preview, is not started again.",
		func(status api.Status) { s.out.line("%s: started; live is %s", status.App, describe.Live(status)) })
}

func (s *session) unfreezeCommand() *cobra.Command {
	return s.haltCommand(teal.OrderUnfreeze, "End a freeze that was ordered with `teal freeze`",
		"Ends a freeze that was ordered with `teal freeze`; releases that wait for it continue. Freeze\n"+
			"windows of teal.yaml end by themselves.",
		func(status api.Status) {
			now := s.env.Now()
			if status.Release != nil {
				if holding, frozen := freeze.InForce(status.Release.Policy.Freeze, nil, now); frozen {
					s.out.line("%s: no longer frozen by anybody, but still %s", status.App, describe.Frozen(holding, s.clock))
					return
				}
			}
			s.out.line("%s: not frozen", status.App)
		})
}

// haltCommand is a command that gives an app an order and tells how it is then.
func (s *session) haltCommand(kind teal.AppOrderKind, short, long string, tell func(api.Status)) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: string(kind) + " APP", Short: short, Long: long, Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.order(cmd.Context(), kind, args[0], tell, func(ctx context.Context, c *client.Client) (api.Status, error) {
				return c.OrderApp(ctx, args[0], kind, api.OrderBody{By: s.by(), Why: why})
			})
		},
	}
	cmd.Flags().StringVar(&why, "reason", "", "the reason, for the record")
	return cmd
}

func (s *session) order(ctx context.Context, kind teal.AppOrderKind, app string, tell func(api.Status), give func(context.Context, *client.Client) (api.Status, error)) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	status, err := give(ctx, c)
	if err != nil {
		return interruptedRequest(err, string(kind), app)
	}
	s.show(status, func() { tell(status) })
	return nil
}

func (s *session) freezeCommand() *cobra.Command {
	var length durationFlag
	var why reasonFlag
	cmd := &cobra.Command{
		Use: "freeze APP --reason TEXT", Short: "Release nothing of an app, for a time or until it is unfrozen",
		Long: "Refuses releases of an app, and keeps one that runs from moving traffic on, for a time or, without\n" +
			"--for, until `teal unfreeze`. Rollbacks are never frozen. A new freeze takes the place of the one\n" +
			"before.",
		Example: "  teal freeze shop --for 2h --reason \"database maintenance\"",
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := api.FreezeBody{By: s.by(), Why: why.text}
			if cmd.Flags().Changed("for") {
				if length <= 0 {
					return usagef(cmd, "--for must be more than 0; leave it out for a freeze without an end")
				}
				body.For = (*teal.Duration)(&length)
			}
			if body.Why == "" {
				return usagef(cmd, "a freeze needs a reason, for those whose release is refused")
			}
			return s.order(cmd.Context(), teal.OrderFreeze, args[0], s.tellFrozen, func(ctx context.Context, c *client.Client) (api.Status, error) {
				return c.Freeze(ctx, args[0], body)
			})
		},
	}
	cmd.Flags().Var(&length, "for", "for how long, a `duration` such as 2h or 3d; left out: until it is unfrozen")
	cmd.Flags().Var(&why, "reason", "the `reason`, for those whose release is refused")
	return cmd
}

func (s *session) tellFrozen(status api.Status) {
	if status.Frozen != nil {
		s.out.line("%s: %s; end it with `teal unfreeze %s`", status.App, s.frozenByText(*status.Frozen), status.App)
	}
}

// frozenByText says who has frozen an app, until when and why.
func (s *session) frozenByText(order teal.AppOrder) string {
	return describe.Frozen(holdingOf(order), s.clock)
}

func holdingOf(order teal.AppOrder) freeze.Holding {
	holding := freeze.Holding{Reason: order.Why, By: order.By}
	if order.Until != nil {
		holding.Until = *order.Until
	}
	return holding
}

// stoppedText says who has stopped an app, since when and why.
func (s *session) stoppedText(order teal.AppOrder) string {
	return "stopped by " + order.By + " at " + s.clock(order.At) + describe.Quoted(order.Why)
}

// appOrderText says what somebody asked of an app, as its history tells it.
func (s *session) appOrderText(order teal.AppOrder) string {
	text := map[teal.AppOrderKind]string{
		teal.OrderStop: "stopped", teal.OrderStart: "started", teal.OrderFreeze: "frozen", teal.OrderUnfreeze: "unfrozen",
	}[order.Kind]
	if order.Until != nil {
		text += " until " + s.clock(*order.Until)
	}
	return text
}

// durationFlag is a flag that wants a duration, see [teal.ParseDuration].
type durationFlag time.Duration

// String implements pflag.Value.
func (d *durationFlag) String() string { return teal.Duration(*d).String() }

// Type implements pflag.Value.
func (d *durationFlag) Type() string { return "duration" }

// Set implements pflag.Value.
func (d *durationFlag) Set(text string) error {
	length, err := teal.ParseDuration(text)
	*d = durationFlag(length)
	return err
}

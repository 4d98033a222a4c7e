package control

import (
	"cmp"
	"context"

	"teal"
	"teal/internal/api"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// Invoke implements [api.Invoker].
func (c *Control) Invoke(ctx context.Context, call api.Invoke) (api.Invoked, error) {
	if _, err := c.cfg.Journal.App(ctx, call.App); err != nil {
		return api.Invoked{}, err
	}
	claim, err := c.claim(ctx, call)
	if teal.IsCode(err, teal.CodeAppStopped) { // who may invoke may start it
		err = cmp.Or(c.cfg.Journal.CheckStarted(ctx, call.App), err)
	}
	if err != nil {
		return api.Invoked{}, err
	}
	var result gateway.Result
	defer func() { claim.End(result) }()
	answer, err := claim.Component.Function.Invoke(ctx, teal.Invocation{Event: call.Event, Alias: call.Qualifier})
	result = exchange.InvocationResult(ctx, answer, err)
	invoked := api.Invoked{Version: claim.Env.Version(), Answer: answer}
	if answer.FunctionError != "" {
		return invoked, nil // what the function said is the answer, as AWS has it
	}
	return invoked, err
}

// claim finds the function that a call is for. Where nothing is live, and no release is
// about to change that, a call that names no version goes to $LATEST, as on AWS.
func (c *Control) claim(ctx context.Context, call api.Invoke) (gateway.Claim, error) {
	draft := call.Qualifier == teal.DraftName
	if call.Qualifier == "" && len(c.cfg.Router.Alias(call.App, teal.AliasLive).Value.Targets) == 0 {
		moving, err := c.cfg.Journal.Moving(ctx, call.App)
		if err != nil {
			return gateway.Claim{}, err
		}
		draft = moving == nil
	}
	if draft {
		return c.cfg.Drafts.ClaimDraft(ctx, call.App, call.Component)
	}
	return c.cfg.Gateway.ClaimQualifier(call.App, call.Qualifier, call.Component, gateway.RandomPoint())
}

package lambda

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/logs"
)

var _ awslambda.Invoker = (*Backend)(nil)

// Invoke implements [awslambda.Invoker].
func (b *Backend) Invoke(ctx context.Context, call awslambda.Call) (awslambda.Result, error) {
	qualifier, alias := call.Qualifier, call.Qualifier
	if call.Version != 0 {
		qualifier = call.Version.String()
	}
	claim, err := b.cfg.Activator.claim(ctx, call.Ref, qualifier)
	if teal.IsCode(err, teal.CodeAppStopped) { // no moment's trouble, which clients would try again
		err = cmp.Or(b.cfg.Apps.CheckStarted(ctx, call.Ref.App), err)
	}
	if err != nil {
		return awslambda.Result{Version: claim.Version}, err
	}
	var seen gateway.Result
	defer func() { claim.End(seen) }()
	in := teal.Invocation{RequestID: call.RequestID, Event: call.Event, TraceID: call.TraceID, ClientContext: call.ClientContext, Alias: alias}
	stream := answerStart{}
	if call.Stream != nil {
		stream.Stream = call.Stream(claim.Version)
		in.Stream = &stream
	}
	answer, err := claim.Component.Function.Invoke(ctx, in)
	seen = stream.result(exchange.InvocationResult(ctx, answer, err))
	b.cfg.Activator.touch(call.Ref.App, claim.Version)
	result := awslambda.Result{Version: claim.Version, Answer: answer}
	if answer.FunctionError != "" {
		err = nil // what the function said is the answer
	}
	err = b.throttled(call.Ref, err)
	if err == nil && call.Tail {
		result.Log = b.tail(ctx, call.Ref.App, claim.Version, answer.RequestID)
	}
	return result, err
}

// answerStart notes when a streamed answer begins.
type answerStart struct {
	teal.Stream
	at time.Time // zero: it has not
}

// Begin implements teal.Stream.
func (a *answerStart) Begin(mediaType string) {
	a.at = time.Now()
	a.Stream.Begin(mediaType)
}

// result corrects a result by it: a caller who leaves in the middle of an answer
// has been answered, when the answer began.
func (a *answerStart) result(r gateway.Result) gateway.Result {
	if a.at.IsZero() {
		return r
	}
	r.Answered = a.at
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	return r
}

// Choose implements [awslambda.Invoker].
func (b *Backend) Choose(ctx context.Context, ref awslambda.Ref, qualifier string) (teal.VersionRef, error) {
	qualifier = cmp.Or(qualifier, teal.DraftName)
	if version, ok := teal.ParseVersionRef(qualifier); ok {
		_, err := b.contentOf(ctx, ref, version)
		return version, err
	}
	alias, err := b.Alias(ctx, ref, qualifier)
	if err != nil {
		return 0, err
	}
	return gateway.Pick(alias.Targets, gateway.RandomPoint()), nil
}

// The end of the log that an answer may carry.
const (
	tailBytes    = 4 << 10
	tailPatience = time.Second // for the lines that follow the answer
)

// tail returns the end of what was logged about a call; nothing while the disk
// does not take logs.
func (b *Backend) tail(ctx context.Context, app string, version teal.VersionRef, requestID string) []byte {
	if b.cfg.Logs.Stalled(app, version) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tailPatience)
	defer cancel()
	var text strings.Builder
	for line, err := range b.cfg.Logs.Read(ctx, logs.Query{App: app, Version: version, RequestID: requestID, Follow: true}) {
		if err != nil {
			break
		}
		text.WriteString(line.Text + "\n")
		if line.Stream == logs.Platform && strings.HasPrefix(line.Text, "REPORT ") {
			break
		}
	}
	all := text.String()
	return []byte(strings.ToValidUTF8(all[max(0, len(all)-tailBytes):], ""))
}

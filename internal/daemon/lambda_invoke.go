package daemon

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/logs"
	"teal/internal/store"
)

// claimTries bounds how often a version is started for one call: each further
// try means that somebody has stopped it in between.
const claimTries = 5

// startPatience is how long a call waits for a version that does not run yet.
const startPatience = 60 * time.Second

// Invoke implements [awslambda.Invoker].
func (l *lambda) Invoke(ctx context.Context, call awslambda.Call) (awslambda.Result, error) {
	qualifier, alias := call.Qualifier, call.Qualifier
	if call.Version != 0 {
		qualifier = strconv.Itoa(call.Version)
	}
	claim, err := l.claim(ctx, call.Ref, qualifier)
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
	l.touch(call.Ref.App, claim.Version)
	result := awslambda.Result{Version: claim.Version, Answer: answer}
	if answer.FunctionError != "" {
		err = nil // what the function said is the answer
	}
	err = l.throttled(call.Ref, err)
	if err == nil && call.Tail {
		result.Log = l.tail(ctx, call.Ref.App, claim.Version, answer.RequestID)
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

// claim finds the version for a call, starts it where it does not run, and
// counts the call in. The draft, and versions that no alias points to, run only
// for those who call them.
func (l *lambda) claim(ctx context.Context, ref awslambda.Ref, qualifier string) (gateway.Claim, error) {
	point := teal.Weight(rand.Int32N(int32(teal.All)))
	qualifier = numbered(qualifier)
	var claim gateway.Claim
	var err error
	for range claimTries {
		claim, err = l.gateway.ClaimQualifier(ref.App, qualifier, ref.Component, point)
		version := claim.Version
		switch {
		case err == nil:
			return claim, nil
		case teal.IsCode(err, teal.CodeUnknownApp), teal.IsCode(err, teal.CodeVersionNotRunning), teal.IsCode(err, teal.CodeUnavailable):
		default:
			return claim, err
		}
		if version == 0 { // the gateway does not say which one does not run
			if version, err = l.follow(ref.App, qualifier, point); err != nil {
				return claim, err
			}
		}
		if err := l.startForCall(ctx, ref.App, version); err != nil {
			return claim, err
		}
		qualifier = strconv.Itoa(version) // an alias has been followed once; that counts
	}
	return claim, err
}

// follow returns the version that a qualifier leads to at a point.
func (l *lambda) follow(app, qualifier string, point teal.Weight) (int, error) {
	if number, err := strconv.Atoi(qualifier); err == nil {
		return number, nil
	}
	targets := l.router.Alias(app, qualifier).Value.Targets
	if len(targets) == 0 {
		return 0, teal.Errorf(teal.CodeUnknownAlias, "app %s has no alias %s", app, qualifier)
	}
	return gateway.Pick(targets, point), nil
}

// numbered returns a qualifier with the draft's number in place of its name.
func numbered(qualifier string) string {
	if qualifier == "" || qualifier == teal.DraftName {
		return strconv.Itoa(teal.Draft)
	}
	return qualifier
}

// startForCall starts a version and waits until it can take a call: until it is
// ready, or is known to fail, which the call is then told.
func (l *lambda) startForCall(ctx context.Context, app string, version int) error {
	if err := l.manager.ProvisionAside(ctx, app, version); err != nil {
		return err
	}
	l.touch(app, version)
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	_, err := l.manager.Await(ctx, app, version)
	return err
}

// touch notes that an environment was of use just now.
func (l *lambda) touch(app string, version int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.usedAt[store.VersionKey{App: app, Number: version}] = time.Now()
}

// Choose implements [awslambda.Invoker].
func (l *lambda) Choose(ctx context.Context, ref awslambda.Ref, qualifier string) (int, error) {
	qualifier = numbered(qualifier)
	if number, err := strconv.Atoi(qualifier); err == nil {
		if number == teal.Draft {
			_, err = l.Draft(ctx, ref)
		} else {
			_, err = l.Version(ctx, ref, number)
		}
		return number, err
	}
	alias, err := l.Alias(ctx, ref, qualifier)
	if err != nil {
		return 0, err
	}
	return gateway.Pick(alias.Targets, teal.Weight(rand.Int32N(int32(teal.All)))), nil
}

// The end of the log that an answer may carry.
const (
	tailBytes    = 4 << 10
	tailPatience = time.Second // for the lines that follow the answer
)

// tail returns the end of what was logged about a call; nothing while the disk
// does not take logs.
func (l *lambda) tail(ctx context.Context, app string, version int, requestID string) []byte {
	if l.logs.Stalled(app, version) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tailPatience)
	defer cancel()
	var text strings.Builder
	for line, err := range l.logs.Read(ctx, logs.Query{App: app, Version: version, RequestID: requestID, Follow: true}) {
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

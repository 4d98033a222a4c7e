package exchange

import (
	"context"
	"errors"

	"teal"
	"teal/internal/gateway"
)

// InvocationResult is the result of an invocation by name, which its caller made
// with ctx.
func InvocationResult(ctx context.Context, answer teal.Answer, err error) gateway.Result {
	r := gateway.Result{Status: statusOK}
	switch {
	case ctx.Err() != nil:
		return gateway.Result{} // the caller has gone
	case err != nil:
		r.Status = statuses[teal.CodeOf(err).Kind()]
		r.Fault = faultOf(err, r.Status)
	case answer.FunctionError != "":
		r.Fault = gateway.FaultFunction
	}
	if answer.FunctionError != "" {
		r.Failure = gateway.FailureOf(answer.Payload)
	}
	return r
}

// faultOf returns whose fault an error is that the client got as status. A
// function without a free instance is its version's: a green that is too small
// for its users hurts them as much as one that fails.
func faultOf(err error, status int) gateway.Fault {
	if teal.IsCode(err, teal.CodeThrottled) {
		return gateway.FaultStatus
	}
	if status < statusInternalServerError || errors.Is(err, ErrNotImplemented) {
		return gateway.FaultNone // the client's, who could make any version look bad by asking
	}
	switch teal.CodeOf(err) {
	case teal.CodeFunctionFailed, teal.CodeBadAnswer:
		return gateway.FaultFunction
	case teal.CodeFunctionTimeout, teal.CodeTimeout:
		return gateway.FaultTimeout
	case teal.CodeUpstreamFailed, teal.CodeNoHealthyInstance:
		return gateway.FaultConnection
	}
	return gateway.FaultStatus
}

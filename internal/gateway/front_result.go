package gateway

import (
	"context"
	"net/http"

	"teal"
)

// InvocationResult is the result of an invocation by name, which its caller made
// with ctx.
func InvocationResult(ctx context.Context, answer teal.Answer, err error) Result {
	r := Result{Status: http.StatusOK}
	switch {
	case ctx.Err() != nil:
		return Result{} // the caller has gone
	case err != nil:
		r.Status = statuses[teal.CodeOf(err).Kind()]
		r.Fault = faultOf(err, r.Status)
	case answer.FunctionError != "":
		r.Fault = FaultFunction
	}
	if answer.FunctionError != "" {
		r.Failure = FailureOf(answer.Payload)
	}
	return r
}

// faultOf returns whose fault an error is that the client got as status. A
// function without a free instance is its version's: a green that is too small
// for its users hurts them as much as one that fails.
func faultOf(err error, status int) Fault {
	if teal.IsCode(err, teal.CodeThrottled) {
		return FaultStatus
	}
	if status < http.StatusInternalServerError {
		return FaultNone
	}
	switch teal.CodeOf(err) {
	case teal.CodeFunctionFailed, teal.CodeBadAnswer:
		return FaultFunction
	case teal.CodeFunctionTimeout, teal.CodeTimeout:
		return FaultTimeout
	case teal.CodeUpstreamFailed, teal.CodeNoHealthyInstance:
		return FaultConnection
	}
	return FaultStatus
}

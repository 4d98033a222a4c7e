// Package function runs one function of one environment: a pool of instances,
// each a process that serves one invocation at a time over the AWS Lambda
// Runtime API.
//
// The pool keeps Concurrency.Min instances warm, grows to Concurrency.Max on
// demand, keeps idle ones above the minimum for Function.Idle, and lets
// invocations that find no instance wait briefly, in order, before it refuses
// them.
//
// An instance is idle when its runtime waits for the next invocation, and only
// then: an answer that has come in frees the caller, not yet the instance. The
// function's timeout bounds the whole call, from the event to the runtime's
// next request.
//
// Who decides what: plan (pure) says how many instances to start and to let go;
// Run does it. An instance belongs to the goroutine that started it. The outcome
// of an invocation belongs to whoever ends it at the instance's endpoint: the
// runtime's answer, the deadline, the end of the process, or the pool's end;
// the endpoint lets exactly one of them.
//
// # What Invoke returns
//
//	what happened                     Answer.FunctionError   error
//	the function answered             ""                     nil
//	the handler raised an error       Unhandled              nil
//	the function did not finish       Unhandled              function_timeout
//	the process crashed               Unhandled              function_failed
//	the function cannot initialise    Unhandled              function_failed
//	the answer is over 6 MiB          Unhandled              too_large
//	the event is over 6 MiB           (no answer)            too_large
//	no instance became free           (no answer)            throttled
//	the pool is stopping              (no answer)            unavailable
//	an id or header is not one        (no answer)            invalid_input
//	the caller's context ended        (no answer)            unavailable, timeout
//
// So: FunctionError is set exactly when the function failed, and then Payload is
// AWS's error document whatever the error says. A front end that speaks Lambda's
// Invoke API looks at FunctionError first and answers 200 with the document; one
// that speaks API Gateway looks at the error first (504 for function_timeout, 502
// for the others of the function), then at FunctionError (502).
//
// A streamed answer goes to Invocation.Stream as it comes, at the pace at which it
// is taken; no more than one piece of it is held. Where it ends too early
// FunctionError is set as above, and what came before has been passed on.
//
// A caller whose context ends leaves; the invocation goes on to its end in the
// instance, as it does in Lambda, and counts as busy until then.
package function

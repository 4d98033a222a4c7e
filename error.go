package teal

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is. The edges translate it once: the
// REST API to an HTTP status, the CLI to an exit code.
type Kind string

// The kinds of failure.
const (
	KindInvalid      Kind = "invalid"      // the input is wrong; sending it again will not help
	KindUnauthorized Kind = "unauthorized" // no token, or the wrong one
	KindForbidden    Kind = "forbidden"    // understood, and not allowed
	KindNotFound     Kind = "not_found"    // what was named does not exist
	KindConflict     Kind = "conflict"     // the state of things does not permit it now
	KindTooLarge     Kind = "too_large"    // over a limit that the message names
	KindThrottled    Kind = "throttled"    // over capacity; try again later
	KindUnavailable  Kind = "unavailable"  // cannot serve now; try again later
	KindTimeout      Kind = "timeout"      // a deadline passed
	KindBadGateway   Kind = "bad_gateway"  // a component answered wrongly or not at all
	KindInternal     Kind = "internal"     // a defect or a broken machine
)

// Code is the stable, machine-readable name of one failure. Codes are part of
// the API: they are added, never renamed.
type Code string

// The codes. Each belongs to exactly one Kind, in the table below.
const (
	CodeInvalidInput        Code = "invalid_input"
	CodeInvalidManifest     Code = "invalid_manifest"
	CodeInvalidBundle       Code = "invalid_bundle"
	CodeInvalidWeights      Code = "invalid_weights"
	CodeUnsupported         Code = "unsupported"
	CodeUnauthorized        Code = "unauthorized"
	CodeUntrustedServer     Code = "untrusted_server" // a client's alone: who answers has not proven who it is
	CodeOverrideForbidden   Code = "override_forbidden"
	CodeCallerForbidden     Code = "caller_forbidden"
	CodeForbidden           Code = "forbidden"
	CodeUnknownApp          Code = "unknown_app"
	CodeUnknownVersion      Code = "unknown_version"
	CodeUnknownAlias        Code = "unknown_alias"
	CodeUnknownRelease      Code = "unknown_release"
	CodeUnknownComponent    Code = "unknown_component"
	CodeUnknownBundle       Code = "unknown_bundle"
	CodeUnknownQueue        Code = "unknown_queue"
	CodeUnknownSecret       Code = "unknown_secret"
	CodeNoRoute             Code = "no_route"
	CodeMethodNotAllowed    Code = "method_not_allowed"
	CodeVersionNotRunning   Code = "version_not_running"
	CodeNotFound            Code = "not_found"
	CodeConflict            Code = "conflict"
	CodeExists              Code = "exists"
	CodeReleaseInProgress   Code = "release_in_progress"
	CodeNothingToRollBackTo Code = "nothing_to_roll_back_to"
	CodeNothingToPromote    Code = "nothing_to_promote"
	CodeNoActiveRelease     Code = "no_active_release"
	CodeRouteTaken          Code = "route_taken"
	CodeTransition          Code = "transition_not_allowed"
	CodeVersionInUse        Code = "version_in_use"
	CodeSecretInUse         Code = "secret_in_use"
	CodeReleaseFailed       Code = "release_failed"
	CodeFrozen              Code = "frozen"
	CodeTooLarge            Code = "too_large"
	CodeThrottled           Code = "throttled"
	CodeQueueFull           Code = "queue_full"
	CodeUnavailable         Code = "unavailable"
	CodeAppStopped          Code = "app_stopped"
	CodeNoHealthyInstance   Code = "no_healthy_instance"
	CodeSecretUnavailable   Code = "secret_unavailable"
	CodeDiskFull            Code = "disk_full"
	CodeTimeout             Code = "timeout"
	CodeFunctionTimeout     Code = "function_timeout"
	CodeFunctionFailed      Code = "function_failed"
	CodeBadAnswer           Code = "bad_function_answer"
	CodeUpstreamFailed      Code = "upstream_failed"
	CodePortTaken           Code = "port_taken"
	CodeDataInUse           Code = "data_in_use"
	CodeInternal            Code = "internal"
)

var kinds = map[Code]Kind{
	CodeInvalidInput:        KindInvalid,
	CodeInvalidManifest:     KindInvalid,
	CodeInvalidBundle:       KindInvalid,
	CodeInvalidWeights:      KindInvalid,
	CodeUnsupported:         KindInvalid,
	CodeUnauthorized:        KindUnauthorized,
	CodeUntrustedServer:     KindUnauthorized,
	CodeOverrideForbidden:   KindForbidden,
	CodeCallerForbidden:     KindForbidden,
	CodeForbidden:           KindForbidden,
	CodeUnknownApp:          KindNotFound,
	CodeUnknownVersion:      KindNotFound,
	CodeUnknownAlias:        KindNotFound,
	CodeUnknownRelease:      KindNotFound,
	CodeUnknownComponent:    KindNotFound,
	CodeUnknownBundle:       KindNotFound,
	CodeUnknownQueue:        KindNotFound,
	CodeUnknownSecret:       KindNotFound,
	CodeNoRoute:             KindNotFound,
	CodeMethodNotAllowed:    KindInvalid,
	CodeVersionNotRunning:   KindNotFound,
	CodeNotFound:            KindNotFound,
	CodeConflict:            KindConflict,
	CodeExists:              KindConflict,
	CodeReleaseInProgress:   KindConflict,
	CodeNothingToRollBackTo: KindConflict,
	CodeNothingToPromote:    KindConflict,
	CodeNoActiveRelease:     KindConflict,
	CodeRouteTaken:          KindConflict,
	CodeTransition:          KindConflict,
	CodeVersionInUse:        KindConflict,
	CodeSecretInUse:         KindConflict,
	CodeReleaseFailed:       KindConflict,
	CodeFrozen:              KindConflict,
	CodeTooLarge:            KindTooLarge,
	CodeThrottled:           KindThrottled,
	CodeQueueFull:           KindThrottled,
	CodeUnavailable:         KindUnavailable,
	CodeAppStopped:          KindUnavailable,
	CodeNoHealthyInstance:   KindUnavailable,
	CodeSecretUnavailable:   KindUnavailable,
	CodeDiskFull:            KindUnavailable,
	CodeTimeout:             KindTimeout,
	CodeFunctionTimeout:     KindTimeout,
	CodeFunctionFailed:      KindBadGateway,
	CodeBadAnswer:           KindBadGateway,
	CodeUpstreamFailed:      KindBadGateway,
	CodePortTaken:           KindInvalid,
	CodeDataInUse:           KindInvalid,
	CodeInternal:            KindInternal,
}

// Kind returns the kind that the code belongs to; KindInternal for a code that
// is not in the table.
func (c Code) Kind() Kind {
	if k, ok := kinds[c]; ok {
		return k
	}
	return KindInternal
}

// Error is a failure as a person and a program see it: a stable code, and a
// sentence that says what is wrong and what to do. Err, where set, is the cause;
// it goes to logs and never to users.
type Error struct {
	Code    Code
	Message string
	Err     error
}

// Errorf returns an *Error with a formatted sentence. A %w verb records the
// cause, as in fmt.Errorf.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first *Error in err's chain; CodeInternal when
// there is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// IsCode reports whether err carries the code.
func IsCode(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// MessageOf returns the sentence that may be shown to a user: the message of
// the first *Error in err's chain, or a plain statement that something inside
// failed, so that internals do not leak.
func MessageOf(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "Something inside Teal failed; the server's log says what."
}

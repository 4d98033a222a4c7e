package awslambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"teal"
	"teal/internal/api/sigv4"
)

// Fault is a refusal in AWS's form.
type Fault struct {
	Code    string
	Message string
	// Reason is AWS's word for why a request was throttled; "" elsewhere.
	Reason string
	// missing says that the fault is about a function, a version or an alias of the
	// request that is not there.
	missing bool
	untyped bool // AWS does not say whose mistake it is
}

// Error returns the message.
func (f *Fault) Error() string { return f.Message }

// The codes that this API answers with.
const (
	codeNotFound         = "ResourceNotFoundException"
	codeConflict         = "ResourceConflictException"
	codeInvalidParameter = "InvalidParameterValueException"
	codePrecondition     = "PreconditionFailedException"
	codeValidation       = "ValidationException"
	codeSerialization    = "SerializationException"
	codeContent          = "InvalidRequestContentException"
	codeTooLarge         = "RequestTooLargeException"       // of an event
	codeBodyTooLarge     = "RequestEntityTooLargeException" // of everything else
	codeThrottled        = "TooManyRequestsException"
	codeMediaType        = "UnsupportedMediaTypeException"
	codeService          = "ServiceException"
	codeNotReady         = "ResourceNotReadyException"
	codeNoProvisioned    = "ProvisionedConcurrencyConfigNotFoundException"
	codePolicyLength     = "PolicyLengthExceededException"
	codeRecursion        = "RecursiveInvocationException"
	codeUnknownOperation = "UnknownOperationException"
	codeAccessDenied     = "AccessDeniedException"
)

// faultShape says how a code looks on the wire. The service model writes the
// message with either case of m, code by code.
type faultShape struct {
	status int
	key    string
}

var faultShapes = map[string]faultShape{
	codeNotFound:         {http.StatusNotFound, "Message"},
	codeConflict:         {http.StatusConflict, "message"},
	codeInvalidParameter: {http.StatusBadRequest, "message"},
	codePrecondition:     {http.StatusPreconditionFailed, "message"},
	codeContent:          {http.StatusBadRequest, "message"},
	codeTooLarge:         {http.StatusRequestEntityTooLarge, "message"},
	codeThrottled:        {http.StatusTooManyRequests, "message"},
	codeMediaType:        {http.StatusUnsupportedMediaType, "message"},
	codeService:          {http.StatusInternalServerError, "Message"},
	codeNotReady:         {http.StatusBadGateway, "message"},
	codeNoProvisioned:    {http.StatusNotFound, "message"},
	codePolicyLength:     {http.StatusBadRequest, "message"},
	codeRecursion:        {http.StatusBadRequest, "Message"},
	// What AWS's front end says of any service is not in the service's model.
	codeValidation:       {http.StatusBadRequest, "message"},
	codeBodyTooLarge:     {http.StatusRequestEntityTooLarge, "message"},
	codeSerialization:    {http.StatusBadRequest, "message"},
	codeUnknownOperation: {http.StatusNotFound, "message"},
	codeAccessDenied:     {http.StatusForbidden, "Message"},
}

func faultf(code, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalidf(format string, args ...any) *Fault {
	return faultf(codeInvalidParameter, format, args...)
}

// withoutType returns the fault as AWS writes a few: without whose mistake it is.
func (f *Fault) withoutType() *Fault {
	f.untyped = true
	return f
}

func stale(kind string) *Fault {
	return faultf(codePrecondition, "The Revision Id provided does not match the latest Revision Id. Call the %s API to retrieve the latest Revision Id", kind)
}

// readFunction is where a function's and an alias's revisions are read.
const readFunction = "GetFunction/GetAlias"

// unavailablef refuses what has no meaning on Teal.
func unavailablef(format string, args ...any) *Fault {
	return faultf(codeInvalidParameter, format+" It is not available on Teal; docs/aws.md says why.", args...)
}

// or404 returns missing where err says that there is no such function, and err
// otherwise: operations have their own words for that.
func or404(err, missing error) error {
	if f := asFault(err); f != nil && f.missing {
		return missing
	}
	return err
}

// faultOf translates any error. What nothing here has foreseen is a
// ServiceException without details; report is then true.
func faultOf(err error) (f *Fault, report bool) {
	var signature *sigv4.Error
	switch {
	case errors.As(err, &f):
		return f, false
	case errors.As(err, &signature):
		return &Fault{Code: signature.Code, Message: signature.Message}, false
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return faultf(codeBodyTooLarge, "Request must be smaller than %d bytes", tooLarge.Limit), false
	}
	message := teal.MessageOf(err)
	switch code := teal.CodeOf(err); code.Kind() {
	case teal.KindNotFound:
		return faultf(codeNotFound, "%s", message), false
	case teal.KindConflict:
		return faultf(codeConflict, "%s", message), false
	case teal.KindInvalid:
		return faultf(codeInvalidParameter, "%s", message), false
	case teal.KindTooLarge:
		return faultf(codeInvalidParameter, "%s", message), false
	case teal.KindThrottled:
		return &Fault{Code: codeThrottled, Message: message, Reason: reasonConcurrency}, false
	case teal.KindUnavailable, teal.KindTimeout:
		return faultf(codeService, "%s", message), true
	}
	return faultf(codeService, "%s", message), true
}

// The reasons of a throttle.
const (
	reasonConcurrency = "ConcurrentInvocationLimitExceeded"
	reasonReserved    = "ReservedFunctionConcurrentInvocationLimitExceeded"
)

// statusOf returns the HTTP status of a code.
func statusOf(code string) int {
	if shape, ok := faultShapes[code]; ok {
		return shape.status
	}
	if code == "IncompleteSignatureException" {
		return http.StatusBadRequest
	}
	return http.StatusForbidden // all other codes are about the signature
}

// write sends the fault.
func (f *Fault) write(w http.ResponseWriter) {
	status := statusOf(f.Code)
	data, err := json.Marshal(f.document(status))
	if err != nil {
		data = []byte("{}") // a map of strings is always encoded
	}
	if f.Code == codeThrottled {
		w.Header().Set("Retry-After", strconv.Itoa(1))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", f.Code)
	w.WriteHeader(status)
	_, _ = w.Write(data) // whoever has gone needs no answer
}

// document returns the members that AWS has in the answer.
func (f *Fault) document(status int) map[string]string {
	kind := "User"
	if status >= http.StatusInternalServerError {
		kind = "Service"
	}
	document := map[string]string{}
	shape, known := faultShapes[f.Code]
	switch {
	case !known, f.Code == codeValidation, f.Code == codeSerialization, f.Code == codeUnknownOperation, f.Code == codeAccessDenied, f.Code == codeBodyTooLarge:
		document["message"] = f.Message
	case f.untyped:
		document[shape.key] = f.Message
	default:
		document["Type"] = kind
		document[shape.key] = f.Message
	}
	if f.Code == codeThrottled {
		document["Reason"] = f.Reason
	}
	return document
}

package runtimeapi

import (
	"encoding/json"
	"strconv"

	"teal/internal/http1"
)

// The error types of AWS's Runtime API.
const (
	typeInvalidRequestID  = "InvalidRequestID"
	typeInvalidTransition = "InvalidStateTransition"
	typeTooLarge          = "RequestEntityTooLarge"
	typeTruncated         = "Runtime.TruncatedResponse"
	typeBadRequest        = "BadRequest"
	typeNotFound          = "NotFound"
)

// ErrorDocument returns AWS's form of an error: {"errorMessage":…,"errorType":…}.
func ErrorDocument(errorType, message string) []byte {
	document, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, errorType})
	if err != nil {
		// Two strings can always be encoded.
		panic("runtimeapi: error document: " + err.Error())
	}
	return document
}

// accepted is the whole answer to a response or an error that was taken.
var accepted = appendAnswer(nil, 202, false, []byte("{\"status\":\"OK\"}\n"))

var continue100 = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// appendAnswer appends a whole response with a JSON body.
func appendAnswer(to []byte, status int, last bool, body []byte) []byte {
	to = http1.AppendStatusLine(to, status, nil)
	to = append(to, "Content-Type: application/json\r\n"...)
	if last {
		to = append(to, "Connection: close\r\n"...)
	}
	return append(endHead(to, len(body)), body...)
}

// endHead appends the end of a head that a body of that length follows.
func endHead(to []byte, length int) []byte {
	return append(http1.AppendLength(to, int64(length)), "\r\n"...)
}

// appendEvent appends the head of the answer to next.
func appendEvent(to []byte, ev *Event) []byte {
	to = http1.AppendStatusLine(to, 200, nil)
	to = append(to, "Content-Type: application/json\r\nLambda-Runtime-Deadline-Ms: "...)
	to = append(strconv.AppendInt(to, ev.Deadline.UnixMilli(), 10), "\r\n"...)
	to = http1.AppendLine(to, "Lambda-Runtime-Aws-Request-Id", ev.RequestID)
	to = http1.AppendLine(to, "Lambda-Runtime-Invoked-Function-Arn", ev.ARN)
	to = appendOptional(to, "Lambda-Runtime-Trace-Id", ev.TraceID)
	to = appendOptional(to, "Lambda-Runtime-Client-Context", ev.ClientContext)
	to = appendOptional(to, "Lambda-Runtime-Cognito-Identity", ev.CognitoIdentity)
	return endHead(to, len(ev.Payload))
}

func appendOptional(to []byte, name, value string) []byte {
	if value == "" {
		return to
	}
	return http1.AppendLine(to, name, value)
}

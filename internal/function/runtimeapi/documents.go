package runtimeapi

import (
	"encoding/json"
	"strconv"
)

// The error types of AWS's Runtime API.
const (
	typeInvalidRequestID  = "InvalidRequestID"
	typeInvalidTransition = "InvalidStateTransition"
	typeTooLarge          = "RequestEntityTooLarge"
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

var statusText = map[int]string{
	200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 413: "Request Entity Too Large", 414: "URI Too Long",
	431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
	505: "HTTP Version Not Supported",
}

// accepted is the whole answer to a response or an error that was taken.
var accepted = appendAnswer(nil, 202, false, []byte("{\"status\":\"OK\"}\n"))

var continue100 = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// appendAnswer appends a whole response with a JSON body.
func appendAnswer(to []byte, status int, last bool, body []byte) []byte {
	to = append(to, "HTTP/1.1 "...)
	to = strconv.AppendInt(to, int64(status), 10)
	to = append(to, ' ')
	to = append(to, statusText[status]...)
	to = append(to, "\r\nContent-Type: application/json\r\n"...)
	if last {
		to = append(to, "Connection: close\r\n"...)
	}
	return appendBody(to, body)
}

func appendBody(to, body []byte) []byte {
	return append(appendLength(to, len(body)), body...)
}

func appendLength(to []byte, length int) []byte {
	to = append(to, "Content-Length: "...)
	to = strconv.AppendInt(to, int64(length), 10)
	return append(to, "\r\n\r\n"...)
}

// appendEvent appends the head of the answer to next.
func appendEvent(to []byte, ev *Event) []byte {
	to = append(to, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: "...)
	to = append(to, ev.RequestID...)
	to = append(to, "\r\nLambda-Runtime-Deadline-Ms: "...)
	to = strconv.AppendInt(to, ev.Deadline.UnixMilli(), 10)
	to = append(to, "\r\nLambda-Runtime-Invoked-Function-Arn: "...)
	to = append(to, ev.ARN...)
	to = appendOptional(to, "\r\nLambda-Runtime-Trace-Id: ", ev.TraceID)
	to = appendOptional(to, "\r\nLambda-Runtime-Client-Context: ", ev.ClientContext)
	to = appendOptional(to, "\r\nLambda-Runtime-Cognito-Identity: ", ev.CognitoIdentity)
	return appendLength(append(to, "\r\n"...), len(ev.Payload))
}

func appendOptional(to []byte, header, value string) []byte {
	if value == "" {
		return to
	}
	return append(append(to, header...), value...)
}

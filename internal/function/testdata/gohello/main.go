// Command gohello is a function for the tests, built on aws-lambda-go. The
// event says what to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string `json:"do"`
	Bytes int    `json:"bytes"`
	Milli int    `json:"milli"`
}

type answer struct {
	Body      string `json:"body"`
	RequestID string `json:"request_id"`
	ARN       string `json:"arn"`
	Name      string `json:"name"`
	Deadline  bool   `json:"deadline"`
	PID       int    `json:"pid"`
}

func handle(ctx context.Context, ev event) (any, error) {
	switch ev.Do {
	case "error":
		return nil, errors.New("went wrong")
	case "panic":
		panic("told to")
	case "exit":
		os.Exit(9)
	case "big":
		return strings.Repeat("x", ev.Bytes-2), nil
	case "sleep":
		time.Sleep(time.Duration(ev.Milli) * time.Millisecond)
	case "print":
		fmt.Println("printed")
	}
	lc, _ := lambdacontext.FromContext(ctx)
	_, deadline := ctx.Deadline()
	return answer{"hello", lc.AwsRequestID, lc.InvokedFunctionArn, lambdacontext.FunctionName, deadline, os.Getpid()}, nil
}

func main() { lambda.Start(handle) }

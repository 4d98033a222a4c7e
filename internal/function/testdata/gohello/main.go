// Command gohello is a function for the tests, built on aws-lambda-go. The
// event says what to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string `json:"do"`
	Bytes int    `json:"bytes"`
	Milli int    `json:"milli"`

	Pieces int    `json:"pieces"`
	End    string `json:"end"`
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
	case "stream":
		return streamed(ev), nil
	}
	lc, _ := lambdacontext.FromContext(ctx)
	_, deadline := ctx.Deadline()
	return answer{"hello", lc.AwsRequestID, lc.InvokedFunctionArn, lambdacontext.FunctionName, deadline, os.Getpid()}, nil
}

// streamed returns an answer that begins with its status, and comes a piece at a
// time: "piece 0\n", "piece 1\n", and so on, ev.Milli apart. It then ends as
// ev.End says.
func streamed(ev event) *events.LambdaFunctionURLStreamingResponse {
	r, w := io.Pipe()
	go func() {
		for n := range ev.Pieces {
			if _, err := fmt.Fprintf(w, "piece %d\n", n); err != nil {
				return
			}
			time.Sleep(time.Duration(ev.Milli) * time.Millisecond)
		}
		for range ev.Bytes >> 20 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
			fmt.Println("sent 1 MiB")
		}
		switch ev.End {
		case "error":
			w.CloseWithError(errors.New("went wrong on the way"))
		case "exit":
			time.Sleep(50 * time.Millisecond) // what was written is on its way
			os.Exit(9)
		case "hang":
			select {}
		default:
			_ = w.Close()
		}
	}()
	return &events.LambdaFunctionURLStreamingResponse{
		StatusCode: 201, Headers: map[string]string{"Content-Type": "text/plain", "X-Streamed": "yes"}, Cookies: []string{"a=1"}, Body: r,
	}
}

func main() { lambda.Start(handle) }

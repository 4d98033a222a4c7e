// Command fn is the Go function that the benchmark invokes: a handler as AWS's
// examples write them. It answers with how often it has been invoked, so that a
// cold start can be told from a warm one.
package main

import (
	"context"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	count := 0
	lambda.Start(func(_ context.Context, _ events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		count++
		return events.APIGatewayV2HTTPResponse{
			StatusCode: http.StatusOK,
			Headers:    map[string]string{"Content-Type": "text/plain"},
			Body:       strconv.Itoa(count),
		}, nil
	})
}

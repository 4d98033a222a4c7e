// Command go-function is a Lambda function in Go, built on AWS's own library.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func main() { lambda.Start(handle) }

type answer struct {
	Greeting string `json:"greeting"`
	Version  string `json:"version"`
	Request  string `json:"request"`
}

func handle(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	name := event.QueryStringParameters["name"]
	if name == "" {
		name = "world"
	}
	a := answer{Greeting: "Hello, " + name, Version: lambdacontext.FunctionVersion}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		a.Request = lc.AwsRequestID
	}
	body, err := json.Marshal(a)
	if err != nil {
		return events.APIGatewayV2HTTPResponse{}, fmt.Errorf("encode the answer: %w", err)
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusOK,
		Headers:    map[string]string{"Content-Type": "application/json"},
		Body:       string(body),
	}, nil
}

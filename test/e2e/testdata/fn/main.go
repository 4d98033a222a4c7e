// Command fn is the function of the test apps: a Lambda handler for the API
// Gateway's HTTP events, version 2.0.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

var version = os.Getenv("TEAL_VERSION")

func main() { lambda.Start(handle) }

func handle(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	if ms, err := strconv.Atoi(event.QueryStringParameters["ms"]); err == nil {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	for gate := event.QueryStringParameters["gate"]; gate != ""; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(gate); err == nil {
			break
		}
	}
	if !strings.HasSuffix(event.RawPath, "/chain") {
		return answer(200, fmt.Sprintf("version %s", version)), nil
	}
	next, rest, _ := strings.Cut(event.QueryStringParameters["via"], ",")
	if next == "" {
		return answer(200, version), nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("TEAL_URL_"+next)+"/chain?via="+rest, nil)
	if err != nil {
		return answer(500, err.Error()), nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer(502, err.Error()), nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		return answer(502, fmt.Sprintf("%s answered %d %s: %v", next, resp.StatusCode, body, err)), nil
	}
	return answer(200, version+" "+string(body)), nil
}

func answer(status int, body string) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{StatusCode: status, Body: body, Headers: map[string]string{"content-type": "text/plain"}}
}

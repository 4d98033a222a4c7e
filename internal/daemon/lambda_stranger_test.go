package daemon

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
	"teal/internal/gateway"
)

// sign signs a request with a key. With declared, its head says the hash of the
// body.
func sign(t testing.TB, r *http.Request, secret, body string, declared bool) {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if declared {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "teal", SecretAccessKey: secret}, r, hash, "lambda", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
}

// stranger opens a connection and sends a request's head and a part of its body.
// It returns the status of the answer, which must come without the rest, or 0.
func stranger(t testing.TB, address string, r *http.Request, part int, patience time.Duration) int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.URL.Host, r.ContentLength)
	if err := r.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	// The rest never comes; that the other end has hung up is an answer, too.
	_, _ = io.WriteString(c, head.String()+"\r\n"+strings.Repeat("x", part))
	response, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// strangers are fifty at once. It returns how often there was which status.
func strangers(t testing.TB, address string, r *http.Request, part int) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses := map[int]int{}
	for range 50 {
		all.Go(func() {
			status := stranger(t, address, r, part, 5*time.Second)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	all.Wait()
	return statuses
}

// Who has not proven who they are costs a head and no more where the head
// declares the hash of the body, and elsewhere all of them together what the
// gateway's limit says. Seen red without VerifyHead, and with a body that is read
// without the budget: nobody was answered before the whole body was there.
func TestUnprovenBodiesOfURLsAreBounded(t *testing.T) {
	h := startDaemon(t, t.TempDir(), func(c *Config) { c.Edge.Limits = gateway.Limits{FunctionBodies: 2 * teal.MiB} })
	c := h.awsClient()
	create(t, c, "f", python(t, `return {"statusCode": 200, "body": str(len(event["body"]))}`), func(in *awssdk.CreateFunctionInput) { in.Publish = true })
	made := must[*awssdk.CreateFunctionUrlConfigOutput](t, "url")(c.CreateFunctionUrlConfig(t.Context(), &awssdk.CreateFunctionUrlConfigInput{
		FunctionName: aws.String("f"), AuthType: types.FunctionUrlAuthTypeAwsIam,
	}))
	address, body := h.daemon.HTTPAddr().String(), strings.Repeat("x", 1<<20)
	for _, declared := range []bool{true, false} {
		forged := request(t, "POST", *made.FunctionUrl, body, "Content-Type", "text/plain")
		sign(t, forged, "guessed", body, declared)
		if !declared {
			got := strangers(t, address, forged, len(body)-1)
			if got[http.StatusServiceUnavailable] < 40 || got[http.StatusServiceUnavailable]+got[0] != 50 {
				t.Errorf("undeclared: %v", got)
			}
			continue
		}
		if got := strangers(t, address, forged, 0); got[http.StatusForbidden] != 50 {
			t.Errorf("declared: %v", got)
		}
	}
	// Who proves it is served, afterwards and in both ways.
	for _, declared := range []bool{true, false} {
		own := request(t, "POST", *made.FunctionUrl, body, "Content-Type", "text/plain")
		sign(t, own, h.urlSecret(), body, declared)
		if response, said := h.ask(own); response.StatusCode != http.StatusOK || said != "1048576" {
			t.Errorf("signed, declared %v: %d %s", declared, response.StatusCode, said)
		}
	}
	for _, payload := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"} {
		own := request(t, "POST", *made.FunctionUrl, body, "X-Amz-Content-Sha256", payload)
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "teal", SecretAccessKey: h.urlSecret()}, own, payload, "lambda", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := stranger(t, address, own, 0, 5*time.Second); got != http.StatusForbidden {
			t.Errorf("%s: %d", payload, got)
		}
	}
	lied := request(t, "POST", *made.FunctionUrl, body, "Content-Type", "text/plain")
	sign(t, lied, h.urlSecret(), strings.Replace(body, "x", "y", 1), true)
	if response, said := h.ask(lied); response.StatusCode != http.StatusForbidden {
		t.Errorf("another body than the declared one: %d %s", response.StatusCode, said)
	}
}

// The same at the Lambda API. Seen red without VerifyHead, and with a body that
// is read without the budget.
func TestUnprovenBodiesOfTheLambdaAPIAreBounded(t *testing.T) {
	h := startDaemon(t, t.TempDir(), func(c *Config) { c.AWS.Unproven = 2 * teal.MiB })
	address := h.daemon.AdminAddr().String()
	u := url.URL{Scheme: "http", Host: address, Path: "/2015-03-31/functions"}
	body := strings.Repeat("x", 1<<20)
	for _, declared := range []bool{true, false} {
		forged := request(t, "POST", u.String(), body)
		sign(t, forged, "guessed", body, declared)
		part, want := 0, http.StatusForbidden
		if !declared {
			part, want = len(body)-1, http.StatusTooManyRequests
		}
		if got := strangers(t, address, forged, part); got[want] < 40 || got[want]+got[0] != 50 {
			t.Errorf("declared %v: %v", declared, got)
		}
	}
	large := zipped(t, "app.py", "def handler(event, context):\n    return 1\n")
	create(t, h.awsClient(), "f", large, nil)
}

// urlSecret returns the secret of the key for function URLs.
func (h *harness) urlSecret() string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.data, "admin.token"))
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

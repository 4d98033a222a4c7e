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
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
	"teal/internal/await"
	"teal/internal/gateway"
	"teal/internal/lambda"
)

// sign signs a request with a key. With declared, its head says the hash of the
// body.
func sign(t testing.TB, r *http.Request, key aws.Credentials, body string, declared bool) {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if declared {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), key, r, hash, "lambda", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
}

// stranger opens a connection and sends a request's head and a part of its body.
// It returns the status of the answer, which must come without the rest, or 0 when
// there was none before ctx was done.
func stranger(ctx context.Context, t testing.TB, address string, r *http.Request, part int) int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.URL.Host, r.ContentLength)
	if err := r.Header.Write(&head); err != nil {
		t.Error(err)
		return 0
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

// strangers are fifty at once. It returns how often there was which status, once
// some are answered, and those who are not have waited a second more.
func strangers(t testing.TB, address string, r *http.Request, part, some int) map[int]int {
	t.Helper()
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	answers := make(chan int, 50)
	for range cap(answers) {
		go func() { answers <- stranger(ctx, t, address, r, part) }()
	}
	statuses := map[int]int{}
	for n := range cap(answers) {
		if n == some {
			time.AfterFunc(time.Second, giveUp)
		}
		statuses[await.Value(t, "an answer to a stranger", answers)]++
	}
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
		sign(t, forged, aws.Credentials{AccessKeyID: lambda.KeyID, SecretAccessKey: "guessed"}, body, declared)
		if !declared {
			got := strangers(t, address, forged, len(body)-1, 40)
			if got[http.StatusServiceUnavailable] < 40 || got[http.StatusServiceUnavailable]+got[0] != 50 {
				t.Errorf("undeclared: %v", got)
			}
			continue
		}
		if got := strangers(t, address, forged, 0, 50); got[http.StatusForbidden] != 50 {
			t.Errorf("declared: %v", got)
		}
	}
	// Who proves it is served, afterwards and in both ways.
	for _, declared := range []bool{true, false} {
		own := request(t, "POST", *made.FunctionUrl, body, "Content-Type", "text/plain")
		sign(t, own, h.urlKey(), body, declared)
		if response, said := h.ask(own); response.StatusCode != http.StatusOK || said != "1048576" {
			t.Errorf("signed, declared %v: %d %s", declared, response.StatusCode, said)
		}
	}
	for _, payload := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"} {
		own := request(t, "POST", *made.FunctionUrl, body, "X-Amz-Content-Sha256", payload)
		if err := v4.NewSigner().SignHTTP(t.Context(), h.urlKey(), own, payload, "lambda", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
		got := stranger(ctx, t, address, own, 0)
		if cancel(); got != http.StatusForbidden {
			t.Errorf("%s: %d", payload, got)
		}
	}
	lied := request(t, "POST", *made.FunctionUrl, body, "Content-Type", "text/plain")
	sign(t, lied, h.urlKey(), strings.Replace(body, "x", "y", 1), true)
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
		sign(t, forged, aws.Credentials{AccessKeyID: "teal", SecretAccessKey: "guessed"}, body, declared)
		part, some, want := 0, 50, http.StatusForbidden
		if !declared {
			part, some, want = len(body)-1, 40, http.StatusTooManyRequests
		}
		if got := strangers(t, address, forged, part, some); got[want] < 40 || got[want]+got[0] != 50 {
			t.Errorf("declared %v: %v", declared, got)
		}
	}
	large := zipped(t, "app.py", "def handler(event, context):\n    return 1\n")
	create(t, h.awsClient(), "f", large, nil)
}

// The admin's key calls no function URL, and the key of function URLs calls
// nothing else: who may call a function need not be one who may deploy. Seen red
// with the admin token as the secret of both, also under two names.
func TestTheKeyOfURLsIsNotTheAdmins(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	c := h.awsClient()
	create(t, c, "f", python(t, `return {"statusCode": 200}`), nil)
	made := must[*awssdk.CreateFunctionUrlConfigOutput](t, "url")(c.CreateFunctionUrlConfig(t.Context(), &awssdk.CreateFunctionUrlConfigInput{
		FunctionName: aws.String("f"), AuthType: types.FunctionUrlAuthTypeAwsIam,
	}))
	admin, err := c.Options().Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	url := h.urlKey()
	list := "http://" + h.daemon.AdminAddr().String() + "/2015-03-31/functions"
	for _, at := range []struct {
		address string
		ask     func(*http.Request) (*http.Response, string)
		right   aws.Credentials
	}{
		{*made.FunctionUrl, h.ask, url},
		{list, h.askAdmin, admin},
	} {
		for _, key := range []aws.Credentials{
			url, admin,
			{AccessKeyID: url.AccessKeyID, SecretAccessKey: admin.SecretAccessKey},
			{AccessKeyID: admin.AccessKeyID, SecretAccessKey: url.SecretAccessKey},
		} {
			r := request(t, "GET", at.address, "")
			sign(t, r, key, "", false)
			want := http.StatusForbidden
			if key == at.right {
				want = http.StatusOK
			}
			if response, body := at.ask(r); response.StatusCode != want {
				t.Errorf("%s with the key %s: %d %s, want %d", at.address, key.AccessKeyID, response.StatusCode, body, want)
			}
		}
	}
	rest := request(t, "GET", "http://"+h.daemon.AdminAddr().String()+"/v1/apps", "", "Authorization", "Bearer "+url.SecretAccessKey)
	if response, body := h.askAdmin(rest); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the REST API with the key of function URLs: %d %s", response.StatusCode, body)
	}
}

// urlKey returns the key for function URLs.
func (h *harness) urlKey() aws.Credentials {
	h.t.Helper()
	file := filepath.Join(h.data, "url.key")
	data, err := os.ReadFile(file)
	if err != nil {
		h.t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		h.t.Errorf("%s: %v %v", file, info.Mode(), err)
	}
	return aws.Credentials{AccessKeyID: "teal-url", SecretAccessKey: strings.TrimSpace(string(data))}
}

// askAdmin sends a request to the admin address.
func (h *harness) askAdmin(r *http.Request) (*http.Response, string) {
	h.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return response, string(body)
}

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	lambdaFunctions = 1000
	lambdaVersions  = 10 // of each
	lambdaAliased   = 50 // functions with an alias, whose version runs
	lambdaWriters   = 4
	lambdaRate      = 200 // requests per second
	lambdaRequests  = 2000
	lambdaPages     = 200
)

// lambdaClient sends signed requests to the Lambda API.
type lambdaClient struct {
	base, secret string
	http         *http.Client
	signer       *v4.Signer
}

func (s *server) lambda() *lambdaClient {
	secret := strings.TrimSpace(readFile(filepath.Join(s.data, "admin.token")))
	return &lambdaClient{
		base: "http://" + strings.TrimSpace(readFile(filepath.Join(s.data, "admin.addr"))), secret: secret,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, signer: v4.NewSigner(),
	}
}

// call sends one request and returns how long its answer took; signing it is not
// part of that.
func (c *lambdaClient) call(ctx context.Context, method, path, body string) (time.Duration, error) {
	r, err := c.signed(ctx, method, path, body)
	if err != nil {
		return 0, err
	}
	return c.do(r)
}

func (c *lambdaClient) signed(ctx context.Context, method, path, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(body))
	return r, c.signer.SignHTTP(ctx, aws.Credentials{AccessKeyID: "teal", SecretAccessKey: c.secret}, r, hex.EncodeToString(sum[:]), "lambda", "us-east-1", time.Now())
}

func (c *lambdaClient) do(r *http.Request) (time.Duration, error) {
	took, _, err := c.fetch(r)
	return took, err
}

func (c *lambdaClient) fetch(r *http.Request) (time.Duration, []byte, error) {
	start := time.Now()
	response, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	data, err := io.ReadAll(response.Body)
	took := time.Since(start)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return 0, nil, err
	}
	if response.StatusCode > 299 {
		return 0, nil, fmt.Errorf("%s %s: %d %s", r.Method, r.URL.Path, response.StatusCode, data)
	}
	return took, data, nil
}

func lambdaName(n int) string { return fmt.Sprintf("bench-%04d", n) }

const lambdaPath = "/2015-03-31/functions"

// fill makes the functions and their versions.
func (c *lambdaClient) fill(ctx context.Context) error {
	var code bytes.Buffer
	w := zip.NewWriter(&code)
	file, err := w.Create("app.py")
	if err == nil {
		_, err = io.WriteString(file, "def handler(event, context):\n    return event\n")
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	work := make(chan int)
	failed := make(chan error, lambdaWriters)
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range lambdaWriters {
		group.Go(func() {
			for n := range work {
				if err := c.fillOne(ctx, n, code.Bytes()); err != nil {
					failed <- err
					cancel()
					return
				}
			}
		})
	}
feeding:
	for n := range lambdaFunctions {
		select {
		case work <- n:
		case <-ctx.Done():
			break feeding
		}
	}
	close(work)
	group.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

func (c *lambdaClient) fillOne(ctx context.Context, n int, code []byte) error {
	name := lambdaName(n)
	in, err := json.Marshal(map[string]any{
		"FunctionName": name, "Role": "arn:aws:iam::000000000000:role/any", "Handler": "app.handler", "Runtime": "python3.12",
		"Code": map[string]any{"ZipFile": code}, "Publish": true,
	})
	if err != nil {
		return err
	}
	if _, err := c.call(ctx, http.MethodPost, lambdaPath, string(in)); err != nil {
		return err
	}
	for version := 2; version <= lambdaVersions; version++ {
		change := fmt.Sprintf(`{"Description":"%d"}`, version)
		if _, err := c.call(ctx, http.MethodPut, lambdaPath+"/"+name+"/configuration", change); err != nil {
			return err
		}
		if _, err := c.call(ctx, http.MethodPost, lambdaPath+"/"+name+"/versions", ""); err != nil {
			return err
		}
	}
	return nil
}

// steady sends requests at a fixed rate, whether the ones before are answered or
// not, and returns how long each took.
func (c *lambdaClient) steady(ctx context.Context, send func(n int) (time.Duration, error)) (sample, error) {
	ticker := time.NewTicker(time.Second / lambdaRate)
	defer ticker.Stop()
	took := make([]time.Duration, lambdaRequests)
	failed := make(chan error, lambdaRequests)
	var group sync.WaitGroup
	for n := range lambdaRequests {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		group.Go(func() {
			var err error
			if took[n], err = send(n); err != nil {
				failed <- err
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
		return durations(took, time.Millisecond), nil
	}
}

// measureLambda asks the Lambda API of a server that has many functions.
func measureLambda(ctx context.Context, l *lab) ([]section, error) {
	s, err := l.server(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := pause(ctx, 2*time.Second); err != nil {
		return nil, err
	}
	pid := s.cmd.Process.Pid
	before, err := memoryOf(pid)
	if err != nil {
		return nil, err
	}
	c := s.lambda()
	if err := c.fill(ctx); err != nil {
		return nil, err
	}
	if err := pause(ctx, 10*time.Second); err != nil {
		return nil, err
	}
	after, err := memoryOf(pid)
	if err != nil {
		return nil, err
	}
	out := section{
		Title: fmt.Sprintf("Lambda API: %d functions × %d versions", lambdaFunctions, lambdaVersions),
		Rows:  []row{measured("memory above a server without any", "MB", sample{after.rss - before.rss}, 100)},
		Notes: []string{
			fmt.Sprintf("An open loop of %d requests per second, %d of each kind; signing is not part of the time, checking the signature is. The goals are for the 99th percentile.", lambdaRate, lambdaRequests),
			fmt.Sprintf("%d of the functions have an alias, because an alias keeps its version running. UpdateAlias changes a weight between two versions that run.", lambdaAliased),
		},
	}
	rows, err := c.controlPlane(ctx)
	if err != nil {
		return nil, err
	}
	out.Rows = append(out.Rows, rows...)
	invoke, err := c.overhead(ctx)
	return []section{out, invoke}, err
}

// goalP99 is a row whose goal is about its 99th percentile.
func goalP99(name string, s sample, goal float64) row {
	r := measured(name, "ms", s, 0)
	r.Goal, r.Missed, r.OfP99 = goal, r.P99 > goal, true
	return r
}

func (c *lambdaClient) controlPlane(ctx context.Context) ([]row, error) {
	for n := range lambdaAliased {
		path := lambdaPath + "/" + lambdaName(n) + "/aliases"
		if _, err := c.call(ctx, http.MethodPost, path, `{"Name":"prod","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":0.5}}}`); err != nil {
			return nil, err
		}
	}
	get, err := c.steady(ctx, func(n int) (time.Duration, error) {
		return c.call(ctx, http.MethodGet, lambdaPath+"/"+lambdaName(n*7%lambdaFunctions), "")
	})
	if err != nil {
		return nil, err
	}
	alias := func(n int) string { return lambdaPath + "/" + lambdaName(n%lambdaAliased) + "/aliases/prod" }
	getAlias, err := c.steady(ctx, func(n int) (time.Duration, error) { return c.call(ctx, http.MethodGet, alias(n), "") })
	if err != nil {
		return nil, err
	}
	updateAlias, err := c.steady(ctx, func(n int) (time.Duration, error) {
		start := time.Now()
		for {
			took, err := c.call(ctx, http.MethodPut, alias(n), fmt.Sprintf(`{"RoutingConfig":{"AdditionalVersionWeights":{"2":%.2f}}}`, float64(n%90)/100))
			if err == nil || !strings.Contains(err.Error(), "ResourceConflict") && !strings.Contains(err.Error(), "in progress") {
				return max(took, time.Since(start)), err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	pages, err := c.pages(ctx, "?MaxItems=50")
	if err != nil {
		return nil, err
	}
	all, err := c.pages(ctx, "?MaxItems=50&FunctionVersion=ALL")
	if err != nil {
		return nil, err
	}
	const shared = "the load comes from the same processors; see what other programs used"
	return []row{
		goalP99("GetFunction", get, 5).because("%s", shared), goalP99("GetAlias", getAlias, 5).because("%s", shared),
		goalP99("UpdateAlias", updateAlias, 5).because("It waits for a durable write, and for the one before it; %s", shared),
		goalP99("ListFunctions, a page of 50", pages, 10).because("%s", shared),
		goalP99("ListFunctions, a page of 50, all versions", all, 10).because("%s", shared),
	}, nil
}

// pages asks for the pages of the list of functions, from the first to the last
// and again.
func (c *lambdaClient) pages(ctx context.Context, query string) (sample, error) {
	var took []time.Duration
	marker := ""
	for range lambdaPages {
		path := lambdaPath + query
		if marker != "" {
			path += "&Marker=" + url.QueryEscape(marker)
		}
		page, next, err := c.page(ctx, path)
		if err != nil {
			return nil, err
		}
		took, marker = append(took, page), next
	}
	return durations(took, time.Millisecond), nil
}

func (c *lambdaClient) page(ctx context.Context, path string) (took time.Duration, next string, err error) {
	r, err := c.signed(ctx, http.MethodGet, path, "")
	if err != nil {
		return 0, "", err
	}
	took, data, err := c.fetch(r)
	if err != nil {
		return 0, "", err
	}
	var out struct{ NextMarker string }
	err = json.Unmarshal(data, &out)
	return took, out.NextMarker, err
}

// overhead compares the same call through the Lambda API and through Teal's own.
func (c *lambdaClient) overhead(ctx context.Context) (section, error) {
	var signed, plain []time.Duration
	for n := range lambdaRequests / 2 {
		took, err := c.call(ctx, http.MethodPost, lambdaPath+"/"+lambdaName(0)+"/invocations?Qualifier=1", `{"n":1}`)
		if err != nil {
			return section{}, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/v1/apps/"+lambdaName(0)+"/invoke?qualifier=1", strings.NewReader(`{"n":1}`))
		if err != nil {
			return section{}, err
		}
		r.Header.Set("Authorization", "Bearer "+c.secret)
		own, err := c.do(r)
		if err != nil {
			return section{}, err
		}
		if n > 0 { // the first one may start an instance
			signed, plain = append(signed, took), append(plain, own)
		}
	}
	return section{
		Title: "Invoke through the Lambda API",
		Rows: []row{
			measured("Lambda API, signature checked", "ms", durations(signed, time.Millisecond), 0),
			measured("Teal's own API, bearer token", "ms", durations(plain, time.Millisecond), 0),
		},
		Notes: []string{"One Python function that returns its event, asked through both in turn, one call at a time."},
	}, nil
}

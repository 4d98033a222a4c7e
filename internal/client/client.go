// Package client is the Go client of Teal's REST API. The command line and the
// tests use it; it can do what the API can, and nothing else.
//
// Failures keep their code across the wire: teal.CodeOf of an error that a
// method returns is the code that the server sent. A server that does not answer
// at all is an error for which errors.Is(err, ErrUnreachable) holds.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/pinned"
)

// ErrUnreachable is in the chain of every error that means that there was no
// answer from the server, or only the beginning of one.
var ErrUnreachable = errors.New("server unreachable")

// DefaultAddress is where a server listens that was told nothing else.
const DefaultAddress = "127.0.0.1:8081"

// Config says which server to talk to.
type Config struct {
	Address string // HOST:PORT or a URL; "" is DefaultAddress
	Token   string // the bearer token
	// Fingerprint is that of the only certificate that is accepted over https; nil:
	// whatever the machine's authorities have signed is.
	Fingerprint *pinned.Fingerprint
	HTTPClient  *http.Client // nil: one of its own
	// Patience is how long an event stream may be silent, heartbeats included,
	// before the connection counts as broken; 0 is 45 s.
	Patience time.Duration
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	base     string
	token    string
	http     *http.Client
	patience time.Duration
}

// New returns a client. It opens no connection. An address that is none is a
// CodeInvalidInput.
func New(cfg Config) (*Client, error) {
	base, err := baseURL(cfg.Address)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, token: cfg.Token, http: cfg.HTTPClient, patience: cfg.Patience}
	if c.http == nil {
		c.http = &http.Client{
			Transport: &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				TLSClientConfig:     tlsConfig(cfg.Fingerprint),
				TLSHandshakeTimeout: 5 * time.Second,
				IdleConnTimeout:     30 * time.Second,
			},
			// The token is for the server that was named.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if c.patience == 0 {
		c.patience = 3 * api.DefaultHeartbeat
	}
	return c, nil
}

func tlsConfig(pin *pinned.Fingerprint) *tls.Config {
	if pin == nil {
		return nil
	}
	return pinned.ClientConfig(*pin)
}

func baseURL(address string) (string, error) {
	if address == "" {
		address = DefaultAddress
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Path != strings.Repeat("/", len(u.Path)) || u.RawQuery != "" || u.User != nil {
		return "", teal.Errorf(teal.CodeInvalidInput, "%q is not the address of a server; write HOST:PORT, http://HOST:PORT or https://HOST", address)
	}
	return u.Scheme + "://" + u.Host, nil
}

// Address returns the URL of the server.
func (c *Client) Address() string { return c.base }

// Close closes connections that are not in use. The client can be used on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call of the API.
type request struct {
	method  string
	path    []string // segments after /v1, not escaped
	query   url.Values
	body    io.Reader
	size    int64 // of body; 0 for unknown
	content string
}

func (c *Client) url(r request) string {
	var b strings.Builder
	b.WriteString(c.base + "/v1")
	for _, segment := range r.path {
		b.WriteString("/" + url.PathEscape(segment))
	}
	if len(r.query) > 0 {
		b.WriteString("?" + r.query.Encode())
	}
	return b.String()
}

// send returns a response with a status below 300; the caller closes its body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	for _, segment := range r.path {
		switch segment {
		case "", ".", "..": // a path would be read as another one
			return nil, teal.Errorf(teal.CodeInvalidInput, "%q is no name; write that of an app, a version, an alias or a release", segment)
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.url(r), r.body)
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the request cannot be made: %w", err)
	}
	if r.size > 0 {
		req.ContentLength = r.size
	}
	if r.content != "" {
		req.Header.Set("Content-Type", r.content)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode >= 300 {
		defer func() { _ = resp.Body.Close() }()
		return nil, problem(resp)
	}
	return resp, nil
}

// call sends in as JSON (nil: no body) and decodes the answer into out.
func (c *Client) call(ctx context.Context, r request, in, out any) error {
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("client: encode the request: %w", err)
		}
		r.body, r.size, r.content = bytes.NewReader(data), int64(len(data)), "application/json"
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return c.badAnswer(ctx, err)
	}
	// A connection can be used again only when its answer was read to the end.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096))
	return nil
}

// unreachable explains why there was no answer. A context of the caller's that
// has ended is returned as such.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("client: %w", context.Cause(ctx))
	}
	if untrusted := c.untrusted(err); untrusted != nil {
		return untrusted
	}
	cause := fmt.Errorf("%w: %w", ErrUnreachable, err)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return &teal.Error{Code: teal.CodeUnavailable, Err: cause, Message: fmt.Sprintf(
			"no Teal server answers at %s; start one with `teal server`, or set TEAL_ADDR to where it runs", c.base)}
	}
	return &teal.Error{Code: teal.CodeUnavailable, Err: cause, Message: fmt.Sprintf(
		"the connection to the Teal server at %s broke; what was asked for may have been done: look at `teal status`", c.base)}
}

func (c *Client) badAnswer(ctx context.Context, err error) error {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &mismatch) {
		return teal.Errorf(teal.CodeBadAnswer, "what answers at %s does not speak this version of Teal's API: %w", c.base, err)
	}
	return c.unreachable(ctx, err)
}

// problem returns the error that the response describes.
func problem(resp *http.Response) error {
	var p api.Problem
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what has come is looked at
	if err := json.Unmarshal(answer, &p); err == nil && p.Code != "" {
		return &teal.Error{Code: p.Code, Message: p.Detail}
	}
	if resp.StatusCode == http.StatusBadRequest && bytes.Contains(answer, []byte("HTTP request to an HTTPS server")) { // net/http's words
		return teal.Errorf(teal.CodeBadAnswer, "what answers at %s speaks TLS; write https:// instead", resp.Request.URL.Host)
	}
	switch resp.StatusCode { // the answer to a HEAD has no body, and one too long is not looked at
	case http.StatusRequestHeaderFieldsTooLarge, http.StatusRequestURITooLong:
		return teal.Errorf(teal.CodeTooLarge, "what was asked for is too long for the server at %s: %d bytes of a path and a query; shorten it", resp.Request.URL.Host, len(resp.Request.URL.RequestURI()))
	case http.StatusNotFound:
		return teal.Errorf(teal.CodeNotFound, "%s does not exist on the server", resp.Request.URL.Path)
	case http.StatusUnauthorized:
		return teal.Errorf(teal.CodeUnauthorized, "the token is not the one of the server at %s; it is in the file admin.token of the server's data directory", resp.Request.URL.Host)
	case http.StatusForbidden:
		return teal.Errorf(teal.CodeForbidden, "the token may not do this on the server at %s; ask an admin for one with another role, or for this app (teal token create)", resp.Request.URL.Host)
	case http.StatusTooManyRequests:
		return teal.Errorf(teal.CodeThrottled, "the server at %s has no room for this now; try again in a second", resp.Request.URL.Host)
	}
	return notTeal(resp)
}

func notTeal(resp *http.Response) error {
	return teal.Errorf(teal.CodeBadAnswer, "what answers at %s is not a Teal server: it said %s", resp.Request.URL.Host, resp.Status)
}

// Package wholebody gives tests an HTTP client for AWS's SDK that sends the bodies of
// requests whole.
package wholebody

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

// Client sends requests over connections of its own. The SDK closes the body of a request
// as soon as the answer has begun; net/http may still be looking whether that body has
// ended, takes it for one that failed and cuts the connection, in the middle of the answer.
// What Client sends has been read before, and nobody closes it.
type Client struct{ http http.Client }

// New returns a client whose connections end with the test.
func New(t testing.TB) *Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Do sends a request, as http.Client does.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		data, err := io.ReadAll(req.Body)
		if err = errors.Join(err, req.Body.Close()); err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(data))
	}
	return c.http.Do(req)
}

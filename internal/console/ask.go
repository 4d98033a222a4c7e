package console

import (
	"context"
	"errors"
	"io"
	"net/http"

	"teal/internal/access"
	"teal/internal/client"
)

// client returns a client of the REST API as a caller, who asks from an address.
func (c *Console) client(caller access.Caller, from string) *client.Client {
	// The address is that of nobody: no connection is made.
	asked, err := client.New(client.Config{Address: "http://teal.invalid", HTTPClient: &http.Client{
		Transport:     inside{c.cfg.As(caller), from},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil { // the address is one
		panic(err)
	}
	return asked
}

// inside is an http.RoundTripper to a handler of this process.
type inside struct {
	handler http.Handler
	from    string
}

// RoundTrip has the handler answer. The body of the answer comes as it is written, and the
// handler waits for who reads it; closing it ends the handler's request.
func (t inside) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	asked := r.Clone(ctx)
	asked.RemoteAddr, asked.RequestURI = t.from, r.URL.RequestURI()
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	body, out := io.Pipe()
	answer := &answer{header: http.Header{}, body: out, begun: make(chan struct{})}
	go func() {
		defer func() {
			if recover() != nil { // half an answer must not look like a whole one
				_ = out.CloseWithError(io.ErrUnexpectedEOF)
			}
			answer.WriteHeader(http.StatusOK)
			_ = out.Close()
		}()
		t.handler.ServeHTTP(answer, asked)
	}()
	select {
	case <-answer.begun:
	case <-ctx.Done():
		_ = body.CloseWithError(ctx.Err())
		cancel()
		return nil, context.Cause(ctx)
	}
	return &http.Response{
		StatusCode: answer.status, Status: http.StatusText(answer.status), Header: answer.sent,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: -1, Request: r, Body: insideBody{body, cancel},
	}, nil
}

type insideBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close ends the handler's request.
func (b insideBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// answer is the http.ResponseWriter of a request inside.
type answer struct {
	header http.Header
	body   *io.PipeWriter
	begun  chan struct{} // closed when status and sent are final
	status int
	sent   http.Header
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.sent != nil {
		return
	}
	a.status, a.sent = status, a.header.Clone()
	close(a.begun)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	n, err := a.body.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		return n, http.ErrAbortHandler
	}
	return n, err
}

// Flush implements http.Flusher: what is written is there at once.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

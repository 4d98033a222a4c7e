package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"teal"
)

// How long an address is tried.
const (
	attemptTimeout = 10 * time.Second
	firstPause     = time.Second // between attempts, doubling
	longestPause   = 30 * time.Second
	maxRetryAfter  = time.Minute // that an address may ask to wait for
	patience       = 5 * time.Minute
)

// Limits on what an address can send.
const (
	maxBody   = 64 << 10
	maxHeader = 64 << 10
)

// refusal is an answer that is no success.
type refusal struct {
	status int
	after  time.Duration // that the address asks to wait for; 0 is nothing
}

func (r *refusal) Error() string { return fmt.Sprintf("it answered with status %d", r.status) }

// final reports whether the same request would be refused again.
func (r *refusal) final() bool {
	return r.status < http.StatusInternalServerError && r.status != http.StatusTooManyRequests && r.status != http.StatusRequestTimeout
}

// deliver sends a message, again and again with longer and longer pauses, until
// it has been taken or refused, or patience is at an end.
func (n *Notifier) deliver(ctx context.Context, to teal.Notify, m message) error {
	body, err := m.body(to.Slack)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := n.post(ctx, to.URL, body)
		if err == nil {
			return nil
		}
		asked := time.Duration(0)
		var refused *refusal
		if errors.As(err, &refused) {
			if refused.final() {
				return err
			}
			asked = min(refused.after, maxRetryAfter)
		}
		if wait(ctx, max(pause, asked)) != nil {
			return err
		}
	}
}

// body returns what is sent: a JSON document, or the form that Slack's incoming
// webhooks take.
func (m message) body(slack bool) ([]byte, error) {
	if slack {
		return json.Marshal(map[string]string{"text": escape.Replace(m.sentence)})
	}
	return json.Marshal(m)
}

func (n *Notifier) post(ctx context.Context, address string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return bare(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Teal")
	response, err := n.client.Do(request)
	if err != nil {
		return bare(err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return &refusal{status: response.StatusCode, after: retryAfter(response.Header)}
	}
	return err
}

// retryAfter reads for how many seconds an address asks to be left alone.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}

// bare takes the address, which may hold a secret, from an error.
func bare(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

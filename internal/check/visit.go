package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"syscall"
	"time"

	"teal"
)

// Limits on what somebody else can send.
const (
	maxBody        = 1 << 20
	maxHeader      = 64 << 10
	connectTimeout = 10 * time.Second
)

// newClient returns a client of one task: what answers with a redirect has
// answered. The caller closes its idle connections.
func newClient(proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  proxy,
			DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			MaxIdleConnsPerHost:    warmParallel,
			IdleConnTimeout:        time.Minute,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// visitor makes requests to one version, as its users do.
type visitor struct {
	client *http.Client
	base   string // the address, without a path
	host   string // of requests that name none; "" is the address's own
	// cookies are kept from request to request where set.
	cookies *cookiejar.Jar
	// hide returns a text without the secrets of the version.
	hide func(text string) string
}

// reply is what was answered.
type reply struct {
	status int
	header http.Header
	body   []byte // at most maxBody
	cut    bool   // the body is longer
	took   time.Duration
}

// visit returns a visitor of the version that the release moves to. The caller
// must call close.
func (s releaseTask) visit(ctx context.Context, component string) (v *visitor, err error) {
	versions := s.examiner.cfg.Versions
	base, err := versions.Address(s.release.App, s.release.To, component)
	if err != nil {
		return nil, fmt.Errorf("v%d cannot be reached: %s", s.release.To, teal.MessageOf(err))
	}
	spec, err := versions.Spec(ctx, s.release.App, s.release.To)
	if err != nil {
		return nil, fmt.Errorf("v%d cannot be read: %s", s.release.To, teal.MessageOf(err))
	}
	return &visitor{client: newClient(nil), base: strings.TrimSuffix(base, "/"), host: firstHost(spec.Routes, component), hide: s.hide}, nil
}

func (v *visitor) close() { v.client.CloseIdleConnections() }

// firstHost returns the host of the first route that leads to a component, of those that
// lead to the one that is named where one is. Of a wildcard it is one of its hosts.
func firstHost(routes []teal.Route, component string) string {
	for _, route := range routes {
		if route.Redirect != nil || component != "" && route.To != component {
			continue
		}
		if rest, wildcard := strings.CutPrefix(route.Host, "*"); wildcard {
			return "teal-check" + rest
		}
		return route.Host
	}
	return ""
}

// errRequest says that a request cannot be made as it is written.
type errRequest struct{ reason string }

func (e *errRequest) Error() string { return e.reason }

// do makes a request and reads the answer. An error is *errRequest, or says what
// happened instead of an answer.
func (v *visitor) do(ctx context.Context, r teal.Request) (reply, error) {
	request, err := v.request(ctx, r)
	if err != nil {
		return reply{}, err
	}
	began := time.Now()
	response, err := v.client.Transport.RoundTrip(request)
	if err != nil {
		return reply{}, noAnswer(ctx, began, err)
	}
	answer, err := read(ctx, began, response)
	if err == nil && v.cookies != nil {
		v.cookies.SetCookies(v.place(request), response.Cookies())
	}
	return answer, err
}

// read takes what maxBody lets through of an answer.
func read(ctx context.Context, began time.Time, response *http.Response) (reply, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	closeErr := response.Body.Close()
	if err == nil {
		err = closeErr
	}
	if err != nil {
		return reply{}, brokenOff(ctx, began, response.StatusCode, err)
	}
	return reply{
		status: response.StatusCode, header: response.Header,
		body: body[:min(len(body), maxBody)], cut: len(body) > maxBody, took: time.Since(began),
	}, nil
}

func (v *visitor) request(ctx context.Context, r teal.Request) (*http.Request, error) {
	if !strings.HasPrefix(r.Path, "/") {
		return nil, &errRequest{fmt.Sprintf("the path %q does not begin with /", line(r.Path, maxExcerpt))}
	}
	request, err := http.NewRequestWithContext(ctx, methodOf(r), v.base+r.Path, strings.NewReader(r.Body))
	if err != nil {
		return nil, &errRequest{"the request cannot be made: " + plainCause(err)}
	}
	request.Host = v.host
	request.Header.Set("User-Agent", "Teal-Check")
	for name, value := range r.Headers {
		if strings.EqualFold(name, "Host") {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	if r.Host != "" {
		request.Host = r.Host
	}
	if v.cookies != nil {
		for _, c := range v.cookies.Cookies(v.place(request)) {
			request.AddCookie(c)
		}
	}
	return request, nil
}

// place is where a browser would think that it is: cookies are of the app's
// host, and users come over TLS, without which a browser keeps no secure one.
func (v *visitor) place(request *http.Request) *url.URL {
	at := *request.URL
	at.Scheme = "https"
	if request.Host != "" {
		at.Host = request.Host
	}
	return &at
}

func methodOf(r teal.Request) string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// noAnswer says for people why there is no answer.
func noAnswer(ctx context.Context, began time.Time, err error) error {
	var op *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("there was no answer within %s", rounded(time.Since(began)))
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("no connection could be made: %s", plainCause(err))
	}
	return fmt.Errorf("there was no proper answer: %s", plainCause(err))
}

// brokenOff says for people why there is only a part of an answer.
func brokenOff(ctx context.Context, began time.Time, status int, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the answer, with status %d, had not ended after %s", status, rounded(time.Since(began)))
	}
	return fmt.Errorf("the answer, with status %d, broke off: %s", status, plainCause(err))
}

// plainCause returns the part of an error that says what happened, without the
// addresses and system calls around it.
func plainCause(err error) string {
	var errno syscall.Errno
	var dns *net.DNSError
	var at *url.Error
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns):
		return dns.Err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer was complete"
	case errors.As(err, &at): // its own text has the address, which may hold a secret
		return line(at.Err.Error(), maxReason)
	}
	return line(err.Error(), maxReason)
}

// rounded returns a duration with about three digits.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

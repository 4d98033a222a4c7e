package lambda

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/api/sigv4"
	"teal/internal/gateway"
	"teal/internal/gateway/nethttp"
)

// DefaultDomain is what the host names of function URLs end in, unless the server
// is told otherwise. Names below localhost lead to this machine everywhere.
const DefaultDomain = "lambda-url.localhost"

// KeyID is the access key id of the key for function URLs.
const KeyID = "teal-url"

// functionURL is one function URL and what it leads to.
type functionURL struct {
	ref       awslambda.Ref
	qualifier string
	url       awslambda.URL
	open      bool // the function's policy lets everybody call it
}

// urlTable is the function URLs by id. Requests read it without a lock.
type urlTable struct {
	setting sync.Mutex // one change at a time
	table   atomic.Pointer[map[string]functionURL]
}

// set replaces the URLs of one function.
func (t *urlTable) set(x awslambda.Extras) {
	t.setting.Lock()
	defer t.setting.Unlock()
	ref := x.Ref()
	next := map[string]functionURL{}
	if old := t.table.Load(); old != nil {
		maps.Copy(next, *old)
		maps.DeleteFunc(next, func(_ string, u functionURL) bool { return u.ref == ref })
	}
	for qualifier, u := range x.URLs {
		next[u.ID] = functionURL{ref: ref, qualifier: qualifier, url: u, open: x.Policies[qualifier].AllowsURL(u.AuthType)}
	}
	t.table.Store(&next)
}

func (t *urlTable) find(id string) (functionURL, bool) {
	if table := t.table.Load(); table != nil {
		u, ok := (*table)[id]
		return u, ok
	}
	return functionURL{}, false
}

// URLConfig is what URLs needs.
type URLConfig struct {
	Records   *Records
	Activator *Activator
	// Domain is what the host names end in; "" is DefaultDomain.
	Domain string
	// Key is what signatures are made with; its ID is KeyID.
	Key sigv4.Key
	// Read reads the body of somebody who has not proven yet who they are, within
	// the gateway's limits; see front.Server.ReadBody.
	Read   func(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error)
	Logger *slog.Logger
}

// URLs answers requests to function URLs. It is safe for concurrent use.
type URLs struct {
	cfg    URLConfig
	suffix string // of hosts
}

// NewURLs returns the function URLs that records name.
func NewURLs(cfg URLConfig) *URLs {
	return &URLs{cfg: cfg, suffix: "." + cmp.Or(cfg.Domain, DefaultDomain)}
}

// Owns reports whether a host, in lower case and without port, may be a function
// URL's. It does not block.
func (u *URLs) Owns(host string) bool { return strings.HasSuffix(host, u.suffix) }

// Middleware answers requests whose host is a function URL's, and leaves all
// others to next.
func (u *URLs) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		id, ours := strings.CutSuffix(strings.ToLower(host), u.suffix)
		if !ours {
			next.ServeHTTP(w, r)
			return
		}
		to, ok := u.cfg.Records.settings.urls.find(id)
		if !ok {
			refuseURL(w, r, http.StatusForbidden, "Forbidden")
			return
		}
		u.serve(w, r, to, next)
	})
}

// Claim claims the function of a host for a request of which nothing else has to be
// looked at and to whose answer nothing is added: where everybody may call, no page of
// another origin may read, and the answer is not streamed. It reports false for all
// others, and where the function does not run: Middleware starts it, or says why not.
// It does not block.
func (u *URLs) Claim(host string) (gateway.Claim, bool) {
	to, ok := u.cfg.Records.settings.urls.find(strings.TrimSuffix(host, u.suffix))
	if !ok || to.url.Cors != nil || to.url.AuthType != "NONE" || !to.open || to.url.Mode == awslambda.ResponseStream {
		return gateway.Claim{}, false
	}
	claim, err := u.cfg.Activator.claimRunning(to.ref, to.qualifier)
	if err != nil {
		return gateway.Claim{}, false
	}
	u.cfg.Activator.touch(to.ref.App, claim.Version)
	return claim, true
}

func (u *URLs) serve(w http.ResponseWriter, r *http.Request, to functionURL, next http.Handler) {
	if to.url.Cors != nil {
		if r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != "" {
			corsHeaders(w.Header(), *to.url.Cors, r)
			w.WriteHeader(http.StatusOK)
			return
		}
		w = &corsWriter{ResponseWriter: w, cors: *to.url.Cors, request: r}
	}
	if err := u.allow(w, r, to); err != nil {
		status, message := refusalOf(err)
		refuseURL(w, r, status, message)
		return
	}
	claim, err := u.cfg.Activator.claim(r.Context(), to.ref, to.qualifier)
	if err != nil {
		u.cfg.Logger.Warn("a function URL cannot be served", "app", to.ref.App, "qualifier", to.qualifier, "error", err)
		status, message := notServed(err)
		refuseURL(w, r, status, message)
		return
	}
	u.cfg.Activator.touch(to.ref.App, claim.Version)
	claim.Stream = to.url.Mode == awslambda.ResponseStream
	next.ServeHTTP(w, r.WithContext(nethttp.WithClaim(r.Context(), claim)))
}

// Addresses returns what makes the address of a function URL from its id: below a
// domain, at the port of a listener.
func Addresses(domain string, at net.Addr) func(id string) string {
	_, port, err := net.SplitHostPort(at.String())
	if err != nil {
		port = "80"
	}
	return func(id string) string { return "http://" + id + "." + domain + ":" + port + "/" }
}

// errForbidden is in AWS's words but for the page that it points to.
var errForbidden = errors.New("Forbidden. For troubleshooting Function URL authorization issues, see docs/aws.md") //nolint:staticcheck // AWS begins it so

// allow checks who calls: by the function's policy, or by a signature.
//
// A signature that covers a declared hash of the body is verified before anything
// of the body is read. Without one there is no other way than to read it first.
func (u *URLs) allow(w http.ResponseWriter, r *http.Request, to functionURL) error {
	if to.url.AuthType == "NONE" {
		if !to.open {
			return errForbidden
		}
		return nil
	}
	signature, err := u.cfg.Key.Parse(r, time.Now())
	if err != nil {
		return err
	}
	if _, err := u.cfg.Key.VerifyHead(signature); err != nil {
		return err
	}
	body, release, err := u.cfg.Read(w, r)
	defer release() // whoever has proven who they are is asked again for the same, by the gateway
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return u.cfg.Key.Verify(signature, body)
}

// refusalOf returns what whom allow does not let in is told.
func refusalOf(err error) (status int, message string) {
	var unproven *sigv4.Error
	switch {
	case errors.As(err, &unproven):
		return http.StatusForbidden, unproven.Message
	case teal.IsCode(err, teal.CodeTooLarge):
		return http.StatusRequestEntityTooLarge, teal.MessageOf(err)
	case teal.IsCode(err, teal.CodeUnavailable):
		return http.StatusServiceUnavailable, teal.MessageOf(err)
	}
	return http.StatusForbidden, errForbidden.Error()
}

// notServed returns what is told of a URL whose function cannot be called: one that is
// being deleted is none, as it will be when that is done.
func notServed(err error) (status int, message string) {
	switch {
	case teal.IsCode(err, teal.CodeAppStopped):
		return http.StatusServiceUnavailable, teal.MessageOf(err)
	case teal.IsCode(err, teal.CodeUnknownApp), teal.IsCode(err, teal.CodeUnknownAlias):
		return http.StatusForbidden, errForbidden.Error()
	}
	return http.StatusBadGateway, "Internal Server Error"
}

// restTimeout is for what is left of a request that is refused.
const restTimeout = 500 * time.Millisecond

// refuseURL answers at once: net/http would read the body before it, and after.
func refuseURL(w http.ResponseWriter, r *http.Request, status int, message string) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex() // net/http's own connections can
		defer func() { _ = control.SetReadDeadline(time.Now().Add(restTimeout)) }()
		w.Header().Set("Connection", "close")
	}
	data, _ := json.Marshal(map[string]string{"Message": message}) // strings are always encoded
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // whoever has gone needs no answer
}

// corsWriter puts the URL's CORS headers in the place of the function's.
type corsWriter struct {
	http.ResponseWriter
	cors    awslambda.Cors
	request *http.Request
	begun   bool
}

// Unwrap lets http.ResponseController reach the connection.
func (w *corsWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader adds the headers before the first one goes out.
func (w *corsWriter) WriteHeader(status int) {
	if !w.begun && status >= http.StatusOK {
		w.begun = true
		corsHeaders(w.Header(), w.cors, w.request)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *corsWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// corsHeaders says who may read the answer.
func corsHeaders(h http.Header, cors awslambda.Cors, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			h.Del(name)
		}
	}
	h.Add("Vary", "Origin")
	switch {
	case slices.Contains(cors.AllowOrigins, "*") && !cors.AllowCredentials:
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(cors.AllowOrigins, origin), slices.Contains(cors.AllowOrigins, "*"):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return
	}
	if cors.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	list := func(name string, values []string) {
		if len(values) > 0 {
			h.Set(name, strings.Join(values, ","))
		}
	}
	list("Access-Control-Expose-Headers", cors.ExposeHeaders)
	if r.Method == http.MethodOptions {
		list("Access-Control-Allow-Methods", cors.AllowMethods)
		list("Access-Control-Allow-Headers", cors.AllowHeaders)
		if cors.MaxAge > 0 {
			h.Set("Access-Control-Max-Age", strconv.Itoa(cors.MaxAge))
		}
	}
}

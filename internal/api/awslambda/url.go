package awslambda

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"teal"
)

// URLConfig is the shape FunctionUrlConfig, GetFunctionUrlConfigResponse and
// UpdateFunctionUrlConfigResponse.
type URLConfig struct {
	FunctionUrl      string
	FunctionArn      string
	AuthType         string
	Cors             *Cors `json:",omitempty"`
	CreationTime     string
	LastModifiedTime string
	InvokeMode       string
}

type urlInput struct {
	AuthType   *string
	Cors       *Cors
	InvokeMode *string
}

func (h *Handler) viewURL(t target, qualifier string, u URL) URLConfig {
	const form = "2006-01-02T15:04:05.000000Z"
	return URLConfig{
		FunctionUrl: h.cfg.FunctionURL(u.ID), FunctionArn: h.cfg.Place.arn(t.name, qualifier), AuthType: u.AuthType, Cors: u.Cors,
		CreationTime: u.CreatedAt.UTC().Format(form), LastModifiedTime: u.ModifiedAt.UTC().Format(form), InvokeMode: u.Mode,
	}
}

// addressed returns what a request about a URL is about: the function or an
// alias.
func (h *Handler) addressed(q *request) (target, Ref, error) {
	t, err := h.target(q)
	if err != nil {
		return t, Ref{}, err
	}
	if t.qualifier == teal.DraftName || digitsPattern.MatchString(t.qualifier) {
		return t, Ref{}, invalid(t.qualifier, "qualifier", `Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)`)
	}
	ref, _, err := h.content(q.ctx, t)
	return t, ref, err
}

func (in urlInput) check() error {
	switch {
	case in.AuthType != nil && *in.AuthType != "NONE" && *in.AuthType != "AWS_IAM":
		return invalid(*in.AuthType, "authType", "Member must satisfy enum value set: [NONE, AWS_IAM]")
	case in.InvokeMode != nil && *in.InvokeMode != Buffered && *in.InvokeMode != ResponseStream:
		return invalid(*in.InvokeMode, "invokeMode", "Member must satisfy enum value set: [BUFFERED, RESPONSE_STREAM]")
	}
	if in.Cors == nil {
		return nil
	}
	for _, method := range in.Cors.AllowMethods {
		if !slices.Contains([]string{"GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"}, method) {
			return invalid(method, "cors.allowMethods", "Member must satisfy constraint: [Member must have length less than or equal to 6, Member must be an HTTP method or *]")
		}
	}
	if in.Cors.MaxAge < 0 || in.Cors.MaxAge > 86400 {
		return invalid(in.Cors.MaxAge, "cors.maxAge", "Member must have value between 0 and 86400, inclusive")
	}
	for _, list := range [][]string{in.Cors.AllowHeaders, in.Cors.ExposeHeaders, in.Cors.AllowOrigins} {
		for _, value := range list {
			if strings.ContainsAny(value, "\r\n,") {
				return invalid(value, "cors", "Member must be one header or origin")
			}
		}
	}
	return nil
}

func (in urlInput) apply(u *URL) {
	set(&u.AuthType, in.AuthType)
	set(&u.Mode, in.InvokeMode)
	if in.Cors != nil {
		u.Cors = in.Cors
	}
}

func (h *Handler) createURL(q *request) (any, error) {
	var in urlInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, ref, err := h.addressed(q)
	if err != nil {
		return nil, err
	}
	if in.AuthType == nil {
		return nil, invalid("null", "authType", "Member must not be null")
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	u := URL{ID: newURLID(), Mode: Buffered, CreatedAt: h.cfg.Now(), ModifiedAt: h.cfg.Now()}
	in.apply(&u)
	err = h.changeURLs(q, ref, func(urls map[string]URL) error {
		if _, exists := urls[t.qualifier]; exists {
			return faultf(codeConflict, "Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function", h.cfg.Place.arn(t.name, t.qualifier))
		}
		urls[t.qualifier] = u
		return nil
	})
	if err != nil {
		return nil, err
	}
	view := h.viewURL(t, t.qualifier, u)
	return struct {
		FunctionUrl, FunctionArn, AuthType string
		Cors                               *Cors `json:",omitempty"`
		CreationTime, InvokeMode           string
	}{view.FunctionUrl, view.FunctionArn, view.AuthType, view.Cors, view.CreationTime, view.InvokeMode}, nil
}

func (h *Handler) changeURLs(q *request, ref Ref, change func(map[string]URL) error) error {
	_, err := h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		urls := maps.Clone(x.URLs)
		if urls == nil {
			urls = map[string]URL{}
		}
		x.URLs = urls
		return change(urls)
	})
	return err
}

func newURLID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return hex.EncodeToString(b[:])
}

func noURL() error { return faultf(codeNotFound, "The resource you requested does not exist.") }

func (h *Handler) getURL(q *request) (any, error) {
	t, ref, err := h.addressed(q)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	u, ok := x.URLs[t.qualifier]
	if !ok {
		return nil, noURL()
	}
	return h.viewURL(t, t.qualifier, u), nil
}

func (h *Handler) updateURL(q *request) (any, error) {
	var in urlInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, ref, err := h.addressed(q)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	var now URL
	err = h.changeURLs(q, ref, func(urls map[string]URL) error {
		u, ok := urls[t.qualifier]
		if !ok {
			return noURL()
		}
		in.apply(&u)
		u.ModifiedAt = h.cfg.Now()
		urls[t.qualifier], now = u, u
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h.viewURL(t, t.qualifier, now), nil
}

func (h *Handler) deleteURL(q *request) (any, error) {
	t, ref, err := h.addressed(q)
	if err != nil {
		return nil, err
	}
	return nil, h.changeURLs(q, ref, func(urls map[string]URL) error {
		if _, ok := urls[t.qualifier]; !ok {
			return noURL()
		}
		delete(urls, t.qualifier)
		return nil
	})
}

// ListURLsOutput is the shape ListFunctionUrlConfigsResponse.
type ListURLsOutput struct {
	FunctionUrlConfigs []URLConfig
	NextMarker         string `json:",omitempty"`
}

func (h *Handler) listURLs(q *request) (any, error) {
	t, ref, err := h.unqualified(q)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	out := ListURLsOutput{FunctionUrlConfigs: []URLConfig{}}
	keys, next, err := page(q, "URLs of "+t.name, slices.Sorted(maps.Keys(x.URLs)), func(k string) string { return k })
	out.NextMarker = next
	for _, qualifier := range keys {
		out.FunctionUrlConfigs = append(out.FunctionUrlConfigs, h.viewURL(t, qualifier, x.URLs[qualifier]))
	}
	return out, err
}

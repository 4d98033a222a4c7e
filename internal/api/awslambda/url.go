package awslambda

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
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
	InvokeMode       string `json:",omitempty"`
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
// alias. missing says in AWS's words, which depend on the operation, that there is no
// such function.
func (h *Handler) addressed(q *request, further violations, missing error) (target, Ref, error) {
	t, err := h.targetOf(q, urlQualifier, further)
	if err != nil {
		return t, Ref{}, err
	}
	if t.qualifier != "" { // the name may have brought one
		var v violations
		urlQualifier.check(&v, "qualifier", t.qualifier)
		if err := v.err(); err != nil {
			return t, Ref{}, err
		}
	}
	ref, _, err := h.content(q.ctx, t)
	return t, ref, or404(err, missing)
}

// mistakes returns which values break the constraints of the model.
func (in urlInput) mistakes() violations {
	var v violations
	if in.AuthType != nil {
		checkEnum(&v, "authType", or(*in.AuthType, "null"), "NONE", "AWS_IAM")
	}
	if in.InvokeMode != nil {
		checkEnum(&v, "invokeMode", or(*in.InvokeMode, "null"), ResponseStream, Buffered)
	}
	if in.Cors != nil {
		in.Cors.addMistakes(&v)
	}
	return v
}

func (c *Cors) addMistakes(v *violations) {
	for _, method := range c.AllowMethods {
		if !slices.Contains([]string{"GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"}, method) {
			v.add(method, "cors.allowMethods", "Member must satisfy constraint: [Member must have length less than or equal to 6, Member must be an HTTP method or *]")
		}
	}
	checkRange(v, "cors.maxAge", &c.MaxAge, 0, 86400)
	for _, list := range [][]string{c.AllowHeaders, c.ExposeHeaders, c.AllowOrigins} {
		for _, value := range list {
			if strings.ContainsAny(value, "\r\n,") {
				v.add(value, "cors", "Member must be one header or origin")
			}
		}
	}
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
	mistakes := in.mistakes()
	if in.AuthType == nil {
		mistakes.add(nil, "authType", "Member must not be null")
	}
	t, ref, err := h.addressed(q, mistakes, noFunctionForURL())
	if err != nil {
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
		CreationTime                       string
		InvokeMode                         *string `json:",omitempty"` // as on AWS, only of those who have said it
	}{view.FunctionUrl, view.FunctionArn, view.AuthType, view.Cors, view.CreationTime, in.InvokeMode}, nil
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

// noFunctionForURL is what those say who would make, change or list URLs.
func noFunctionForURL() error { return faultf(codeNotFound, "Function does not exist") }

// noResource is what several operations say of what they are about.
func noResource() error { return faultf(codeNotFound, "The resource you requested does not exist.") }

func (h *Handler) getURL(q *request) (any, error) {
	t, ref, err := h.addressed(q, nil, noResource())
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	u, ok := x.URLs[t.qualifier]
	if !ok {
		return nil, noResource()
	}
	return h.viewURL(t, t.qualifier, u), nil
}

func (h *Handler) updateURL(q *request) (any, error) {
	var in urlInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, ref, err := h.addressed(q, in.mistakes(), noFunctionForURL())
	if err != nil {
		return nil, err
	}
	var now URL
	err = h.changeURLs(q, ref, func(urls map[string]URL) error {
		u, ok := urls[t.qualifier]
		if !ok {
			return noResource()
		}
		in.apply(&u)
		u.ModifiedAt = h.cfg.Now()
		urls[t.qualifier], now = u, u
		return nil
	})
	if err != nil {
		return nil, err
	}
	view := h.viewURL(t, t.qualifier, now)
	if in.InvokeMode == nil {
		view.InvokeMode = "" // as on AWS, which tells it to those who have said it
	}
	return view, nil
}

func (h *Handler) deleteURL(q *request) (any, error) {
	t, ref, err := h.addressed(q, nil, noResource())
	if err != nil {
		return nil, err
	}
	return nil, h.changeURLs(q, ref, func(urls map[string]URL) error {
		if _, ok := urls[t.qualifier]; !ok {
			return noResource()
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
		return nil, or404(err, noFunctionForURL())
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

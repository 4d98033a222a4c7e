package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"teal"
	"teal/internal/api"
)

// Ping asks whether a server answers at all. It needs no token.
func (c *Client) Ping(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	_ = resp.Body.Close()
	return nil
}

// Apps returns the status of every app, by name.
func (c *Client) Apps(ctx context.Context) ([]api.Status, error) {
	return collect(ctx, c, []string{"apps"}, func(l api.AppList) ([]api.Status, string) { return l.Apps, l.Next })
}

// Schedules returns the schedules of what is live of an app, of all apps for "".
func (c *Client) Schedules(ctx context.Context, app string) ([]api.ScheduleView, error) {
	path := []string{"schedules"}
	if app != "" {
		path = []string{"apps", app, "schedules"}
	}
	return collect(ctx, c, path, func(l api.ScheduleList) ([]api.ScheduleView, string) { return l.Schedules, l.Next })
}

// Alerts returns what is wrong with the server, blocking ones first.
func (c *Client) Alerts(ctx context.Context) ([]teal.Alert, error) {
	var out api.AlertList
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"alerts"}}, nil, &out)
	return out.Alerts, err
}

// SetAside has the server do without a record that it cannot understand.
func (c *Client) SetAside(ctx context.Context, key string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: []string{"records", key}}, nil, nil)
}

// Tokens returns the tokens of the server, by name.
func (c *Client) Tokens(ctx context.Context) ([]api.TokenView, error) {
	var out api.TokenList
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"tokens"}}, nil, &out)
	return out.Tokens, err
}

// WhoAmI returns what the client's token is.
func (c *Client) WhoAmI(ctx context.Context) (api.WhoAmI, error) {
	var out api.WhoAmI
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"whoami"}}, nil, &out)
	return out, err
}

// ConsoleCode returns an address that lets a browser into the console, once.
func (c *Client) ConsoleCode(ctx context.Context) (api.ConsoleCode, error) {
	var out api.ConsoleCode
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"console-codes"}}, nil, &out)
	return out, err
}

// CreateToken makes a token; nobody can read it again.
func (c *Client) CreateToken(ctx context.Context, body api.TokenBody) (api.NewToken, error) {
	var out api.NewToken
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"tokens"}}, body, &out)
	return out, err
}

// RevokeToken has a token prove nothing any more.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: []string{"tokens", name}}, nil, nil)
}

// Secrets returns the secrets of an app, by name; their values are nobody's to read.
func (c *Client) Secrets(ctx context.Context, app string) ([]api.SecretView, error) {
	return collect(ctx, c, []string{"apps", app, "secrets"}, func(l api.SecretList) ([]api.SecretView, string) { return l.Secrets, l.Next })
}

// SetSecret gives a secret of an app a value.
func (c *Client) SetSecret(ctx context.Context, order api.SetSecret) (api.StoredSecret, error) {
	query := url.Values{}
	set(query, "by", order.By)
	if order.Expect != nil {
		query.Set("expect", strconv.Itoa(*order.Expect))
	}
	var out api.StoredSecret
	err := c.call(ctx, request{
		method: http.MethodPut, path: []string{"apps", order.App, "secrets", order.Name}, query: query,
		body: bytes.NewReader(order.Value), size: int64(len(order.Value)), content: "application/octet-stream",
	}, nil, &out)
	return out, err
}

// RemoveSecret deletes a secret that nothing refers to.
func (c *Client) RemoveSecret(ctx context.Context, app, name, by string) error {
	query := url.Values{}
	set(query, "by", by)
	return c.call(ctx, request{method: http.MethodDelete, path: []string{"apps", app, "secrets", name}, query: query}, nil, nil)
}

// AuditQuery selects orders.
type AuditQuery struct {
	App, By string    // "" is all
	Since   time.Time // zero is all
	Before  uint64    // only with lower numbers; 0 is all
	Limit   int       // at most so many, the newest; 0 is the server's choice
}

// Audit returns what has been ordered, oldest first.
func (c *Client) Audit(ctx context.Context, q AuditQuery) ([]api.OrderView, error) {
	query := url.Values{}
	for name, value := range map[string]string{"app": q.App, "by": q.By} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if !q.Since.IsZero() {
		query.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if q.Before > 0 {
		query.Set("before", strconv.FormatUint(q.Before, 10))
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	var out api.Orders
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"audit"}, query: query}, nil, &out)
	return out.Orders, err
}

// Status returns the status of one app.
func (c *Client) Status(ctx context.Context, app string) (api.Status, error) {
	var out api.Status
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"apps", app}}, nil, &out)
	return out, err
}

// Deploy records the spec as a version of its app and, if asked, starts a
// release. It does not wait for the release.
func (c *Client) Deploy(ctx context.Context, body api.DeployBody) (api.DeployView, error) {
	var out api.DeployView
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"apps", body.Spec.App, "versions"}}, body, &out)
	return out, err
}

// Versions returns all versions of an app, oldest first.
func (c *Client) Versions(ctx context.Context, app string) ([]api.VersionView, error) {
	return collect(ctx, c, []string{"apps", app, "versions"}, func(l api.VersionList) ([]api.VersionView, string) { return l.Versions, l.Next })
}

// Version returns one version of an app.
func (c *Client) Version(ctx context.Context, app string, number int) (api.VersionView, error) {
	var out api.VersionView
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"apps", app, "versions", strconv.Itoa(number)}}, nil, &out)
	return out, err
}

// Aliases returns the aliases of an app by name.
func (c *Client) Aliases(ctx context.Context, app string) (map[string]api.AliasView, error) {
	pages, err := collect(ctx, c, []string{"apps", app, "aliases"}, func(l api.AliasList) ([]map[string]api.AliasView, string) {
		return []map[string]api.AliasView{l.Aliases}, l.Next
	})
	all := map[string]api.AliasView{}
	for _, page := range pages {
		maps.Copy(all, page)
	}
	return all, err
}

// AliasChanges returns the last moves of an app's aliases that no release has made,
// oldest first.
func (c *Client) AliasChanges(ctx context.Context, app string) ([]teal.AliasChange, error) {
	var out api.AliasChanges
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"apps", app, "alias-changes"}}, nil, &out)
	return out.Changes, err
}

// SetAlias points an alias of an app to versions.
func (c *Client) SetAlias(ctx context.Context, app, alias string, body api.AliasBody) (api.AliasView, error) {
	var out api.AliasView
	err := c.call(ctx, request{method: http.MethodPut, path: []string{"apps", app, "aliases", alias}}, body, &out)
	return out, err
}

// Releases returns all releases of an app, oldest first.
func (c *Client) Releases(ctx context.Context, app string) ([]api.ReleaseView, error) {
	return collect(ctx, c, []string{"apps", app, "releases"}, func(l api.ReleaseList) ([]api.ReleaseView, string) { return l.Releases, l.Next })
}

// Release returns one release.
func (c *Client) Release(ctx context.Context, id string) (api.ReleaseView, error) {
	var out api.ReleaseView
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"releases", id}}, nil, &out)
	return out, err
}

// Intervals returns what was measured during a release, as the JSON Lines that
// `teal analyze` reads. The caller must close it. A stream that breaks off is an
// error of reading, with ErrUnreachable.
func (c *Client) Intervals(ctx context.Context, id string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, request{method: http.MethodGet, path: []string{"releases", id, "intervals"}}) //nolint:bodyclose // the caller closes it
	if err != nil {
		return nil, err
	}
	return &answerBody{ReadCloser: resp.Body, broken: func(err error) error { return c.unreachable(ctx, err) }}, nil
}

// answerBody explains an answer that breaks off.
type answerBody struct {
	io.ReadCloser
	broken func(error) error
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.broken(err)
	}
	return n, err // io.EOF must stay io.EOF
}

// Pause lets the active release of an app stay where it is.
func (c *Client) Pause(ctx context.Context, app string, body api.OrderBody) (api.ReleaseView, error) {
	return c.order(ctx, app, "pause", body)
}

// Resume lets a paused release go on.
func (c *Client) Resume(ctx context.Context, app string, body api.OrderBody) (api.ReleaseView, error) {
	return c.order(ctx, app, "resume", body)
}

// Approve says that the step that waits for a person may be left.
func (c *Client) Approve(ctx context.Context, app string, body api.ApproveBody) (api.ReleaseView, error) {
	return c.order(ctx, app, "approve", body)
}

// AnswerHook gives the answer of a hook that had said that it would come later.
// It needs no token but the hook's.
func (c *Client) AnswerHook(ctx context.Context, id, token string, body api.HookAnswer) error {
	return c.call(ctx, request{method: http.MethodPost, path: []string{"releases", id, "hooks", token}}, body, nil)
}

// Promote starts a release of live to the version in preview, or gives green
// everything while a release runs. It does not wait for the release.
func (c *Client) Promote(ctx context.Context, app string, body api.PromoteBody) (api.ReleaseView, error) {
	return c.order(ctx, app, "promote", body)
}

// Rollback returns when live points back.
func (c *Client) Rollback(ctx context.Context, app string, body api.RollbackBody) (api.ReleaseView, error) {
	return c.order(ctx, app, "rollback", body)
}

// Abort ends the active release of an app.
func (c *Client) Abort(ctx context.Context, app string, body api.AbortBody) (api.ReleaseView, error) {
	return c.order(ctx, app, "abort", body)
}

// OrderApp stops, starts or unfreezes an app: what says which of these.
func (c *Client) OrderApp(ctx context.Context, app string, what teal.AppOrderKind, body api.OrderBody) (api.Status, error) {
	var out api.Status
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"apps", app, string(what)}}, body, &out)
	return out, err
}

// Freeze lets nothing of an app be released.
func (c *Client) Freeze(ctx context.Context, app string, body api.FreezeBody) (api.Status, error) {
	var out api.Status
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"apps", app, "freeze"}}, body, &out)
	return out, err
}

// DeleteApp deletes an app. It returns when no request reaches anything of it.
func (c *Client) DeleteApp(ctx context.Context, app string, d api.DeleteApp) (api.DeletedApp, error) {
	query := url.Values{}
	set(query, "by", d.By)
	if d.WithState {
		query.Set("state", "true")
	}
	var out api.DeletedApp
	err := c.call(ctx, request{method: http.MethodDelete, path: []string{"apps", app}, query: query}, nil, &out)
	return out, err
}

func (c *Client) order(ctx context.Context, app, what string, body any) (api.ReleaseView, error) {
	var out api.ReleaseView
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"apps", app, what}}, body, &out)
	return out, err
}

// HasBundle reports whether the server has the bundle.
func (c *Client) HasBundle(ctx context.Context, digest string) (bool, error) {
	err := c.call(ctx, request{method: http.MethodHead, path: []string{"bundles", digest}}, nil, nil)
	if teal.IsCode(err, teal.CodeNotFound) {
		return false, nil
	}
	return err == nil, err
}

// PutBundle sends a zip archive. The server refuses it when its content has
// another digest.
func (c *Client) PutBundle(ctx context.Context, digest string, archive io.Reader) error {
	return c.call(ctx, request{
		method: http.MethodPut, path: []string{"bundles", digest}, body: archive, content: "application/zip",
	}, nil, nil)
}

// Invoked is a function's answer.
type Invoked struct {
	Version       teal.VersionRef
	RequestID     string
	FunctionError string // "" for a normal result
	Payload       []byte
}

// Invoke calls a function. An answer with a FunctionError is not an error.
func (c *Client) Invoke(ctx context.Context, call api.Invoke) (Invoked, error) {
	query := url.Values{}
	set(query, "qualifier", call.Qualifier)
	set(query, "component", call.Component)
	r := request{method: http.MethodPost, path: []string{"apps", call.App, "invoke"}, query: query, content: "application/json"}
	if len(call.Event) > 0 {
		r.body = bytes.NewReader(call.Event)
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return Invoked{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	payload, err := io.ReadAll(resp.Body)
	if err != nil {
		return Invoked{}, c.unreachable(ctx, err)
	}
	version, ok := teal.ParseVersionRef(resp.Header.Get(api.HeaderVersion))
	if !ok {
		return Invoked{}, notTeal(resp)
	}
	return Invoked{
		Version: version, RequestID: resp.Header.Get(api.HeaderRequestID),
		FunctionError: resp.Header.Get(api.HeaderFunctionError), Payload: payload,
	}, nil
}

func set(query url.Values, key, value string) {
	if value != "" {
		query.Set(key, value)
	}
}

// Queues returns the queues of the server, by name.
func (c *Client) Queues(ctx context.Context) ([]api.QueueView, error) {
	var out api.QueueList
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"queues"}}, nil, &out)
	return out.Queues, err
}

// Queue returns one queue.
func (c *Client) Queue(ctx context.Context, name string) (api.QueueView, error) {
	var out api.QueueView
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"queues", name}}, nil, &out)
	return out, err
}

// DeadLetters returns the newest dead letters of a queue.
func (c *Client) DeadLetters(ctx context.Context, name string, most int) ([]api.DeadLetter, error) {
	var out api.DeadLetterList
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"queues", name, "dead"}, query: url.Values{"limit": {strconv.Itoa(most)}}}, nil, &out)
	return out.Dead, err
}

// SendMessages sends messages to a queue; all are on the disk when it returns.
func (c *Client) SendMessages(ctx context.Context, name string, messages []api.MessageBody) ([]api.SentMessage, error) {
	var out api.SentList
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"queues", name, "messages"}}, struct {
		Messages []api.MessageBody `json:"messages"`
	}{messages}, &out)
	return out.Messages, err
}

// ReceiveMessages receives messages of a queue.
func (c *Client) ReceiveMessages(ctx context.Context, name string, r api.ReceiveBody) ([]api.ReceivedMessage, error) {
	var out api.ReceivedList
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"queues", name, "receive"}}, r, &out)
	return out.Messages, err
}

// FinishMessages says what became of messages that were received.
func (c *Client) FinishMessages(ctx context.Context, name string, results []api.MessageResult) error {
	return c.call(ctx, request{method: http.MethodPost, path: []string{"queues", name, "results"}}, api.FinishBody{Results: results}, nil)
}

// ExtendMessages has received messages stay their receiver's for longer.
func (c *Client) ExtendMessages(ctx context.Context, name string, body api.ExtendBody) error {
	return c.call(ctx, request{method: http.MethodPost, path: []string{"queues", name, "extend"}}, body, nil)
}

// RedriveQueue puts dead letters back, those that are named, or all, and returns how many.
func (c *Client) RedriveQueue(ctx context.Context, name string, ids []string) (int, error) {
	var out api.MessageCount
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"queues", name, "redrive"}}, api.RedriveBody{Messages: ids}, &out)
	return out.Messages, err
}

// PurgeQueue removes what waits in a queue, or its dead letters, and returns how many.
func (c *Client) PurgeQueue(ctx context.Context, name string, dead bool) (int, error) {
	var out api.MessageCount
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"queues", name, "purge"}}, api.PurgeBody{Dead: dead}, &out)
	return out.Messages, err
}
